// What MooTools 1.1 and its relatives did to the language: functions with a bind and a call of
// their own kind, enumerable methods on the prototypes, and their own Array.from.
(() => {
  const add = (object, members) => { for (const name in members) object[name] = members[name]; };
  add(Function.prototype, {
    extend: function (members) { add(this, members); return this; },
    // bind(self, args): what the caller passes later is dropped where args are given.
    bind: function (self, args) {
      const f = this, list = args === undefined ? null : Array.isArray(args) ? args : [args];
      return function () { return f.apply(self, list || arguments); };
    },
    pass: function (args, self) { return this.bind(self, args); },
    create: function () { return this; },
    delay: function (ms, self, args) { return setTimeout(this.bind(self, args), ms); },
  });
  add(Array.prototype, {
    each: Array.prototype.forEach,
    contains: function (item) { return this.indexOf(item) !== -1; },
    include: function (item) { if (!this.contains(item)) this.push(item); return this; },
    clean: function () { return this.filter((x) => x != null); },
  });
  Array.from = function (item) { return item == null ? [] : Array.isArray(item) ? item : [item]; };
  String.prototype.contains = function (s) { return this.indexOf(s) > -1; };
  Object.prototype.each = function (f) { for (const name in this) f(this[name], name); };
})();
