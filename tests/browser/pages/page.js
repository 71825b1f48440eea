// The page of the journeys. It does what a page does, through the public surface only,
// and reports what it receives to the test, in order.
(() => {
  "use strict";
  const SDK = window.AvayaCCaaSChatSDK;
  const note = (kind, name, data) => window.note(JSON.stringify({ kind, name, data }));
  const failure = (e) => ({ code: String(e && e.code), message: String(e && e.message), text: String(e) });

  const t = { user: undefined, initialized: undefined, react: {} };
  window.t = t;

  for (const type of Object.keys(SDK.EventType)) {
    SDK.on(type, (payload) => {
      if (type === "INITIALIZED") t.initialized = payload;
      note("event", type, payload);
      if (t.react[type]) t.react[type](payload);
    });
  }

  // A call of the page: its outcome is reported where the page's own await goes on.
  t.call = async (name, promise) => {
    try {
      const value = await promise;
      note("call", name, value === undefined ? null : value);
      return { value };
    } catch (e) {
      note("call", name, { error: failure(e) });
      return { error: failure(e) };
    }
  };

  t.init = async (params, config) => {
    const outcome = await t.call("init", SDK.init({ hostURL: location.origin, ...params }, config));
    t.user = outcome.value;
    return { error: outcome.error, same: t.user !== undefined && t.user === t.initialized };
  };

  t.create = async (parameters) => {
    const { value, error } = await t.call("createEngagement", SDK.createEngagement(parameters));
    return { id: value && value.engagementId, error };
  };

  t.send = (id, text) => t.call("send " + text, SDK.getEngagementById(id).sendMessage(text));

  t.join = (id) => t.call("join", SDK.getEngagementById(id).join());

  t.engagements = async () => (await SDK.getEngagements()).map(({ engagementId, engagementStatus }) => ({ engagementId, engagementStatus }));

  // The whole history, oldest first, as a page walks it.
  t.history = async (id, pageSize) => {
    const engagement = await SDK.getEngagementById(id);
    note("page", "asks for history", null);
    const iterator = await engagement.getMessages(pageSize);
    let list = iterator.items.reverse();
    while (iterator.hasPrevious()) {
      await iterator.previous();
      list = iterator.items.reverse().concat(list);
    }
    return list.map((m) => ({ index: m.messageIndex, id: m.messageId, text: m.body.elementText.text }));
  };

  // A new token from the page's own server.
  t.refresh = async () => {
    const answer = await fetch("/t/token", { method: "POST" });
    SDK.setJwtToken(await answer.text());
    note("call", "setJwtToken", null);
  };

  note("page", "loaded", sessionStorage.getItem("ccaasClientSessionId"));
})();
