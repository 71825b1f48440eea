// What launcher.html does, which prerenders prerendered.html, and what that page does, which
// begins its chat as soon as it is loaded, and so also while it is hidden. Chromium prerenders
// nothing for a tab that is inspected: the pages report by requests, one after the other,
// and a shown one asks the test what to do.
(() => {
  "use strict";
  const sdk = window.AvayaCCaaSChatSDK;
  let reported = Promise.resolve();
  const report = (name, data) => {
    const body = JSON.stringify({ kind: "page", name, data: { hidden: document.prerendering, data } });
    return (reported = reported.then(() => fetch("/t/report", { method: "POST", body })));
  };
  const failure = async (f) => {
    try {
      await f();
    } catch (e) {
      return e.code;
    }
    return "none";
  };
  for (const type of Object.keys(sdk.EventType)) sdk.on(type, () => report(type));

  const commands = {
    prerender: () => document.head.append(Object.assign(document.createElement("script"), {
      type: "speculationrules",
      text: JSON.stringify({ prerender: [{ source: "list", urls: ["/t/prerendered.html"], eagerness: "immediate" }] }),
    })),
    show: () => location.assign("/t/prerendered.html"),
    leave: () => location.assign("/t/launcher.html?elsewhere"),
    reload: () => location.reload(),
    back: () => history.back(),
    forward: () => history.forward(),
    init: async () => {
      const account = await (await fetch("/t/account", { method: "POST" })).json();
      report("begun", {
        first: sdk.init({ hostURL: location.origin, ...account }, {}).then(() => report("init", "resolved"), (e) => report("init", e.code)) && "",
        init: await failure(() => sdk.init(account, {})),
        list: await failure(() => sdk.getEngagements()),
        shutdown: await failure(() => sdk.shutdown()),
        reset: await failure(async () => sdk.resetIdleTimeout()),
        level: await failure(async () => sdk.setLogLevel("LOUD")),
      });
    },
    session: () => report("session", {
      session: sessionStorage.getItem("ccaasClientSessionId") || "",
      wasPrerendered: performance.getEntriesByType("navigation")[0].activationStart > 0,
    }),
  };
  const obey = async () => {
    report("shown");
    for (;;) {
      const command = await (await fetch("/t/command", { method: "POST" })).text();
      commands[command]();
      if (/show|leave|reload|back|forward/.test(command)) return;
    }
  };
  window.addEventListener("pageshow", ({ persisted }) => persisted && obey());

  if (location.pathname === "/t/launcher.html") return obey();
  if (document.prerendering) {
    document.addEventListener("prerenderingchange", obey, { once: true });
    // The test sees by the end of this request that the page is thrown away.
    fetch("/t/alive").catch(() => {});
  } else {
    obey();
  }
  (async () => {
    await commands.init();
    if (!document.prerendering) return;
    // The hidden page waits for longer than init may take (INIT-9), and for several times as
    // many answers as the init of a page that is shown needs.
    await fetch("/t/wasm");
    for (let i = 0; i < 20; i++) await fetch("/t/icon.svg?" + i);
    clock.skip(100);
    for (let i = 0; i < 20; i++) await fetch("/t/icon.svg?" + i);
    report("waited");
  })();
})();
