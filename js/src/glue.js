// The toolchain's wasm_exec.js, which js/pack puts into newGo. The globals that it uses are
// those that are imported here, whether or not this file uses them itself.

import {
  Array, DataView, Date, Error, Map, Promise, Reflect, TextDecoder, TextEncoder, Uint8Array, Uint8ClampedArray, WebAssembly,
  clearTimeout, crypto, performance, setTimeout,
} from "./realm.js";

/**
 * What the shim uses of Go's class.
 * @typedef {{
 *   argv: string[],
 *   env: Record<string, string> | object,
 *   exit: (code: number) => void,
 *   exited: boolean,
 *   importObject: WebAssembly.Imports,
 *   mem: DataView,
 *   _inst: WebAssembly.Instance,
 *   _values: any[],
 *   _goRefCounts: number[],
 *   _ids: Map<any, number>,
 *   _idPool: number[],
 *   _scheduledTimeouts: Map<number, number>,
 *   _makeFuncWrapper(id: number): import("./bridge.js").Command,
 *   run(instance: WebAssembly.Instance): Promise<void>,
 *   _resume(): void,
 * }} Go
 */

/**
 * Returns a class Go whose programs have a global, an fs and an Object.keys of their own.
 * @param {object} globalThis
 * @param {object} fs
 * @param {object} Object
 * @returns {new () => Go}
 */
export const newGo = (globalThis, fs, Object) => {
  /* wasm_exec.js */
  return /** @type {any} */ (globalThis).Go;
};
