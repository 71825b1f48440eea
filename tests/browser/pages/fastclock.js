// A clock in the test's hand. It stands in a page before the SDK's script, and
// replaces what a page and Go's runtime in it read the time from: Date, performance.now
// and setTimeout. The gateway's time, as the page receives it, goes with it, unless the
// page's wall clock alone is set. Until a test sets it, it runs as the real one. The
// shipped script and wasm are as they are.
(() => {
  "use strict";
  const RealDate = Date, realSet = setTimeout, realClear = clearTimeout;
  const realNow = performance.now.bind(performance);
  const origin = RealDate.now() - realNow();

  let speed = 1, since = realNow(), base = since, slept = 0, wrong = 0;
  const mono = () => base + (realNow() - since) * speed;
  const truth = () => Math.floor(origin + mono() + slept);
  const wall = () => truth() + wrong;

  // What a gateway in the page's time would say.
  const shifted = (text) => new RealDate(RealDate.parse(text) + truth() - RealDate.now());
  const { get: dataOf } = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data");
  Object.defineProperty(MessageEvent.prototype, "data", {
    get() {
      const data = dataOf.call(this);
      return typeof data !== "string" ? data
        : data.replace(/("serverTime":")([^"]*)/g, (_, name, at) => name + shifted(at).toISOString());
    },
  });
  const realGet = Headers.prototype.get;
  Headers.prototype.get = function (name) {
    const value = realGet.call(this, name);
    return value && /^date$/i.test(name) ? shifted(value).toUTCString() : value;
  };

  const timers = new Map();
  let last = 0;
  const arm = (id) => {
    const timer = timers.get(id);
    realClear(timer.real);
    timer.real = realSet(() => {
      if (!timers.has(id)) return;
      if (mono() < timer.due) return arm(id);
      timers.delete(id);
      timer.f();
    }, Math.max(0, timer.due - mono()) / speed);
  };
  window.setTimeout = (f, delay, ...args) => {
    const id = ++last;
    timers.set(id, { due: mono() + (Number(delay) || 0), f: () => f(...args) });
    arm(id);
    return id;
  };
  window.clearTimeout = (id) => {
    if (timers.has(id)) realClear(timers.get(id).real);
    timers.delete(id);
  };
  const move = (change) => {
    base = mono();
    since = realNow();
    change();
    for (const id of timers.keys()) arm(id);
  };

  // Dates are real ones: structuredClone and instanceof see no difference.
  function FastDate(...args) {
    const d = args.length ? new RealDate(...args) : new RealDate(wall());
    return new.target ? d : d.toString();
  }
  Object.setPrototypeOf(FastDate, RealDate);
  FastDate.prototype = RealDate.prototype;
  FastDate.now = wall;
  window.Date = FastDate;
  performance.now = mono;

  window.clock = {
    // speed n: time runs n times as fast from now on.
    speed: (n) => move(() => (speed = n)),
    // skip: all clocks and timers are that many seconds later, at once.
    skip: (seconds) => move(() => (base += seconds * 1000)),
    // sleep: as a laptop does: the calendar goes on, timers and the monotonic clock stand.
    sleep: (seconds) => { slept += seconds * 1000; },
    // set: the wall clock alone is set, to so many seconds ahead of the gateway's.
    set: (seconds) => { wrong = seconds * 1000; },
    // pending timers.
    pending: () => timers.size,
  };
})();
