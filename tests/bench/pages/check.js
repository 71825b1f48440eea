"use strict";
// Counts what crosses between Go and the page, and what the page parses.

const counted = { crossings: 0, parses: 0, framesParsed: 0, frames: 0, tasks: 0 };

// Every call of Go into the browser, and each of the browser into Go.
{
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (module, imports) => {
    const count = (f) => (...args) => {
      counted.crossings++;
      return f(...args);
    };
    const wrapped = {};
    for (const [name, functions] of Object.entries(imports)) {
      wrapped[name] = Object.fromEntries(Object.entries(functions).map(([key, f]) => [key, typeof f === "function" ? count(f) : f]));
    }
    const instance = await instantiate(module, wrapped);
    const exports = { ...instance.exports, resume: count(instance.exports.resume) };
    return Object.create(WebAssembly.Instance.prototype, { exports: { value: exports } }); // wasm_exec.js asks whether it is one
  };
}

// A frame of the event stream is known by how it begins.
{
  const { parse } = JSON;
  JSON.parse = (text, ...rest) => {
    counted.parses++;
    if (typeof text === "string" && text.startsWith('{"type":')) counted.framesParsed++;
    return parse(text, ...rest);
  };
}

{
  const Socket = WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => {
        counted.frames += data.split("\x1e").length;
        if (counted.frames >= awaited.frames) awaited.done(null);
      });
    }
  };
}

const awaited = { frames: Infinity, done: null };
// framesCounted resolves when so many frames have come since the page began.
const framesCounted = (n) => new Promise((resolve) => {
  awaited.frames = n;
  awaited.done = resolve;
  if (counted.frames >= n) resolve(null);
});

const countedSince = (before) => Object.fromEntries(Object.keys(counted).map((key) => [key, counted[key] - before[key]]));

// sends sends n messages, one after the other, and resolves with what was counted.
const countSends = async (n) => {
  const before = { ...counted };
  for (let i = 0; i < n; i++) await bench.engagement.sendMessage("Good morning, I have a question about my order.");
  return countedSince(before);
};
