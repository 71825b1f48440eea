// The lists of chats beside the conversation.

import { byId, h, setText } from "../shared/dom.js";
import { duration } from "../shared/words.js";

export class Lists {
  #actions;
  #lists = {
    waiting: new List(byId("waiting-list"), (id) => this.#makeItem(id, "waiting-item", "accept", "Accept")),
    mine: new List(byId("mine-list"), (id) => this.#makeItem(id, "chat-item")),
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

  /** Shows the board, with the open chat marked. */
  show(board, openId) {
    const lists = board.lists();
    for (const [name, list] of Object.entries(this.#lists)) {
      list.show(lists[name], (item, chat) => dress(item, chat, board, chat.engagementId === openId));
      setText(byId(`${name}-count`), String(lists[name].length));
      byId(`${name}-none`).hidden = lists[name].length > 0;
    }
    this.#tick();
  }

  /** Puts the focus on a chat, or on the first there is. */
  focus(id) {
    const items = Object.values(this.#lists).flatMap((list) => [...list.items]);
    (items.find((item) => item.element.dataset.engagementId === id) ?? items[0])?.open.focus();
  }

  #tick() {
    for (const list of Object.values(this.#lists)) {
      for (const { time, since } of list.items) setText(time, since ? duration(Date.now() - since) : "");
    }
  }

  #makeItem(id, testid, action, label) {
    const item = {
      name: h("span", { class: "item-name", dir: "auto" }),
      topic: h("span", { class: "item-topic", dir: "auto" }),
      tag: h("span", { class: "tag", hidden: true }),
      unread: h("span", { class: "badge", "data-testid": "unread", hidden: true }),
      time: h("span", { class: "item-time", "data-testid": "waiting-time" }),
      act: action && h("button", { type: "button", class: "small", "data-testid": action }, label),
    };
    item.open = h("button", { type: "button", class: "item-open" },
      h("span", { class: "item-line" }, item.name, item.tag, item.unread, item.time), item.topic);
    item.element = h("li", { class: "item", "data-testid": testid, "data-engagement-id": id }, item.open, item.act);
    item.open.addEventListener("click", () => this.#actions.open(id));
    item.act?.addEventListener("click", () => this.#actions[action](id));
    return item;
  }
}

function dress(item, chat, board, open) {
  const unread = board.isMine(chat.engagementId) && !open ? board.unread(chat.engagementId) : 0;
  const tag = chat.state === "ended" ? "ended" : chat.customerPresence === "away" ? "away"
    : board.roleIn(chat) === "SUPERVISOR" ? "supervising" : chat.requeued ? "lost its agent" : "";
  setText(item.name, chat.customerName || "Unnamed");
  setText(item.topic, chat.topic || "No topic");
  setText(item.tag, tag);
  item.tag.hidden = !tag;
  setText(item.unread, String(Math.min(unread, 99)));
  item.unread.hidden = unread === 0;
  item.unread.setAttribute("aria-label", `${unread} unread`);
  item.since = chat.state === "waiting" ? Date.parse(chat.waitingSince ?? chat.createdAt) : 0;
  item.act?.setAttribute("aria-label", `${item.act.textContent}: ${chat.customerName || "Unnamed"}`);
  item.element.classList.toggle("open", open);
  if (open) item.open.setAttribute("aria-current", "true");
  else item.open.removeAttribute("aria-current");
}

/** A list whose elements stay the same as long as their chat is in it: none loses the focus. */
class List {
  #element;
  #make;
  #items = new Map(); // engagementId → item

  constructor(element, make) {
    this.#element = element;
    this.#make = make;
  }

  get items() {
    return this.#items.values();
  }

  show(chats, dressItem) {
    const kept = new Set(chats.map((chat) => chat.engagementId));
    for (const [id, item] of this.#items) {
      if (kept.has(id)) continue;
      item.element.remove();
      this.#items.delete(id);
    }
    chats.forEach((chat, at) => {
      const id = chat.engagementId;
      if (!this.#items.has(id)) this.#items.set(id, this.#make(id));
      const item = this.#items.get(id);
      if (this.#element.children[at] !== item.element) this.#element.insertBefore(item.element, this.#element.children[at] ?? null);
      dressItem(item, chat);
    });
  }
}
