// Runs the core, a Go program in WebAssembly.

import { CORE_ENDED, core, notify, pendingIds, setCore } from "./bridge.js";
import { enqueue } from "./delivery.js";
import { initFailed } from "./errors.js";
import { newGo } from "./glue.js";
import { load, sameBuild, unusable, wasmURL } from "./load.js";
import { level, log } from "./log.js";
import {
  Array, DataView, Date, JSON, Map, Object, Promise, Reflect, Set, TextDecoder, Uint8Array, WebAssembly, assign, clearTimeout, crypto,
  ownKeys, parse, performance,
} from "./realm.js";
import { session } from "./session.js";
import { runTask } from "./task.js";
import { watch } from "./wake.js";
import { inRootZone } from "./zone.js";

/**
 * One run of the program. _build, the stamp of the wasm, and _command are there once the
 * program has begun. What is _dead is never entered again.
 * @typedef {{
 *   _go: import("./glue.js").Go,
 *   _global: object,
 *   _sockets: Set<WebSocket>,
 *   _build?: string,
 *   _command?: import("./bridge.js").Command,
 *   _dead?: boolean,
 * }} Run
 */

let line = ""; // the unfinished line of what the runtime writes

// Go's fs: it gets only what the runtime writes when it dies, in pieces of lines.
const fs = {
  // The program reads them when it starts, which it has done before the snapshot was taken.
  constants: FROM_SNAPSHOT ? {} : { O_WRONLY: -1, O_RDWR: -1, O_CREAT: -1, O_TRUNC: -1, O_APPEND: -1, O_EXCL: -1, O_DIRECTORY: -1 },
  /**
   * @param {number} fd
   * @param {Uint8Array} bytes
   */
  writeSync: (fd, bytes) => {
    const lines = (line + new TextDecoder().decode(bytes)).split("\n");
    line = /** @type {string} */ (lines.pop());
    if (lines[0]) log("ERROR", lines.join("\n"));
    return bytes.length;
  },
};

/**
 * Returns Go's global. Go sees the window through an object of its own, so that Go, fs and
 * process never become the page's, nor the page's ours.
 * @param {Run} run
 */
const newGlobal = (run) => ({
  __proto__: window,
  self: window,
  crypto, performance, JSON, Reflect, Object, Array, Uint8Array, Date, fs,
  process: undefined,
  path: undefined,
  /**
   * @param {string} url
   * @param {string} protocol
   */
  WebSocket: function (url, protocol) {
    const socket = new window.WebSocket(url, protocol);
    run._sockets.add(socket); // a dead core cannot close its connections
    socket.addEventListener("close", () => run._sockets.delete(socket));
    return socket;
  },
  shim: newShim(run),
});

/**
 * @param {Run} run
 * @returns {import("./bridge.js").Shim}
 */
const newShim = (run) => ({
  deliver: (list) => run._dead || enqueue(parse(list)),
  // Not Function.prototype.bind, which pages replace.
  bound: (f, id) => (value) => f(id, value),
  started: (build, command) => {
    run._build = build;
    run._command = (...args) => inRootZone(command, ...args);
  },
});

/**
 * Stands in for Go's run where the instance begins with a program whose main waits: puts the values
 * that Go holds where it has them, in the table of wasm_exec.js.
 * @param {any} go
 * @param {any} global that of the program
 * @param {WebAssembly.Instance} instance
 * @param {typeof SNAPSHOT} held
 */
