// The first script of each page that WebKit loads for the tests, put there by webkitproxy.go.
// WebKit tells a test nothing by itself: this keeps what pages report until the test asks.
// What pages may change later, is taken from the language and the document now.
(() => {
  "use strict";
  const { stringify } = JSON, { floor } = Math, { apply, defineProperty, setPrototypeOf } = Reflect;
  const text = String, key = Symbol.for("tests"), waits = Symbol.for("tests: waits");
  const real = { setTimeout, requestAnimationFrame, console: { ...console } };
  const { querySelector, execCommand } = Document.prototype;
  const { addEventListener: listen, removeEventListener: ignore } = EventTarget.prototype;
  const { getBoundingClientRect, scrollIntoView, checkVisibility } = Element.prototype;
  const id = text(Math.random());
  document.currentScript.remove();

  // A list as JSON has it, whatever the page adds to Array.prototype.
  const list = (...items) => (setPrototypeOf(items, null), items);
  const kept = list();
  let from = 0; // the number of kept[0]
  let finish;
  const whole = new Promise((done) => (finish = done));
  let wake; // answers the poll that waits

  const report = (more) => stringify({ __proto__: null, id, from, kept, ...more });
  const forget = (document, received) => {
    if (document !== id) return;
    const n = Math.min(received - from, kept.length);
    if (n <= 0) return;
    for (let i = n; i < kept.length; i++) kept[i - n] = kept[i];
    kept.length -= n;
    from += n;
  };
  const put = (kind, name, words) => {
    kept[kept.length] = list(kind, text(name), text(words));
    if (wake) wake();
  };

  const head = {
    put,
    // poll is answered as soon as there is something that the test has not received.
    poll(document, received, done) {
      forget(document, received);
      if (wake) wake();
      if (kept.length) return done(report());
      wake = async () => {
        wake = undefined;
        await null; // what the same task reports goes along
        done(report());
      };
      head.leave = () => done(report());
    },
    leave() {},
    // evaluate answers with the value of an expression, and with what was reported until then. When
    // the page is left before, nobody would answer any more.
    async evaluate(expression, document, received, done) {
      const left = () => done(report({ error: "the page was left", left: true }));
      apply(listen, window, ["pagehide", left]);
      let more;
      try {
        const value = stringify(await expression());
        more = value === undefined ? {} : { value };
      } catch (e) {
        more = { error: text(e) + "\n" + text(e && e.stack) };
      }
      apply(ignore, window, ["pagehide", left]);
      forget(document, received);
      done(report(more));
    },
    // loaded ends when the page is loaded, and has reported that.
    async loaded() {
      await whole;
      return null;
    },
    // place is answered with the middle of an element, once that can be seen and stands still.
    place(selector, done) {
      let before = "";
      const checkPlace = () => {
        const e = apply(querySelector, document, [selector]);
        if (e) apply(scrollIntoView, e, [{ block: "nearest", inline: "nearest", behavior: "instant" }]);
        const box = e && apply(getBoundingClientRect, e, []);
        const seen = e && box.width > 0 && box.height > 0 && apply(checkVisibility, e, [{ visibilityProperty: true }]);
        const place = seen ? stringify({ x: floor(box.left + box.width / 2), y: floor(box.top + box.height / 2) }) : "";
        if (place && place === before) return done(place);
        before = place;
        apply(real.requestAnimationFrame, window, [checkPlace]);
      };
      checkPlace();
    },
    insert: (words) => apply(execCommand, document, ["insertText", false, words]),
    // network says what the proxy does: the engine itself finds out nothing.
    network(on) {
      defineProperty(navigator, "onLine", { configurable: true, get: () => on });
      dispatchEvent(new Event(on ? "online" : "offline"));
    },
  };

  let target = head;
  try {
    if (top !== window) target = top[key] || head;
  } catch (_) { /* of another origin */ }
  defineProperty(window, key, { value: target });

  const describe = (v) => {
    if (v instanceof Error) return v.stack && v.stack.includes(v.message) ? v.stack : text(v) + "\n" + v.stack;
    try {
      return typeof v === "object" && v ? stringify(v) : text(v);
    } catch (_) {
      return text(v);
    }
  };
  const say = (level, words) => {
    let line = "";
    for (let i = 0; i < words.length; i++) line += (i ? " " : "") + describe(words[i]);
    target.put("printed", level, line);
  };
  for (const name of ["log", "info", "warn", "error", "debug"]) {
    console[name] = (...words) => {
      say(name === "warn" ? "warning" : name, words);
      apply(real.console[name], console, words);
    };
  }
  console.assert = (held, ...words) => {
    if (!held) say("assert", words);
    apply(real.console.assert, console, [held, ...words]);
  };

  // The page's own handlers come first: one that prevents the default has taken care of it.
  const uncaught = (e, words) => apply(real.setTimeout, window, [() => {
    if (!e.defaultPrevented) target.put("uncaught", "", words);
  }]);
  addEventListener("error", (e) => uncaught(e, "Uncaught " + (e.error ? describe(e.error) : e.message) + "\n    at " + e.filename + ":" + e.lineno));
  addEventListener("unhandledrejection", (e) => uncaught(e, "Uncaught (in promise) " + describe(e.reason)));
  if (target !== head) return;
  addEventListener("load", () => {
    put("loaded", "", "");
    finish();
  });
  addEventListener("pageshow", (e) => {
    const [entry] = performance.getEntriesByType("navigation");
    if (!e.persisted && entry && entry.type === "back_forward") put("not kept", "", "the page was loaded anew");
  });
  addEventListener("pagehide", () => {
    wake = undefined;
    head.leave();
  });
  if (window[waits]) window[waits]();
})();
