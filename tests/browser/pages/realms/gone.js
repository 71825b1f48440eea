// The worst that can follow the script: what it may have taken before is not to be had by its
// name any more.
(() => {
  const broken = (name) => function () { throw new TypeError(name + " is not what it was"); };
  for (const name of ["Promise", "Error", "Map", "Set", "MessageChannel", "Uint8Array", "DataView", "TextEncoder", "TextDecoder", "URL",
    "setTimeout", "clearTimeout", "Date"]) window[name] = broken(name);
  for (const [name, members] of Object.entries({
    JSON: ["parse", "stringify"],
    Reflect: ["get", "set", "apply", "construct", "deleteProperty", "ownKeys"],
    performance: ["now"],
  })) for (const member of members) window[name][member] = broken(name + "." + member);
  Object.defineProperty(window, "crypto", { get: broken("crypto") });
  Array.from = broken("Array.from");
  Array.isArray = broken("Array.isArray");
  for (const name of ["keys", "assign", "create", "freeze", "setPrototypeOf", "getPrototypeOf", "getOwnPropertyDescriptor", "defineProperty"]) Object[name] = broken("Object." + name);
  Function.prototype.bind = broken("bind");
  Function.prototype.call = broken("call");
  Function.prototype.apply = broken("apply");
  window.JSON = {};
  window.Reflect = {};
})();
