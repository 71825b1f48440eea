// The page of the rows of namespace, init, session and events. It registers its
// handlers right after the SDK's script tag, before the wasm can have come.
(() => {
  "use strict";
  const sdk = window.AvayaCCaaSChatSDK;
  const received = []; // {type, payload}, since forget
  let waiting = [];

  const hear = (type, payload) => {
    received.push({ type, payload });
    waiting = waiting.filter((resolveIfHere) => !resolveIfHere());
  };
  const listen = () => {
    for (const type of Object.keys(sdk.EventType)) sdk.on(type, (payload) => hear(type, payload));
  };
  const forget = () => void (received.length = 0);

  // event waits for the n-th event of a type since forget.
  const event = (type, n = 1) => new Promise((resolve) => {
    const resolveIfHere = () => {
      const found = received.filter((h) => h.type === type)[n - 1];
      if (found) resolve(found.payload);
      return found;
    };
    if (!resolveIfHere()) waiting.push(resolveIfHere);
  });
  // text waits for the message with these words.
  const text = (words) => new Promise((resolve) => {
    const resolveIfHere = () => {
      const found = received.find((h) => h.payload.body && h.payload.body.elementText.text === words);
      if (found) resolve(found.payload);
      return found;
    };
    if (!resolveIfHere()) waiting.push(resolveIfHere);
  });

  // outcome says how a call ended: "returns", "resolves", "throws …" or "rejects …".
  const failed = (how) => (e) => how + " " + (e instanceof sdk.ACSException && e instanceof Error ? e.code : String(e));
  const outcome = (f) => {
    let result;
    try {
      result = f();
    } catch (e) {
      return failed("throws")(e);
    }
    return result && typeof result.then === "function" ? result.then(() => "resolves", failed("rejects")) : "returns";
  };

  // task lets everything that waits for the page go on first.
  const task = () => new Promise((resolve) => {
    const c = new MessageChannel();
    c.port1.onmessage = () => {
      c.port1.close();
      resolve();
    };
    c.port2.postMessage(0);
  });

  // shape says what a payload is made of, and whether it survives what pages do to it:
  // spreading, structuredClone, the history.
  const parts = (v) => {
    if (v instanceof Date) return isNaN(v) ? "invalid Date" : "Date";
    if (v === null || typeof v !== "object") return typeof v;
    if (Array.isArray(v)) return "[" + v.map(parts).join() + "]";
    return "{" + Object.keys(v).sort().map((k) => k + ":" + parts(v[k])).join(" ") + "}";
  };
  const shape = (p) => {
    const text = parts(p), json = JSON.stringify(p);
    const same = (c) => parts(c) === text && JSON.stringify(c) === json;
    if (Object.getPrototypeOf(p) !== Object.prototype) return "not plain: " + text;
    if (!same({ ...p }) || !same(structuredClone(p)) || !same(structuredClone({ ...p }))) return "does not survive a copy: " + text;
    history.pushState({ p }, "");
    if (!same(history.state.p)) return "does not survive the history: " + text;
    return text;
  };

  window.page = { sdk, received, listen, hear, forget, event, text, outcome, task, shape, names: () => received.map((h) => h.type), params: {} };
  listen();
  if (window.opener && window.opener.page) window.opener.page.opened(window);
})();
