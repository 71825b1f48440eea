// What Prototype.js 1.4 to 1.6 did to the language: enumerable methods on Object.prototype and
// the others, Object.keys by for-in, JSON texts inside of JSON, and a bind and iteration of its own.
(() => {
  const slice = Array.prototype.slice;
  Object.prototype.extend = function (members) { for (const name in members) this[name] = members[name]; return this; };
  Object.prototype.log = function () {};
  Object.prototype.inspect = function () { return String(this); };
  Object.keys = function (o) { const keys = []; for (const name in o) keys.push(name); return keys; };
  Object.values = function (o) { const values = []; for (const name in o) values.push(o[name]); return values; };
  Object.toJSON = (v) => String(v);
  Array.prototype.toJSON = function () { return "[" + this.join(", ") + "]"; };
  String.prototype.toJSON = function () { return '"' + this + '"'; };
  Date.prototype.toJSON = function () { return '"' + this.toISOString() + '"'; };
  Function.prototype.bind = function () {
    const f = this, args = slice.call(arguments), self = args.shift();
    return function () { return f.apply(self, args.concat(slice.call(arguments))); };
  };
  Function.prototype.wrap = function (w) { const f = this; return function () { return w.apply(this, [f.bind(this)].concat(slice.call(arguments))); }; };
  Array.prototype.each = Array.prototype.forEach;
  Array.prototype.reverse = function (inline) { const r = []; for (let i = this.length; i--;) r.push(this[i]); if (inline !== false) for (let i = 0; i < r.length; i++) this[i] = r[i]; return this; };
  Array.prototype.map = Array.prototype.collect = function (f, self) { const r = []; for (let i = 0; i < this.length; i++) r.push(f ? f.call(self, this[i], i) : this[i]); return r; };
  Array.prototype.find = Array.prototype.detect = function (f, self) { for (let i = 0; i < this.length; i++) if (f.call(self, this[i], i)) return this[i]; };
  Array.prototype.first = function () { return this[0]; };
  Array.from = function (iterable) { return iterable ? slice.call(iterable) : []; };
})();
