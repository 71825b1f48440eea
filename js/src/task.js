// Macrotasks.

import { MessageChannel } from "./realm.js";

/** @type {((value?: any) => void)[]} */
const tasks = [];
/** @type {MessageChannel | null} */
let channel = null; // made when it is needed: to load this script costs the page enough

/**
 * Runs f in a macrotask, soon. A timer would do, but is slowed down in hidden tabs.
 * @param {(value?: any) => void} f
 */
export const runTask = (f) => {
  if (!channel) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => /** @type {() => void} */ (tasks.shift())();
  }
  channel.port2.postMessage(tasks.push(f));
};
