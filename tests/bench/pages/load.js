"use strict";
// The page on which scripts are loaded. Go drives it.

const load = {};

const longTasks = [];
const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries()));
observer.observe({ type: "longtask" });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// How a script is used, so that it is ready: each resolves with the time at which it was.
const use = {
  // A peer is ready when it can be called.
  peer: async (callable) => {
    const now = performance.now();
    if (typeof callable.split(".").reduce((o, name) => o[name], window) !== "function") throw new Error("there is no " + callable);
    return now;
  },
  // Go is ready when main waits.
  bare: () => window.bare,
  // We are ready when init makes its first request.
  ours: async (params) => {
    const request = new Promise((resolve) => {
      const fetch = window.fetch;
      window.fetch = function (url) {
        if (String(url).startsWith(params.hostURL)) resolve(performance.now());
        return fetch.apply(window, arguments);
      };
    });
    await window.AvayaCCaaSChatSDK.init(params, { idleTimeout: 0 });
    return request;
  },
};

// run loads a script into this quiet page and tells, in milliseconds since it was asked
// for, when it was ready, and for how long tasks blocked.
load.run = async (src, how, argument) => {
  const begun = performance.now();
  const script = document.createElement("script");
  const loaded = new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error(src + " did not load"));
  });
  script.src = src;
  document.head.append(script);
  await loaded;
  const ready = await use[how](argument);
  performance.mark("ready", { startTime: ready }); // for traces
  await pause(150); // what it does right after belongs to loading, too
  longTasks.push(...observer.takeRecords());
  const blocked = longTasks.filter((t) => t.startTime + t.duration > begun).reduce((sum, t) => sum + Math.max(0, t.duration - 50), 0);
  return { ready: ready - begun, blocked };
};
