// The page's handlers: one for each event, kept until off (INIT-10), each with the zone in
// which the page called on.

import { EventType } from "./enums.js";
import { fail } from "./errors.js";
import { log, logMistake } from "./log.js";
import { Map } from "./realm.js";
import { currentZone } from "./zone.js";

/** @typedef {AvayaCCaaSChatSDK.EventType} Type */

/** @type {Map<Type, { handler: (payload: any) => unknown, zone: import("./zone.js").Zone | undefined }>} */
const handlers = new Map();

/**
 * Returns the event of that name. An unknown name is the page's mistake, which is logged.
 * @param {unknown} name
 * @returns {Type | undefined}
 */
const eventNamed = (name) => {
  const type = /** @type {Type} */ (name === "IDLE_TIMEOUT" ? "IDLE_TIMEOUT_EXPIRED" : name);
  if (type && EventType[type] === type) return type;
  logMistake("ACS-203: Event does not exist - " + String(name).slice(0, 64));
};

/**
 * @param {string} eventName
 * @param {(payload: any) => unknown} handler
 */
export const setHandler = (eventName, handler) => {
  const type = eventNamed(eventName);
  if (typeof handler !== "function") throw fail(322, "Constraint Violation Error", "handler must be a function");
  if (type) handlers.set(type, { handler, zone: currentZone() });
};

/** @param {string} [eventName] without it, all handlers are removed */
export const removeHandler = (eventName) => {
  if (eventName === undefined) {
    log("WARN", "ACS-202: Removing the handlers of all events");
    handlers.clear();
    return;
  }
  const type = eventNamed(eventName);
  if (type && !handlers.delete(type)) log("WARN", "ACS-205: No handler is registered for the event - " + type);
};

/**
 * Calls an event's handler. A page's mistake is the page's: what the handler throws or rejects
 * with is logged, and stops neither other handlers nor the core.
 * @param {Type} type
 * @param {any} payload
 */
export const callHandler = (type, payload) => {
  const registered = handlers.get(type);
  if (!registered) return;
  log("DEBUG", type, payload.engagementId || "");
  const { handler, zone } = registered;
  /** @param {unknown} e */
  const failed = (e) => log("ERROR", "the handler of " + type + " failed:", e);
  try {
    const result = /** @type {any} */ (zone ? zone.run(handler, undefined, [payload]) : handler(payload));
    if (result && typeof result.then === "function") result.then(undefined, failed);
  } catch (e) {
    failed(e);
  }
};
