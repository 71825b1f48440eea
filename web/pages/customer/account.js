// Who the customer is, as far as this page knows: the demo's stand-in for a sign-in. In
// localStorage, so that every tab of this browser is the same customer.

import { newId } from "../desk/shared/id.js";
import { wellFormed } from "../desk/shared/text.js";

const KEY = "hollis.customer";

/**
 * `chat` is the id of the chat that is thought to be going on: with it, a tab knows that looking
 * for it is worth the while.
 * @typedef {{ customerId: string, name: string, chat?: string }} Customer
 */

/** @type {Customer | null} */
let kept = null; // the customer as last saved: all there is where storage is blocked

/**
 * The customer, or null for one who never chatted here.
 * @returns {Customer | null}
 */
export function loadCustomer() {
  try {
    const customer = JSON.parse(localStorage.getItem(KEY) ?? "null") ?? kept;
    // It may have been kept by a page that did not see to it.
    return customer && { ...customer, name: wellFormed(customer.name) };
  } catch {
    return kept; // storage is blocked, or holds something else
  }
}

/**
 * Keeps the customer under this name, with a new id if there was none.
 * @param {string} name
 */
export function saveName(name) {
  return save({ ...(loadCustomer() ?? { customerId: newId() }), name });
}

/**
 * Notes which chat is going on; undefined: none.
 * @param {string | undefined} chat
 */
export function saveChat(chat) {
  const customer = loadCustomer();
  if (customer && customer.chat !== chat) save({ ...customer, chat });
}

/**
 * Calls back when another tab began or ended a chat.
 * @param {() => void} callback
 */
export function onChatElsewhere(callback) {
  addEventListener("storage", (event) => {
    if (event.key === KEY) callback();
  });
}

/** @param {Customer} customer */
function save(customer) {
  kept = customer;
  try {
    localStorage.setItem(KEY, JSON.stringify(customer));
  } catch {
    // Storage is blocked or full: the customer is known until the page goes.
  }
  return customer;
}