const restore = (go, global, instance, held) => {
  go._inst = instance;
  go.mem = new DataView(/** @type {WebAssembly.Memory} */ (instance.exports.mem).buffer);
  go.exited = false;
  go._idPool = [];
  go._values = [];
  go._goRefCounts = [];
  go._ids = new Map();
  /**
   * @param {any} value
   * @param {number} references
   */
  const put = (value, references) => {
    go._ids.set(value, go._values.length);
    go._goRefCounts.push(references);
    go._values.push(value);
  };
  for (const value of [NaN, 0, null, true, false, global, go]) put(value, Infinity);
  for (const [references, what] of held) {
    /** @type {any} */
    let value = what;
    if (typeof what === "number") {
      value = go._makeFuncWrapper(what);
      global.shim.started(BUILD, value);
    } else if (typeof what !== "string") {
      value = global;
      for (const name of what) value = value[name];
    }
    if (value === undefined) throw new Error(what + " is not there");
    put(value, references);
  }
};

/** Returns a run that has not begun. */
const newRun = () => {
  const run = /** @type {Run} */ ({ _sockets: new Set() });
  const global = newGlobal(run);
  class Program extends newGo(global, fs, { keys: ownKeys }) {
    // Every way into Go leads through here, and none into a dead one.
    _resume() {
      if (run._dead) return;
      try {
        super._resume();
      } catch (e) {
        end(run, e);
      }
      if (this.exited) end(run);
    }
  }
  const go = new Program();
  go.exit = () => {};
  if (!FROM_SNAPSHOT) go.env = assign({ __proto__: null }, ENVIRONMENT);
  run._go = go;
  run._global = global;
  return run;
};

/**
 * Ends a run, and closes what it has left behind. If it was the running core, every pending
 * call is rejected, and the session ends.
 * @param {Run} run
 * @param {unknown} [why]
 */
const end = (run, why) => {
  if (run._dead) return;
  run._dead = true;
  const timeouts = run._go._scheduledTimeouts;
  timeouts.forEach(clearTimeout);
  timeouts.clear(); // a timer in whose callback Go died is else tried again without end
  for (const socket of run._sockets) {
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
  if (!core || core !== run._command) return;
  setCore(null);
  const error = initFailed(CORE_ENDED, why);
  log("ERROR", CORE_ENDED, why);
  for (const id of pendingIds()) enqueue([{ settle: id, error }]);
  if (session._user) {
    const eventDate = +new Date();
    enqueue([
      {
        event: "EVENT_STREAM_FAILED",
        payload: { eventDate, message: CORE_ENDED, reason: "UNEXPECTED_ERROR", retryAfter: 0 },
      },
      // Pages wait for it before they start anew (EV-14).
      { event: "SHUTDOWN", payload: { eventDate } },
    ]);
  }
};

// Each step of a start is a task of its own, so that the page gets a turn between them: on a
// slow device one alone is longer than what a visitor notices.
const nextTask = () => new Promise(runTask);

/** Loads the wasm where that is not done, and starts the core. */
export const start = async () => {
  const loading = load(); // what comes before the await is done while it is on its way
  /** @type {Run} */
  let run;
  try {
    run = newRun();
  } catch (e) {
    throw unusable(e);
  }
  const module = await loading;
  const checkBuild = () => {
    if (run._build === BUILD) return;
    end(run);
    throw initFailed(wasmURL + " is of build " + run._build + ", but the script of build " + BUILD + ": " + sameBuild);
  };
  if (FROM_SNAPSHOT) {
    const [stamp] = WebAssembly.Module.customSections(module, "build"); // none: of a build before there were snapshots
    run._build = stamp ? new TextDecoder().decode(stamp) : "(unknown)";
    checkBuild();
  }
  try {
    const instance = await WebAssembly.instantiate(module, run._go.importObject);
    await nextTask();
    if (FROM_SNAPSHOT) restore(run._go, run._global, instance, SNAPSHOT);
    else run._go.run(instance).then(() => end(run), (e) => end(run, e));
    await nextTask();
  } catch (e) {
    throw unusable(e);
  }
  if (!run._command || run._dead) {
    end(run);
    throw initFailed(wasmURL + " did not start");
  }
  checkBuild();
  setCore(run._command);
  notify("setLogLevel", level);
  await nextTask();
  if (!core) throw initFailed(CORE_ENDED);
  watch();
};
