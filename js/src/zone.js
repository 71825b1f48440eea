// Zones: zone.js, which Angular brings, counts the work that is begun in a zone.

import { ownGlobal } from "./realm.js";

/**
 * What the shim uses of a zone.
 * @typedef {{ run(f: Function, self: undefined, args: unknown[]): any }} Zone
 */

/**
 * Returns zone.js's class, undefined where the page has none.
 * @returns {{ current: Zone, root: Zone } | undefined}
 */
const zones = () => {
  const Zone = ownGlobal("Zone");
  if (typeof Zone === "function" && Zone.current && Zone.root && typeof Zone.root.run === "function") return Zone;
};

/** Returns the zone that runs now, undefined where there are no zones. */
export const currentZone = () => {
  const Zone = zones();
  return Zone && Zone.current;
};

/**
 * Calls f in the root zone, and with it all work that f begins: the SDK's work is not the page's.
 * @template {unknown[]} A, R
 * @param {(...args: A) => R} f
 * @param {A} args
 * @returns {R}
 */
export const inRootZone = (f, ...args) => {
  const Zone = zones();
  return Zone ? Zone.root.run(f, undefined, args) : f(...args);
};
