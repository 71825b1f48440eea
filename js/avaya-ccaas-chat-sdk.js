// The porch: it gives the core, which is Go in WebAssembly, the faces that pages know
// as window.AvayaCCaaSChatSDK. It has no protocol and no retries, and its one timer only
// begins the download.
//
// js/pack builds the shipped script from this file: it sets VERSION, BUILD and
// INTEGRITY and puts the toolchain's wasm_exec.js into glue.
(() => {
  "use strict";

  // Rendering on a server imports this file too.
  if (typeof window === "undefined" || !window.document) return;

  // ---- The page's realm. Libraries replace parts of it, before this script runs or after, so
  // that what this script and the glue use is taken here, once. What a page may observe stays
  // the page's at each use: fetch, WebSocket, sessionStorage and console.
  const {
    document, Object, Array, Error, Date, Map, Set, URL, Document, Uint8ClampedArray, DataView, TextEncoder, TextDecoder,
    WebAssembly, MessageChannel, crypto, setTimeout, clearTimeout,
  } = window;
  const { apply, construct, get, set, deleteProperty, ownKeys } = window.Reflect;
  const { parse, stringify } = window.JSON;
  const { now } = window.performance;
  const Reflect = { apply, construct, get, set, deleteProperty };
  const JSON = { parse, stringify };
  const performance = { now: () => apply(now, window.performance, []) };
  // The language's own, of which the browser's answers are, whatever the page has by these names.
  const Promise = (async () => {})().constructor;
  const Uint8Array = new TextEncoder().encode().constructor;

  const { assign, defineProperty, freeze, getOwnPropertyDescriptor, setPrototypeOf } = Object;

  // An element's id or name makes it a property of the document that hides the document's own
  // property of that name, and a property of the window where the window has no own one. So
  // properties of the document are read from its prototype, and a global that may be absent
  // counts only where it is an own property.
  const read = (name) => get(Document.prototype, name, document);
  const ownGlobal = (name) => getOwnPropertyDescriptor(window, name) && window[name];
  const listenTo = (target, type, f) => apply(read("addEventListener"), target, [type, f]);

  // A second script tag must not take the handlers and the session from the first.
  if (ownGlobal("AvayaCCaaSChatSDK")) return;

  // zone.js, which Angular brings, counts the work begun in a zone. The work of the SDK is not
  // the page's: outside runs f in the root zone, and so all that f begins.
  const zones = () => {
    const Zone = ownGlobal("Zone");
    return typeof Zone === "function" && Zone.current && Zone.root && typeof Zone.root.run === "function" && Zone;
  };
  const outside = (f, ...args) => {
    const Zone = zones();
    return Zone ? Zone.root.run(f, undefined, args) : f(...args);
  };

  // Spelled out: made by a loop, they would be nearly half of what this script takes to load.
  const LogLevel = freeze({ DEBUG: "DEBUG", INFO: "INFO", WARN: "WARN", ERROR: "ERROR", OFF: "OFF" });
  const EventType = freeze({
    INITIALIZED: "INITIALIZED", SHUTDOWN: "SHUTDOWN", TOKEN_EXPIRY_REMINDER: "TOKEN_EXPIRY_REMINDER",
    TOKEN_EXPIRED: "TOKEN_EXPIRED", IDLE_TIMEOUT_EXPIRED: "IDLE_TIMEOUT_EXPIRED",
    EVENT_STREAM_CONNECTING: "EVENT_STREAM_CONNECTING", EVENT_STREAM_CONNECTED: "EVENT_STREAM_CONNECTED",
    EVENT_STREAM_FAILED: "EVENT_STREAM_FAILED", EVENT_STREAM_CLOSED: "EVENT_STREAM_CLOSED",
    ENGAGEMENT_ACTIVE: "ENGAGEMENT_ACTIVE", ENGAGEMENT_TERMINATED: "ENGAGEMENT_TERMINATED",
    ENGAGEMENT_ERROR: "ENGAGEMENT_ERROR", PARTICIPANT_ADDED: "PARTICIPANT_ADDED",
    PARTICIPANT_DISCONNECTED: "PARTICIPANT_DISCONNECTED", MESSAGE_ARRIVED: "MESSAGE_ARRIVED",
    MESSAGE_DELIVERED: "MESSAGE_DELIVERED",
  });

  const hidden = (value) => ({ __proto__: null, value, writable: true, configurable: true });

  class ACSException extends Error {
    constructor(code, message, cause) {
      super(message);
      // Where a page's own Error made the object, it has neither this class nor a message.
      setPrototypeOf(this, ACSException.prototype);
      defineProperty(this, "message", hidden(message));
      this.code = code;
      if (cause !== undefined) this.cause = cause;
    }
    toString() {
      return this.code + ": " + this.message;
    }
  }
  defineProperty(ACSException.prototype, "name", hidden("ACSException")); // set, it fails where Error is frozen

  // The words of sdk/errors.go, for what happens while there is no core to say them.
  const fail = (code, text, detail, cause) =>
    new ACSException("ACS-" + code, text + (detail ? " - " + detail : ""), cause);
  const notInitialized = () => fail(310, "SDK is not initialized", "call init first");
  const inProgress = () => fail(321, "Cannot perform this operation as init/shutdown is in progress");
  const initFailed = (detail, cause) => fail(311, "SDK failed to initialize", detail, cause);
  const fromCore = (e) => new ACSException(e.code, e.message, e.cause && new Error(e.cause));

  // ---- Logging

  let level = LogLevel.ERROR;
  const levels = ownKeys(LogLevel);

  const print = (at, ...what) => console[at.toLowerCase()]("[AvayaCCaaSChatSDK]", ...what);
  const log = (at, ...what) => {
    if (levels.indexOf(at) >= levels.indexOf(level)) print(at, ...what);
  };
  // A developer's mistake is said at ERROR once, and is a warning when it comes again. The
  // list has a bound: a page may make names up.
  const said = [];
  const mistake = (line) => {
    const known = said.indexOf(line) >= 0 || said.length > 49;
    if (!known) said.push(line);
    log(known ? "WARN" : "ERROR", line);
  };

  // ---- Handlers: one for each event, kept until off (INIT-10), each with the zone of its on

  const handlers = new Map();

  const eventNamed = (name) => {
    const known = name === "IDLE_TIMEOUT" ? EventType.IDLE_TIMEOUT_EXPIRED : name;
    if (known && EventType[known] === known) return known;
    mistake("ACS-203: Event does not exist - " + String(name).slice(0, 64));
  };

  // A page's mistake is the page's: it stops neither other handlers nor the core.
  const raise = (type, payload) => {
    const failed = (e) => log("ERROR", "the handler of " + type + " failed:", e);
    const registered = handlers.get(type);
    if (!registered) return;
    log("DEBUG", type, payload.engagementId || "");
    const { handler, zone } = registered;
    try {
      const result = zone ? zone.run(handler, undefined, [payload]) : handler(payload);
      if (result && typeof result.then === "function") result.then(undefined, failed);
    } catch (e) {
      failed(e);
    }
  };

  // ---- The contract between core (Go) and porch (JavaScript). It stands in the same
  // words in wasm/bridge.go and js/avaya-ccaas-chat-sdk.js.
  //
  // Core to porch, once: started(build, command). At any time: bound(f, id), a function of one
  // argument that calls f with id and that.
  //
  // Porch to core: command(op, id, ...arguments) returns undefined, or an error text when
  // the call failed at once. id names a pending call, which is settled once by deliver; 0:
  // the call is over when command returns. An absent argument is undefined.
  //
  //	op                 arguments                  settled with
  //	init               params text, config text   user
  //	shutdown           reason                     nothing
  //	createEngagement   parameters text            engagement
  //	getEngagements                                [engagement]
  //	getEngagementById  engagementId               engagement, or nothing
  //	join               engagementId               engagement
  //	disconnect         engagementId, reason       engagement
  //	sendMessage        engagementId, text, parent message
  //	getMessages        engagementId, size         page
  //	turn               cursor, "older"/"newer"    page
  //	setJwtToken        token                      (id 0, as all below)
  //	resetIdleTimeout
  //	retryConnection
  //	setLogLevel        level
  //	wake               "visible"/"online"/"offline"/"away"
  //	drained
  //
  // Core to porch, in the order in which things happened: deliver(list) returns whether
  // there is room for more. After a false the core holds back events until "drained". The
  // list is the text of an array of
  //
  //	{"settle":id,"value":…} or {"settle":id,"error":{code,message,cause?}}
  //	{"event":type,"payload":{…},"engagement":engagement?}
  //	{"log":level,"line":…}
  //
  // Texts are JSON. Times are numbers, milliseconds since 1970. A cursor is a string that
  // only the core reads.

  let core = null; // the running core's command
  let starting = false; // init waits for the core, which may be there before init goes on

  const waiters = new Map(); // pending calls by id
  let lastId = 0;

  const call = (op, args, read) => new Promise((resolve, reject) => {
    if (starting) throw inProgress();
    if (!core) throw notInitialized();
    const id = ++lastId;
    waiters.set(id, { resolve, reject, read });
    const refused = core(op, id, ...args);
    if (refused) settle({ settle: id, error: parse(refused) });
  });

  // For what returns void, and so throws where a promise would reject.
  const tell = (op, argument) => {
    if (starting) throw inProgress();
    if (!core) throw notInitialized();
    const refused = core(op, 0, argument);
    if (refused) throw fromCore(parse(refused));
    if (!core) throw initFailed(CORE_ENDED);
  };

  const settle = ({ settle: id, value, error }) => {
    const waiter = waiters.get(id);
    if (!waiter) return;
    waiters.delete(id);
    if (error) waiter.reject(error instanceof Error ? error : fromCore(error));
    else waiter.resolve(waiter.read(value));
  };

  // task runs f in a macrotask, soon. A timer would do, but is slowed down in hidden tabs.
  const tasks = [];
  let channel = null; // made when it is needed: loading this script costs the page enough
  const task = (f) => {
    if (!channel) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => tasks.shift()();
    }
    channel.port2.postMessage(tasks.push(f));
  };

  // What the core delivered waits here, so that page code never runs inside the core,
  // nor inside a call of the page's own. An event waits, too, until a macrotask has passed
  // since the last settlement: by then the page's await has gone on (MSG-5).
  const QUEUE_LENGTH = 1000;
  const queue = [];
  let settled = false, full = false, planned = false;

  const enqueue = (items) => {
    // Libraries add to Object.prototype: an item has no member but its own.
    for (const item of items) queue.push(setPrototypeOf(item, null));
    if (!planned) {
      planned = true;
      soon();
    }
    return queue.length < QUEUE_LENGTH || !(full = true);
  };
  const soon = async () => {
    await 0;
    drain();
  };
  const drain = () => {
    planned = false;
    while (queue.length && !(settled && queue[0].event)) take(queue.shift());
    if (full && !queue.length) {
      full = false;
      if (core) core("drained", 0);
    }
  };
  const goOn = () => {
    settled = false;
    drain();
  };

  const take = (item) => {
    if (item.log) {
      print(item.log, item.line);
    } else if (item.settle) {
      settle(item);
      if (!settled) {
        settled = true;
        task(goOn);
      }
    } else {
      let { event, payload } = item;
      if (item.engagement) engagementOf(item.engagement);
      if (event === EventType.INITIALIZED) payload = userOf(payload);
      else dated(payload);
      // From here the session's objects are of the past (SHUT-2).
      if (event === EventType.SHUTDOWN) session = newSession();
      raise(event, payload);
    }
  };

  // ---- What pages hold

  const newSession = () => ({ engagements: new Map(), user: null });
  let session = newSession();

  const DATES = ["eventDate", "expiryDate", "expiredDate", "receivedAt", "lastUpdatedAt", "createdAt"];
  const dated = (o) => {
    for (const key of DATES) if (typeof o[key] === "number") o[key] = new Date(o[key]);
    return o;
  };

  // INITIALIZED and init's promise give the very same object (INIT-7).
  const userOf = (user) => {
    if (!session.user) {
      user.engagements = user.engagements.map(engagementOf);
      session.user = user;
    }
    return session.user;
  };

  // own defines members as pages need them: own and enumerable, so that
  // {...engagement} has them all, and data as accessors, so that it stays live.
  const own = (object, data, methods) => {
    for (const name of ownKeys(data)) {
      defineProperty(object, name, { __proto__: null, enumerable: true, configurable: true, get: data[name] });
    }
    for (const name of ownKeys(methods)) {
      defineProperty(object, name, { __proto__: null, enumerable: true, configurable: true, writable: true, value: methods[name] });
    }
    return object;
  };

  class Engagement {
    constructor() {
      throw new TypeError("Illegal constructor: use createEngagement");
    }
  }

  const DATA = ["engagementId", "dialogId", "engagementStatus", "createdAt", "lastUpdatedAt"];

  // The engagement of a record, which is the same object for as long as the session
  // lasts, and shows the newest record.
  const engagementOf = (record) => {
    dated(record);
    const known = session.engagements.get(record.engagementId);
    if (known) {
      assign(known.record, record);
      return known.object;
    }
    const mine = session;
    const id = record.engagementId;
    const act = (op, args, read) =>
      mine === session ? call(op, [id].concat(args), read) : Promise.reject(notInitialized());
    const data = {};
    for (const name of DATA) data[name] = () => record[name];
    // Each read gives an array of its own: pages sort and reverse it in place.
    data.participants = () => record.participants.slice();
    const object = own({ __proto__: Engagement.prototype }, data, {
      getParticipants: data.participants,
      getParticipantById: (id) => record.participants.find((p) => p.participantId === id),
      join: () => act("join", [], engagementOf),
      disconnect: (reason) => act("disconnect", [reason], (e) => void engagementOf(e)),
      sendMessage: (text, parentMessageId) => act("sendMessage", [text, parentMessageId], dated),
      getMessages: (pageSize) => act("getMessages", [pageSize], (page) => pageIterator(page, mine)),
    });
    session.engagements.set(id, { record, object });
    return object;
  };

  const pageIterator = (page, mine) => {
    let last = Promise.resolve();
    const show = (next) => {
      next.items.forEach(dated);
      page = next;
      return iterator;
    };
    // Two moves at once run one after the other (PAGE-4).
    const move = (to) => {
      const moved = last.then(() => {
        if (mine !== session) throw notInitialized();
        return call("turn", [page.cursor, to], show);
      });
      last = moved.catch(() => {});
      return moved;
    };
    const iterator = own({}, { items: () => page.items.slice() }, {
      getPageSize: () => page.size,
      hasPrevious: () => page.hasPrevious,
      hasNext: () => page.hasNext,
      previous: () => move("older"),
      next: () => move("newer"),
    });
    defineProperty(iterator, Symbol.asyncIterator || "@@asyncIterator", hidden(() => {
      let begun = false;
      const step = async () => {
        const first = !begun;
        begun = true;
        if (!first && !page.hasPrevious) return { value: undefined, done: true };
        if (!first) await iterator.previous();
        return { value: iterator.items, done: false };
      };
      return { next: step };
    }));
    show(page);
    return iterator;
  };

  // ---- Loading

  const CORE_ENDED = "the SDK's core ended unexpectedly, call init again";
  const script = read("currentScript");
  const elsewhere = script && script.getAttribute("data-wasm-url");
  let wasmURL = elsewhere || "avaya-ccaas-chat-sdk.wasm?v=" + BUILD;

  let loading = null; // promise of the compiled module, absent when the last load failed
  let listening = false;

  const load = () => {
    if (!loading) {
      loading = fetchModule();
      loading.catch(() => (loading = null));
    }
    return loading;
  };

  // To check a hash the browser must have the whole file, so that compilation does not
  // stream. So it is checked for pages that have the script checked, too, for a file that
  // data-wasm-url names, and always for one that is not of the script's own origin. The
  // build's stamp tells the rest whether the file is the script's.
  const sameOrigin = (a, b) => new URL(a).origin === new URL(b).origin;
  const home = (script && script.src) || location.href;
  const hash = INTEGRITY;
  let integrity = hash;

  // A prerendered page is hidden, may never be shown, and has a sessionStorage of its own,
  // which is thrown away. So it only loads the wasm, and init goes on, and its time begins,
  // when the page is shown.
  const shown = () => new Promise((resolve) => {
    if (read("prerendering")) listenTo(document, "prerenderingchange", resolve);
    else resolve();
  });

  // The first look at sessionStorage waits for another process. While the wasm is on its
  // way nothing else has to.
  const touchStorage = () => {
    if (read("prerendering")) return;
    try {
      window.sessionStorage.length;
    } catch (_) {
      // A page may forbid it; the core finds that out by itself.
    }
  };

  let told = ""; // how the wasm came, for the log; without the URL's query, which may be a page's secret

  const request = async () => {
    try {
      return await fetch(wasmURL, { integrity, credentials: "same-origin" });
    } catch (e) {
      throw await diagnosis(e);
    }
  };

  const fetchModule = async () => {
    const begun = new Date();
    try {
      wasmURL = new URL(wasmURL, (!elsewhere && script && script.src) || read("baseURI")).href;
      if (!elsewhere && !(script && script.integrity) && sameOrigin(wasmURL, home)) integrity = "";
    } catch (_) {
      // The script came from where nothing lies beside it (blob:, data:).
    }
    let response = await request();
    // A redirection, or the page's service worker, may have led to another origin.
    if (!integrity && response.url && !sameOrigin(response.url, home)) {
      if (response.body) response.body.cancel();
      integrity = hash;
      response = await request();
    }
    const other = unlike(response);
    if (other) throw other;
    told = wasmURL.split("?")[0] + ": status " + response.status + " after " + (new Date() - begun) + " ms";
    try {
      // A compiler that streams takes this type only, and no answer of a page's own fetch.
      if (response.headers.get("Content-Type") === "application/wasm" && WebAssembly.compileStreaming) {
        const compiled = WebAssembly.compileStreaming(response);
        touchStorage();
        try {
          return await compiled;
        } catch (e) {
          if (response.bodyUsed) throw e;
        }
      }
      return await WebAssembly.compile(await response.arrayBuffer());
    } catch (e) {
      throw initFailed(wasmURL + " can not be compiled: " + e.message, e);
    }
  };

  const answered = (response) => wasmURL + " answered status " + response.status + ", type " +
    (response.headers.get("Content-Type") || "no content type");

  // unlike is the error for an answer that can not be the file.
  const unlike = (response, cause) => {
    if (response.ok && !/html/.test(response.headers.get("Content-Type"))) return;
    if (response.body) response.body.cancel();
    return initFailed(answered(response) + ": put the .wasm file beside the script, or set data-wasm-url on its script tag", cause);
  };

  // The browser says of all failures the same, so look again, without integrity.
  const diagnosis = async (e) => {
    let response;
    try {
      response = await fetch(wasmURL, { credentials: "same-origin" });
    } catch (_) {
      return initFailed(wasmURL + " can not be fetched (network, CORS or Content-Security-Policy): " + e.message, e);
    }
    const other = unlike(response, e);
    if (other) return other;
    if (response.body) response.body.cancel();
    return initFailed(answered(response) + ", but it is not the file of this script's build " + BUILD +
      ": take both from the same build, and look for stale caches", e);
  };

  // The toolchain's wasm_exec.js, with a global, an fs and Object.keys of its own.
  const glue = (globalThis, fs, Object) => {
    /* wasm_exec.js */
    return globalThis.Go;
  };

  const start = async () => {
    const loaded = load(); // all until it is awaited is done while it is on its way
    const sockets = new Set();
    let mine = null; // this core's command

    const died = (why) => {
      if (go.dead) return;
      go.dead = true;
      go._scheduledTimeouts.forEach(clearTimeout);
      go._scheduledTimeouts.clear(); // a timer in whose callback Go died is else tried again without end
      for (const socket of sockets) {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
      }
      if (!core || core !== mine) return;
      core = null;
      const error = initFailed(CORE_ENDED, why);
      log("ERROR", CORE_ENDED, why);
      for (const id of waiters.keys()) enqueue([{ settle: id, error }]);
      if (session.user) {
        const eventDate = +new Date();
        enqueue([{
          event: EventType.EVENT_STREAM_FAILED,
          payload: { eventDate, message: CORE_ENDED, reason: "UNEXPECTED_ERROR", retryAfter: 0 },
        },
        // Pages wait for it before they start anew (EV-14).
        { event: EventType.SHUTDOWN, payload: { eventDate } }]);
      }
    };

    // Go sees the window through an object of its own, so that Go, fs and process never
    // become the page's, nor the page's ours.
    const fs = {
      constants: { O_WRONLY: -1, O_RDWR: -1, O_CREAT: -1, O_TRUNC: -1, O_APPEND: -1, O_EXCL: -1, O_DIRECTORY: -1 },
      // Only the runtime's last words come here.
      writeSync: (fd, bytes) => {
        log("ERROR", new TextDecoder().decode(bytes).trim());
        return bytes.length;
      },
    };
    const world = {
      __proto__: window,
      self: window,
      crypto, performance, JSON, Reflect, Object, Array, Uint8Array, Date, fs,
      process: undefined,
      path: undefined,
      WebSocket: function (url, protocol) {
        const socket = new window.WebSocket(url, protocol);
        sockets.add(socket); // a dead core can not close its connections
        socket.addEventListener("close", () => sockets.delete(socket));
        return socket;
      },
      porch: {
        deliver: (list) => go.dead || enqueue(parse(list)),
        // Not Function.prototype.bind, which pages replace.
        bound: (f, id) => (value) => f(id, value),
        started: (build, command) => {
          go.build = build;
          mine = (...args) => outside(command, ...args);
        },
      },
    };
    class Core extends glue(world, fs, { keys: ownKeys }) {
      // Every way into Go leads through here, and none into a dead one.
      _resume() {
        if (this.dead) return;
        try {
          super._resume();
        } catch (e) {
          died(e);
        }
        if (this.exited) died();
      }
    }
    const go = new Core();
    go.exit = () => {};
    // A page has less to spare than a server: the heap grows by half, not to the double,
    // before it is collected.
    go.env = { __proto__: null, GOGC: "50" };
    // Each step is a task of its own, so that the page gets a turn between them: on a slow
    // device one alone is longer than what a visitor notices.
    const turn = () => new Promise(task);
    const module = await loaded;
    try {
      const instance = await WebAssembly.instantiate(module, go.importObject);
      await turn();
      go.run(instance).then(() => died(), died);
    } catch (e) {
      throw initFailed(wasmURL + " can not be started: " + e.message, e);
    }
    await turn();
    if (!mine || go.dead || go.build !== BUILD) {
      const other = go.build;
      died();
      throw initFailed(wasmURL + (other
        ? " is of build " + other + ", but the script of build " + BUILD + ": take both from the same build"
        : " did not start"));
    }
    core = mine;
    core("setLogLevel", 0, level);
    if (!core) throw initFailed(CORE_ENDED);
    if (!listening) listen();
  };

  // A hidden tab or a sleeping laptop wakes late: whatever may mean that it has woken
  // is told to the core, which then looks at the clock.
  const listen = () => {
    listening = true;
    const wake = (kind) => () => {
      if (core && (kind !== "visible" || read("visibilityState") === "visible")) core("wake", 0, kind);
    };
    listenTo(document, "visibilitychange", wake("visible"));
    listenTo(document, "resume", wake("visible"));
    listenTo(window, "pageshow", wake("visible"));
    listenTo(window, "pagehide", ({ persisted }) => persisted && wake("away")());
    listenTo(window, "online", wake("online"));
    listenTo(window, "offline", wake("offline"));
  };

  // ---- The surface

  // An argument as JSON. What JSON would leave out silently stays visible as null, so
  // that the core can name its key; only init's own members may be undefined.
  const json = (value, optional) => value === undefined ? value : stringify(value, function (_, v) {
    if (v === undefined && optional && this === value) return v;
    return /undefined|function|symbol|bigint/.test(typeof v) ? null : v;
  });

  // The config's level counts from here on, unless init fails; the core does not know it
  // where the page has set another, or the config's is none.
  let initializing = false;
  const initialize = (args, chosen) => {
    const before = level;
    const first = !initializing && !session.user;
    if (first) {
      if (levels.indexOf(chosen) >= 0) level = chosen;
      log("DEBUG", told);
    }
    const user = call("init", args, userOf);
    const setLevel = () => core && core("setLogLevel", 0, level);
    setLevel();
    if (first) {
      initializing = true;
      user.catch(() => {
        if (level === chosen) level = before;
        setLevel();
      }).then(() => (initializing = false));
    }
    return user;
  };

  const sdk = {
    init(params, config) {
      let args;
      try {
        args = [json(params, true)];
      } catch (e) {
        return Promise.reject(fail(302, "Invalid init parameters", e.message, e));
      }
      try {
        args.push(json(config, true));
      } catch (e) {
        return Promise.reject(fail(303, "Invalid configuration values", e.message, e));
      }
      const chosen = config && config.logLevel;
      if (starting) return Promise.reject(inProgress());
      if (core) return initialize(args, chosen);
      starting = true;
      const over = () => (starting = false);
      const begun = outside(() => shown().then(start));
      begun.then(over, over);
      return begun.then(() => initialize(args, chosen));
    },
    on(eventName, handler) {
      const name = eventNamed(eventName);
      if (typeof handler !== "function") throw fail(322, "Constraint Violation Error", "handler must be a function");
      if (name) handlers.set(name, { handler, zone: (zones() || 0).current });
    },
    off(eventName) {
      if (eventName === undefined) {
        log("WARN", "ACS-202: Removing the handlers of all events");
        handlers.clear();
        return;
      }
      const name = eventNamed(eventName);
      if (name && !handlers.delete(name)) log("WARN", "ACS-205: No handler is registered for the event - " + name);
    },
    createEngagement(engagementParameters) {
      let text;
      try {
        text = json(engagementParameters);
      } catch (e) {
        return Promise.reject(fail(322, "Constraint Violation Error", "engagementParameters: " + e.message, e));
      }
      return call("createEngagement", [text], engagementOf);
    },
    getEngagements() {
      return call("getEngagements", [], (list) => list.map(engagementOf));
    },
    getEngagementById(id) {
      const found = call("getEngagementById", [id], (record) => record && engagementOf(record));
      const known = core && session.engagements.get(id);
      if (!known) return found;
      // Used without await (NS-6), it is the engagement; nobody then looks at the promise.
      found.catch(() => {});
      const members = {};
      for (const name of ownKeys(known.object)) members[name] = () => known.object[name];
      return own(found, members, {});
    },
    setJwtToken: (token) => tell("setJwtToken", token),
    resetIdleTimeout: () => tell("resetIdleTimeout"),
    resetTimer: () => tell("resetIdleTimeout"),
    retryConnection: () => tell("retryConnection"),
    setLogLevel(to) {
      if (levels.indexOf(to) < 0) throw fail(303, "logLevel must be DEBUG, INFO, WARN, ERROR or OFF");
      level = to;
      if (core) core("setLogLevel", 0, to);
    },
    shutdown: (reason) => call("shutdown", [reason], () => {}),
    version: () => VERSION,

    ACSException,
    Engagement,
    EngagementDisconnectReason: freeze({
      USER_CLOSED: "USER_CLOSED", SYSTEM_CLOSED: "SYSTEM_CLOSED", USER_INACTIVE: "USER_INACTIVE",
    }),
    EngagementStatus: freeze({
      PENDING: "PENDING", ACTIVE: "ACTIVE", TERMINATING: "TERMINATING", TERMINATED: "TERMINATED",
    }),
    EventStreamFailureReason: freeze({
      UNAUTHORIZED: "UNAUTHORIZED", FORBIDDEN: "FORBIDDEN", SDK_SESSION_INVALID: "SDK_SESSION_INVALID",
      SERVER_ERROR: "SERVER_ERROR", SERVER_UNREACHABLE: "SERVER_UNREACHABLE", UNEXPECTED_ERROR: "UNEXPECTED_ERROR",
      RECONNECTION_TIMEOUT: "RECONNECTION_TIMEOUT",
    }),
    EventType,
    LogLevel,
    ParticipantType: freeze({
      CUSTOMER: "CUSTOMER", AGENT: "AGENT", SUPERVISOR: "SUPERVISOR", BOT: "BOT", SYSTEM: "SYSTEM",
    }),
    ShutdownReason: freeze({ USER_CLOSED: "USER_CLOSED", USER_INACTIVE: "USER_INACTIVE" }),
    TextType: freeze({ PLAINTEXT: "PLAINTEXT", MARKDOWN: "MARKDOWN", HTML: "HTML" }),
  };

  for (const o of [ACSException, Engagement, sdk]) freeze(o);
  window.AvayaCCaaSChatSDK = sdk;
  // Begin at once, but let the page call before that: to begin takes as long as all of the
  // above. What goes wrong is told by init, after another try.
  outside(setTimeout, () => load().catch(() => {}));
})();
