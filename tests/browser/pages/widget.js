// A page as pages are written: a state that is replaced and rendered anew with each
// change, and a rendering that subscribes to events anew and never unsubscribes. It
// takes the functions out of the SDK and the methods out of copies of engagements,
// copies messages, and keeps them in the browser's history.
(() => {
  "use strict";
  const { on, off, init, shutdown, createEngagement, getEngagements, resetIdleTimeout } = window.AvayaCCaaSChatSDK;
  const note = (name, data) => window.note(JSON.stringify({ kind: "page", name, data: data === undefined ? null : data }));

  let state = Object.freeze({ phase: "loading", engagement: null, messages: [], ticks: [], renders: 0 });
  const set = (change) => {
    state = Object.freeze({ ...state, ...change, renders: state.renders + 1 });
    render(state);
    note("rendered", { phase: state.phase, status: state.engagement && state.engagement.engagementStatus, texts: state.messages.map((m) => m.body.elementText.text), ticks: state.ticks.length });
  };

  // What a store keeps of an engagement: all but what changes all the time.
  const kept = (engagement) => {
    const { lastUpdatedAt, ...rest } = engagement;
    return Object.freeze(rest);
  };

  // Its handlers see the state of their own rendering: one of an older rendering would
  // undo what came since.
  const render = ({ engagement, messages, ticks }) => {
    const add = (message) => {
      const all = [...messages, { ...message }];
      history.pushState({ messages: all }, "");
      set({ messages: all });
    };
    on("INITIALIZED", ({ engagements }) => set({ phase: "ready", engagement: engagements[0] ? kept(engagements[0]) : null }));
    on("ENGAGEMENT_ACTIVE", async ({ engagementId }) => {
      const found = (await getEngagements()).find((e) => e.engagementId === engagementId);
      set({ engagement: kept(found) });
    });
    on("PARTICIPANT_ADDED", ({ participant }) => note("added", participant));
    on("MESSAGE_ARRIVED", add);
    on("MESSAGE_DELIVERED", (message) => {
      if (!messages.some((m) => m.messageId === message.messageId)) add(message); // from another session
      else set({ ticks: [...ticks, message.messageId] });
    });
    on("SHUTDOWN", () => set({ phase: "over" }));
  };

  window.widget = {
    get state() { return state; },

    begin: async () => {
      widget.account = await (await fetch("/t/account", { method: "POST" })).json();
      const begun = init(widget.account, { logLevel: "WARN" });
      note("called init");
      return begun;
    },

    start: () => createEngagement({ page: "widget" }),

    // What it sent it shows at once, and never looks whether it is there.
    send: async (text) => {
      const { sendMessage } = { ...state.engagement };
      const message = await sendMessage(text);
      set({ messages: [...state.messages, { ...message }] });
    },

    // Mounted twice, as in development: each mount subscribes and initializes, each
    // unmount takes that back, and nobody waits for anything.
    strict: (account) => {
      const mount = (name) => {
        on("INITIALIZED", () => note("initialized", name));
        init(account).then(() => note("resolved", name), (e) => note("rejected", name + " " + e.code));
      };
      const unmount = () => {
        off();
        shutdown().catch((e) => note("not shut down", e.code));
      };
      mount("first");
      unmount();
      mount("second");
    },

    // How pages tell errors apart.
    caught: async (f) => {
      try {
        await f();
      } catch (e) {
        if (!(e instanceof Error) || !e.stack || !String(e).includes(e.message)) return "no Error";
        switch (e.code) {
          case "ACS-310": return "please start the chat first";
          case "ACS-305": return "please sign in again";
          default: return e.name + " " + e.code;
        }
      }
      return "nothing";
    },

    // Functions given away, without the object they are of.
    nudge: () => new Promise((done) => setTimeout(() => { [0].forEach(resetIdleTimeout); done(); })),
    end: () => shutdown(),
  };

  render(state);
  note("subscribed", sessionStorage.getItem("ccaasClientSessionId"));
})();
