// What the package's modules load the wasm from, where the page says. Of this the script for a tag
// has nothing.

import { initFailed } from "./errors.js";
import { Object, Promise, apply, crypto } from "./realm.js";

/**
 * @typedef {string | URL | Response | WebAssembly.Module | null | undefined} Source
 */

/** @type {Source | PromiseLike<Source>} */
let source;

/**
 * Sets what the wasm is loaded from; null or undefined: from beside the module. It counts from
 * the next load on.
 * @param {Source | PromiseLike<Source>} to
 */
export const setSource = (to) => {
  source = to;
  // Whether it is rejected is asked when the wasm is loaded.
  if (to && typeof (/** @type {any} */ (to).then) === "function") Promise.resolve(to).catch(() => {});
};

/**
 * Resolves with what the page has set, a URL as its text.
 * @returns {Promise<string | Response | WebAssembly.Module | undefined>}
 */
export const takeSource = async () => {
  /** @type {Source} */
  let set;
  try {
    set = await source;
  } catch (e) {
    throw initFailed("the promise that was set with setWasmURL was rejected: " + e, e);
  }
  if (set === null || set === undefined) return undefined;
  return isModule(set) || isResponse(set) ? set : String(set);
};

/**
 * Returns the class of an object, also of one of another frame's.
 * @param {unknown} value
 */
const tagOf = (value) => apply(Object.prototype.toString, value, []);

// To TypeScript everything is a WebAssembly.Module, so that this narrows nothing.
/** @param {unknown} value */
export const isModule = (value) => tagOf(value) === "[object WebAssembly.Module]";

/**
 * @param {unknown} value
 * @returns {value is Response}
 */
export const isResponse = (value) => tagOf(value) === "[object Response]";

/**
 * Resolves with whether a file is that of this build. Without crypto.subtle, which a page has only
 * in a secure context, no file is.
 * @param {ArrayBuffer} file
 */
export const verify = async (file) => {
  if (!crypto.subtle) return false;
  const sum = await crypto.subtle.digest("SHA-384", file);
  return INTEGRITY === "sha384-" + btoa(String.fromCharCode(...new Uint8Array(sum)));
};
