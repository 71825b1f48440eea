// A substitute for typed arrays, as libraries of the time before them had it: an array of zeros,
// which knows neither buffers nor offsets.
window.Uint8Array = function Uint8Array(length) {
  const list = [];
  for (let i = 0; i < length; i++) list.push(0);
  return list;
};
