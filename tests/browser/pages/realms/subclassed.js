// Classes of the page's own under the language's names, made as ES5 libraries made them and as
// classes are now.
(() => {
  const NativeError = Error;
  function OwnError(message) { NativeError.call(this, message); this.own = true; }
  OwnError.prototype = Object.create(NativeError.prototype, { constructor: { value: OwnError, writable: true, configurable: true } });
  window.Error = OwnError;
  window.Promise = class extends Promise {
    static resolve(v) { return super.resolve(v); }
    tap(f) { return this.then((v) => (f(v), v)); }
  };
  window.Map = class extends Map { getOr(key, other) { return this.has(key) ? this.get(key) : other; } };
  window.Set = class extends Set { addAll(list) { for (const x of list) this.add(x); } };
  window.MessageChannel = class extends MessageChannel { both() { return [this.port1, this.port2]; } };
  window.Uint8Array = class extends Uint8Array { hex() { return this.join(" "); } };
  window.Zone = class Zone { static get current() { return "elsewhere"; } }; // a name that zone.js has, too
  window.JSON = { parse: JSON.parse, stringify: JSON.stringify, decycle: (x) => x };
})();
