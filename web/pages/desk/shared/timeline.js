// The list of a chat's messages, as both pages show it: each message once, in the order of
// messageIndex, whatever order they come in. Messages on their way stand at the end.

import { h, icon, setText } from "./dom.js";
import { clockTime, dayName, sameDay } from "./words.js";

const NEAR_END = 80; // px from the end within which the list follows new messages

/** @type {Record<string, string>} */
const STATES = {
  sending: "Sending…",
  sent: "Sent",
  delivered: "Delivered",
  failed: "Not sent",
};

/**
 * A message as the timeline shows it.
 * @typedef {object} Shown
 * @property {string} id messageId
 * @property {number} index messageIndex; Infinity while it is on its way
 * @property {string} text shown as it is, never as markup
 * @property {boolean} mine whether it was written on this side of the chat
 * @property {AvayaCCaaSChatSDK.ParticipantType} senderType
 * @property {string} senderName
 * @property {Date} at
 * @property {"sending"|"sent"|"delivered"|"failed"} [state] of one's own messages
 * @property {string} [why] it failed
 */

/** @typedef {ReturnType<typeof makeRow>} Row */

export class Timeline {
  #scroller;
  #log;
  #jump;
  #onRetry;
  /** @type {Row[]} */
  #rows = []; // in the order shown
  /** @type {Map<string, Row>} */
  #byKey = new Map(); // messageId, or the key of a message on its way → row
  #following = true; // the newest message is in sight, and is to stay so
  #measured = { top: 0, length: 0, room: 0 }; // the scroller as it was last measured

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.scroller what scrolls
   * @param {HTMLElement} parts.log inside it: role="log", holds the messages
   * @param {HTMLElement} parts.jump the button that leads to the newest message
   * @param {(key: string, text: string) => void} parts.onRetry for a message that failed
   */
  constructor({ scroller, log, jump, onRetry }) {
    this.#scroller = scroller;
    this.#log = log;
    this.#jump = jump;
    this.#onRetry = onRetry;
    this.#measure();
    jump.addEventListener("click", () => this.toEnd());
    scroller.addEventListener("scroll", () => {
      // A turned screen moves the place, too; the reader leaves the end by going up in a list
      // that is as long as it was.
      const was = this.#measured;
      this.#measure();
      const { top, length, room } = this.#measured;
      if (this.#nearEnd()) this.#following = true;
      else if (top < was.top && length === was.length && room === was.room) this.#following = false;
      if (this.#following) this.#jump.hidden = true;
    }, { passive: true });
    // A warning, a growing text box or the keyboard takes room from the list; a turned screen
    // or a font that comes late makes its lines longer or shorter.
    const resized = new ResizeObserver(() => {
      if (this.#following) this.toEnd();
    });
    resized.observe(scroller);
    resized.observe(log);
  }

  /**
   * Shows a stored message, new or already there; true if it was new.
   * @param {Shown} message
   */
  show(message) {
    const follow = this.#following || message.mine;
    const isNew = this.#place(message.id, message);
    if (follow) this.toEnd();
    else if (isNew) this.#jump.hidden = false;
    return isNew;
  }

  /**
   * Shows messages read from history. The reader's place stays where it is.
   * @param {Shown[]} messages
   */
  showHistory(messages) {
    const below = this.#scroller.scrollHeight - this.#scroller.scrollTop;
    // A screen reader is not to read out a page of old messages.
    this.#log.setAttribute("aria-live", "off");
    for (const message of messages) this.#place(message.id, message);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      this.#log.setAttribute("aria-live", "polite");
    }));
    if (this.#following) this.toEnd();
    else this.#scroller.scrollTop = this.#scroller.scrollHeight - below;
  }

  /**
   * Shows a message on its way, or puts a failed one back on its way, at the end.
   * @param {string} key
   * @param {string} text
   * @param {string} senderName
   * @param {Shown["senderType"]} senderType
   */
  sending(key, text, senderName, senderType) {
    this.#place(key, {
      id: key, index: Infinity, text, mine: true, senderName, senderType, at: new Date(), state: "sending",
    });
    this.toEnd();
  }

  /**
   * The message of that key is stored: it takes its place and its real id.
   * @param {string} key
   * @param {Shown} message
   */
  sent(key, message) {
    this.#remove(key);
    this.show(message);
  }

  /**
   * The message of that key could not be sent.
   * @param {string} key
   * @param {string} why
   */
  failed(key, why) {
    const row = this.#byKey.get(key);
    if (row) this.#fill(row, { ...row.message, state: "failed", why });
  }

  /**
   * The key of a failed message with that text, if there is one.
   * @param {string} text
   */
  findFailed(text) {
    return this.#rows.find((row) => row.message.state === "failed" && row.message.text === text)?.key;
  }

  /**
   * Whether a message of that id, or on its way under that key, is shown.
   * @param {string} key
   */
  has(key) {
    return this.#byKey.has(key);
  }

  clear() {
    this.#rows = [];
    this.#byKey.clear();
    this.#log.replaceChildren();
    this.toEnd();
  }

  /** Scrolls to the newest message. */
  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#measure();
    this.#following = true;
    this.#jump.hidden = true;
  }

  #measure() {
    const { scrollTop: top, scrollHeight: length, clientHeight: room } = this.#scroller;
    this.#measured = { top, length, room };
  }

  #nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  /**
   * Shows a message in its place; true if it was not shown there before.
   * @param {string} key
   * @param {Shown} message
   */
  #place(key, message) {
    const known = this.#byKey.get(key);
    if (known && known.message.index === message.index && message.index !== Infinity) {
      this.#fill(known, { ...message, state: furthest(known.message.state, message.state) });
      return false;
    }
    if (known) this.#remove(key);

    const row = makeRow(key, message, (text) => this.#onRetry(key, text));
    const at = this.#positionOf(message.index);
    this.#log.insertBefore(row.element, this.#rows[at]?.element ?? null);
    this.#rows.splice(at, 0, row);
    this.#byKey.set(key, row);
    this.#fill(row, message);
    this.#group(at);
    this.#group(at + 1);
    return true;
  }

  /**
   * Behind every message of the same or a lower index, found by halving.
   * @param {number} index
   */
  #positionOf(index) {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#rows[middle].message.index <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {string} key */
  #remove(key) {
    const row = this.#byKey.get(key);
    if (!row) return;
    const at = this.#rows.indexOf(row);
    this.#rows.splice(at, 1);
    this.#byKey.delete(key);
    row.element.remove();
    this.#group(at);
  }

  /**
   * Writes a message into its row.
   * @param {Row} row
   * @param {Shown} message
   */
  #fill(row, message) {
    const { element, parts } = row;
    row.message = message;
    element.dataset.messageId = message.id;
    element.dataset.senderType = message.senderType;
    element.dataset.state = message.state ?? "received";
    element.dataset.mine = String(message.mine);
    setText(parts.sender, message.mine ? "You" : message.senderName);
    setText(parts.text, message.text);
    setText(parts.time, clockTime(message.at));
    parts.time.dateTime = message.at.toISOString();
    setText(parts.state, message.mine ? STATES[message.state ?? ""] ?? "" : "");
    if (message.state === "failed") {
      setText(parts.why, message.why ?? "");
      parts.meta.append(parts.why, parts.retry);
    } else {
      parts.why.remove();
      parts.retry.remove();
    }
  }

  /**
   * A day's first message carries the day; a sender's following messages not the name.
   * @param {number} at the row's place
   */
  #group(at) {
    const row = this.#rows[at];
    if (!row) return;
    const before = this.#rows[at - 1]?.message;
    const { message, parts, element } = row;
    const newDay = !before || !sameDay(before.at, message.at);
    parts.day.hidden = !newDay;
    setText(parts.day, newDay ? dayName(message.at) : "");
    const follows = !newDay && before.mine === message.mine
      && before.senderType === message.senderType && before.senderName === message.senderName;
    element.classList.toggle("follows", follows);
  }
}

