// The core, seen from outside: its memory, and what Go holds of JavaScript. It stands in
// a page before the SDK's script and looks on where the toolchain's glue calls the
// browser, so the shipped script and wasm are as they are.
(() => {
  "use strict";
  const { instantiate } = WebAssembly, { apply } = Reflect;

  let memory; // of the newest core
  let go; // the glue's end of it: a table of the values that Go holds
  let wrappers = new Set(); // what js.FuncOf made

  WebAssembly.instantiate = async (...args) => {
    const instance = await instantiate.apply(WebAssembly, args);
    memory = instance.exports.mem;
    go = undefined;
    wrappers = new Set();
    return instance;
  };
  Reflect.apply = (f, self, args) => {
    const result = apply(f, self, args);
    if (self && self._makeFuncWrapper === f) {
      go = self;
      wrappers.add(result);
    }
    return result;
  };

  // The glue's maps have short names of the build's own: that of the values' ids has null in it,
  // which Go always holds, and the timers' has not.
  const mapOf = (holdsNull) => Object.values(go).find((v) => v instanceof Map && v.has(null) === holdsNull);

  window.core = {
    // counts tells what there is now. memory: bytes of the wasm's linear memory, which never
    // shrinks: the most that was ever needed. values: JavaScript values that Go holds; it
    // lets go of those it no longer needs when its own collector runs. funcs: how many of
    // them are js.Funcs; made: how many js.Funcs there ever were,
    // but for the command, which the wasm begins with. timers: those the Go
    // runtime waits for.
    counts: () => ({
      memory: memory.buffer.byteLength,
      values: mapOf(true).size,
      funcs: [...wrappers].filter((f) => mapOf(true).has(f)).length,
      made: wrappers.size,
      timers: mapOf(false).size,
    }),
    // overwrite leaves no byte of the core's memory as it was. Whatever enters it next, traps.
    overwrite: () => void new Uint8Array(memory.buffer).fill(0xff),
  };
})();
