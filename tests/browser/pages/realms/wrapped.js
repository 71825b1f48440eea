// What instruments of monitoring and polyfills do: functions of the page's own stand before the
// language's, with the same prototypes.
(() => {
  const { apply } = Reflect;
  const wrap = (name, make) => {
    const native = window[name];
    const wrapper = make(native);
    Object.setPrototypeOf(wrapper, native);
    wrapper.prototype = native.prototype;
    window[name] = wrapper;
  };
  wrap("Promise", (P) => function (executor) { return new P((resolve, reject) => executor((v) => resolve(v), (e) => reject(e))); });
  wrap("Error", (E) => function (message) { const e = new E(message); e.traced = true; return e; });
  wrap("Map", (M) => function (entries) { return new M(entries); });
  wrap("MessageChannel", (C) => function () { return new C(); });
  wrap("Uint8Array", (U) => function (...args) { return new U(...args); });
  for (const name of ["parse", "stringify"]) {
    const native = JSON[name];
    JSON[name] = function () { return apply(native, this, arguments); };
  }
  for (const name of ["get", "set", "apply", "construct"]) {
    const native = Reflect[name];
    Reflect[name] = function () { return apply(native, this, arguments); };
  }
  for (const name of ["then", "catch"]) {
    const native = Promise.prototype[name];
    Promise.prototype[name] = function () { return apply(native, this, arguments); };
  }
  for (const name of ["call", "apply"]) {
    const native = Function.prototype[name];
    Function.prototype[name] = function (...args) { return apply(native, this, args); };
  }
  const now = performance.now;
  performance.now = function () { return apply(now, performance, []); };
})();