const ORDER = ["sending", "failed", "sent", "delivered"];

/**
 * A message that was delivered does not go back to sent.
 * @param {Shown["state"]} a
 * @param {Shown["state"]} b
 */
function furthest(a, b) {
  return ORDER.indexOf(a ?? "") > ORDER.indexOf(b ?? "") ? a : b;
}

/**
 * @param {string} key
 * @param {Shown} message
 * @param {(text: string) => void} onRetry
 */
function makeRow(key, message, onRetry) {
  const parts = {
    day: h("p", { class: "day", hidden: true }),
    sender: h("span", { class: "sender", dir: "auto" }),
    text: h("p", { class: "text", dir: "auto", "data-testid": "message-text" }),
    time: h("time"),
    state: h("span", { class: "state" }),
    why: h("span", { class: "why" }),
    retry: h("button", { type: "button", class: "retry", "data-testid": "retry" }, icon("retry"), "Send again"),
    meta: h("p", { class: "meta" }),
  };
  parts.meta.append(parts.time, parts.state);
  const element = h("div", { class: "message", "data-testid": "message" },
    parts.day, h("div", { class: "bubble" }, parts.sender, parts.text), parts.meta);
  const row = { key, element, parts, message };
  parts.retry.addEventListener("click", () => onRetry(row.message.text));
  return row;
}
