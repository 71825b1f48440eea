// The class of the SDK's errors, and those that the shim raises itself.

import { Error, defineProperty, setPrototypeOf } from "./realm.js";

/**
 * Describes a property that is not enumerated.
 * @param {unknown} value
 */
export const hidden = (value) => ({ __proto__: null, value, writable: true, configurable: true });

export class ACSException extends Error {
  /**
   * @param {string} code such as ACS-310
   * @param {string} message
   * @param {unknown} [cause]
   */
  constructor(code, message, cause) {
    super(message);
    // Where a page's own Error made the object, it has neither this class nor a message.
    setPrototypeOf(this, ACSException.prototype);
    defineProperty(this, "message", hidden(message));
    this.code = code;
    if (cause !== undefined) this.cause = cause;
  }
  toString() {
    return this.code + ": " + this.message;
  }
}
defineProperty(ACSException.prototype, "name", hidden("ACSException")); // an assignment fails where Error is frozen

/**
 * Makes an error while there is no core to make it, in the words of sdk/errors.go.
 * @param {number} code
 * @param {string} text
 * @param {string} [detail]
 * @param {unknown} [cause]
 */
export const fail = (code, text, detail, cause) =>
  new ACSException("ACS-" + code, text + (detail ? " - " + detail : ""), cause);
export const notInitialized = () => fail(310, "SDK is not initialized", "call init first");
export const inProgress = () => fail(321, "Cannot perform this operation as init/shutdown is in progress");
/**
 * @param {string} detail
 * @param {unknown} [cause]
 */
export const initFailed = (detail, cause) => fail(311, "SDK failed to initialize", detail, cause);
