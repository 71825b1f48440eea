// The lists of chats beside the conversation.

import { byId, h, setText } from "./shared/dom.js";
import { duration, nameOf } from "./shared/words.js";

/** @typedef {import("./api.js").Chat} Chat */
/** @typedef {import("./board.js").Board} Board */

export class Lists {
  #actions;
  #lists = {
    mine: new List(byId("mine-list"), (id) => this.#makeItem(id, "chat-item")),
    waiting: new List(byId("waiting-list"), (id) => this.#makeItem(id, "waiting-item", "accept", "Accept")),
    others: new List(byId("others-list"), (id) => this.#makeItem(id, "other-item", "supervise", "Supervise")),
  };

  /**
   * @param {object} actions every one is required, and is called with an engagementId
   * @param {(id: string) => void} actions.open
   * @param {(id: string) => void} actions.accept
   * @param {(id: string) => void} actions.supervise
   */
  constructor(actions) {
    this.#actions = actions;
    // Owned by the page: the waiting times count as long as it lives.
    setInterval(() => this.#tick(), 1000);
  }

  /**
   * Shows the board, with the open chat marked.
   * @param {Board} board
   * @param {boolean} supervises the agent may go into chats of others
   * @param {string} [openId]
   */
  show(board, supervises, openId) {
    const lists = board.lists();
    for (const name of /** @type {const} */ (["mine", "waiting", "others"])) {
      this.#lists[name].show(lists[name], (item, chat) => {
        fill(item, chat, board, chat.engagementId === openId);
        if (name === "others" && item.act) item.act.hidden = !supervises;
      });
      setText(byId(`${name}-count`), String(lists[name].length));
      byId(`${name}-none`).hidden = lists[name].length > 0;
    }
    this.#tick();
  }

  /**
   * Puts the focus on a chat, on the first there is, or on the lists.
   * @param {string} [id]
   */
  focus(id) {
    const items = Object.values(this.#lists).flatMap((list) => [...list.items]);
    const item = items.find((one) => one.element.dataset.engagementId === id) ?? items[0];
    (item?.open ?? byId("lists")).focus();
  }

  #tick() {
    for (const list of Object.values(this.#lists)) {
      for (const { time, since } of list.items) setText(time, since ? duration(Date.now() - since) : "");
    }
  }

  /**
   * @param {string} id engagementId
   * @param {string} testid
   * @param {"accept" | "supervise"} [action] of the item's own button, if it has one
   * @param {string} [label] of that button
   */
  #makeItem(id, testid, action, label) {
    const parts = {
      name: h("span", { class: "item-name", dir: "auto" }),
      topic: h("span", { class: "item-topic", dir: "auto" }),
      tag: h("span", { class: "tag", hidden: true }),
      unread: h("span", { class: "badge", "data-testid": "unread", hidden: true }),
      time: h("span", { class: "item-time", "data-testid": "waiting-time" }),
      act: !action ? undefined : h("button", { type: "button", class: "small", "data-testid": action }, label),
    };
    const open = h("button", { type: "button", class: "item-open" },
      h("span", { class: "item-line" }, parts.name, parts.tag, parts.unread, parts.time), parts.topic);
    const element = h("li", { class: "item", "data-testid": testid, "data-engagement-id": id }, open, parts.act);
    open.addEventListener("click", () => this.#actions.open(id));
    if (action) parts.act?.addEventListener("click", () => this.#actions[action](id));
    return { ...parts, open, element, since: 0 };
  }
}

/**
 * @typedef {object} Item what shows a chat
 * @property {HTMLElement} element
 * @property {HTMLElement} open opens the chat
 * @property {HTMLElement} name
 * @property {HTMLElement} topic
 * @property {HTMLElement} tag
 * @property {HTMLElement} unread
 * @property {HTMLElement} time
 * @property {HTMLElement | undefined} act accepts or supervises the chat
 * @property {number} since when the chat began to wait; 0: it does not
 */

/**
 * The word that marks a chat in its list, if any does.
 * @param {Chat} chat
 * @param {Board} board
 */
function tagOf(chat, board) {
  if (chat.state === "ended") return "ended";
  if (chat.customerPresence === "away") return "away";
  if (board.roleIn(chat) === "SUPERVISOR") return "supervising";
  return chat.requeued ? "lost its agent" : "";
}

/**
 * Writes a chat into its item.
 * @param {Item} item
 * @param {Chat} chat
 * @param {Board} board
 * @param {boolean} open
 */
function fill(item, chat, board, open) {
  const unread = board.isMine(chat.engagementId) && !open ? board.unread(chat.engagementId) : 0;
  const tag = tagOf(chat, board);
  setText(item.name, nameOf(chat.customerName, "CUSTOMER"));
  setText(item.topic, chat.topic || "No topic");
  setText(item.tag, tag);
  item.tag.hidden = !tag;
  setText(item.unread, String(Math.min(unread, 99)));
  item.unread.hidden = unread === 0;
  item.unread.setAttribute("aria-label", `${unread} unread`);
  item.since = chat.state === "waiting" ? Date.parse(chat.waitingSince ?? chat.createdAt) : 0;
  item.act?.setAttribute("aria-label", `${item.act.textContent}: ${nameOf(chat.customerName, "CUSTOMER")}`);
  item.element.classList.toggle("open", open);
  if (open) item.open.setAttribute("aria-current", "true");
  else item.open.removeAttribute("aria-current");
}

/** A list whose elements stay the same as long as their chat is in it: none loses the focus. */
class List {
  #element;
  #make;
  /** @type {Map<string, Item>} */
  #items = new Map(); // by engagementId

  /**
   * @param {HTMLElement} element
   * @param {(id: string) => Item} make
   */
  constructor(element, make) {
    this.#element = element;
    this.#make = make;
  }

  get items() {
    return this.#items.values();
  }

  /**
   * @param {Chat[]} chats
   * @param {(item: Item, chat: Chat) => void} fillItem
   */
  show(chats, fillItem) {
    const kept = new Set(chats.map((chat) => chat.engagementId));
    for (const [id, item] of this.#items) {
      if (kept.has(id)) continue;
      item.element.remove();
      this.#items.delete(id);
    }
    chats.forEach((chat, at) => {
      const id = chat.engagementId;
      const item = this.#items.get(id) ?? this.#make(id);
      this.#items.set(id, item);
      if (this.#element.children[at] !== item.element) this.#element.insertBefore(item.element, this.#element.children[at] ?? null);
      fillItem(item, chat);
    });
  }
}
