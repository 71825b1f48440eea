// A page that freezes what the language gives it.
for (const name of ["Object", "Function", "Array", "String", "Number", "Error", "TypeError", "Promise", "Map", "Set", "Date", "Uint8Array",
  "DataView", "MessageChannel", "EventTarget", "WebSocket", "URL"]) {
  Object.freeze(window[name]);
  Object.freeze(window[name].prototype);
}
for (const name of ["JSON", "Reflect", "Math", "WebAssembly"]) Object.freeze(window[name]);
