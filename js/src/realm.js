// What the shim uses of the page's realm. Libraries replace parts of the language, before
// this script runs or after, so everything that the shim and the toolchain's glue use is
// taken here, once, when the script is evaluated. What a page may want to observe is looked
// up in the page at each use instead: fetch, WebSocket, sessionStorage and console.

export const {
  document, Object, Array, Error, Date, Map, Set, URL, Document, Uint8ClampedArray, DataView, TextEncoder, TextDecoder,
  WebAssembly, MessageChannel, crypto, setTimeout, clearTimeout,
} = window;
export const { apply, construct, get, set, deleteProperty, ownKeys } = window.Reflect;
export const { parse, stringify } = window.JSON;
const { now } = window.performance;

/** @typedef {{ defineProperty(object: object, name: PropertyKey, descriptor: object): void }} Definer takes __proto__ in a descriptor */
export const {
  assign, defineProperty, freeze, getOwnPropertyDescriptor, setPrototypeOf,
} = /** @type {ObjectConstructor & Definer} */ (Object);

// Of these objects Go needs no other members.
export const Reflect = { apply, construct, get, set, deleteProperty };
export const JSON = { parse, stringify };
export const performance = { now: () => apply(now, window.performance, []) };

// The language's own, which the browser makes its answers of, whatever the page has under
// these names.
export const Promise = /** @type {PromiseConstructor} */ ((async () => {})().constructor);
// Where there is no TextEncoder, init fails, and to load the script or import the package does not.
export const Uint8Array = /** @type {Uint8ArrayConstructor} */ (!TextEncoder ? window.Uint8Array : new TextEncoder().encode().constructor);

/** @typedef {Document & { readonly prerendering?: boolean }} PageDocument */

/**
 * Returns the document's own property of that name. An element's id or name makes the element
 * a property of the document, which hides the document's own; the prototype has only the latter.
 * @template {keyof PageDocument} K
 * @param {K} name
 * @returns {PageDocument[K]}
 */
export const documentProperty = (name) => get(Document.prototype, name, document);

/**
 * Returns the global of that name, undefined if there is none. An element's id or name makes
 * the element a property of the window where the window has no own property of that name.
 * @param {string} name
 * @returns {any}
 */
export const ownGlobal = (name) => getOwnPropertyDescriptor(window, name) && /** @type {any} */ (window)[name];

/**
 * Calls listener at each event of a type.
 * @param {EventTarget} target
 * @param {string} type
 * @param {(event: any) => void} listener
 */
export const listenTo = (target, type, listener) => {
  apply(documentProperty("addEventListener"), target, [type, listener]);
};
