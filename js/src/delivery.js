// What the core delivers waits here, so that page code never runs inside the core, nor inside
// a call of the page's own. An event waits, too, until a macrotask has passed since the last
// settlement: by then the page's await has gone on (MSG-5).

import { notify, settle } from "./bridge.js";
import { callHandler } from "./handlers.js";
import { print } from "./log.js";
import { setPrototypeOf } from "./realm.js";
import { endSession, engagementOf, session, userOf, withDates } from "./session.js";
import { runTask } from "./task.js";

/** @typedef {import("./bridge.js").Item} Item */

const QUEUE_LENGTH = 1000;
/** @type {Item[]} */
const queue = [];
let settled = false; // a call was settled, and no macrotask has passed since
let full = false; // the core waits for room
let planned = false; // the queue is emptied in the next microtask

/**
 * Queues delivered items, and reports whether there is room for more.
 * @param {Item[]} items
 */
export const enqueue = (items) => {
  // Libraries add to Object.prototype: an item has no member but its own.
  for (const item of items) queue.push(setPrototypeOf(item, null));
  if (!planned) {
    planned = true;
    drainSoon();
  }
  if (queue.length < QUEUE_LENGTH) return true;
  full = true;
  return false;
};

const drainSoon = async () => {
  await 0;
  drain();
};

const drain = () => {
  planned = false;
  while (queue.length && !(settled && queue[0].event)) handle(/** @type {Item} */ (queue.shift()));
  if (full && !queue.length) {
    full = false;
    notify("drained");
  }
};

const goOn = () => {
  settled = false;
  drain();
};

/** @param {Item} item */
const handle = (item) => {
  if (item.log) {
    print(item.log, item.line);
  } else if (item.settle !== undefined) {
    settle(item);
    if (!settled) {
      settled = true;
      runTask(goOn);
    }
  } else {
    if (item.engagement) engagementOf(item.engagement);
    const payload = item.event === "INITIALIZED" ? userOf(item.payload) : withDates(item.payload);
    if (item.event === "SHUTDOWN") endSession();
    const { engagementId, messageIndex } = /** @type {any} */ (payload);
    const known = messageIndex && session._engagements.get(engagementId);
    if (known) known._delivered = messageIndex;
    // Without a type the item only changes the engagement.
    if (item.event) callHandler(item.event, payload);
  }
};
