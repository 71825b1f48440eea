// The open chat: its customer, its conversation, and what the agent can do in it.

import { Composer } from "./shared/composer.js";
import { byId, h, ofDocument, setText } from "./shared/dom.js";
import { clockTime, dayName, nameOf } from "./shared/words.js";

/** @typedef {import("./api.js").Chat} Chat */
/** @typedef {import("./conversation.js").Conversation} Conversation */

/** @param {Chat} chat */
export const agentOf = (chat) => chat.participants.find((one) => one.participantType === "AGENT")?.displayName || "Another agent";

/**
 * What an agent who is not in the chat reads.
 * @param {Chat} chat
 * @param {boolean} supervises
 */
function enterText(chat, supervises) {
  if (chat.state === "waiting") return chat.requeued ? "This chat's agent was disconnected." : "Nobody has taken this chat yet.";
  return `${agentOf(chat)} has this chat. ${supervises ? "The customer does not see you." : "Only a supervisor can join it, or take it over."}`;
}

export class ChatView {
  /** The agent may join and take over chats of others. */
  supervises = false;

  #view = byId("chat-view");
  #none = byId("no-chat");
  #place = byId("conversation");
  #name = byId("customer-name");
  #topic = byId("chat-topic");
  #role = byId("role");
  #away = byId("customer-away");
  #leave = byId("leave");
  #end = byId("end");
  #confirm = byId("end-confirm");
  #form = byId("composer-form", HTMLFormElement);
  #enter = byId("enter");
  #enterText = byId("enter-text");
  #accept = byId("accept-open");
  #takeOver = byId("take-over");
  #supervise = byId("supervise-open");
  #ended = byId("ended");
  #facts = byId("facts");
  #parameters = byId("parameters");
  #participants = byId("participants");
  #composer;
  /** @type {Chat | null} */
  #chat = null;
  /** @type {Conversation | null} */
  #conversation = null;

  /**
   * @param {object} actions every one is required
   * @param {(id: string) => void} actions.accept
   * @param {(id: string) => void} actions.takeOver
   * @param {(id: string) => void} actions.supervise
   * @param {(id: string) => void} actions.leave
   * @param {(id: string) => void} actions.end
   * @param {(id: string) => void} actions.putAway
   * @param {() => void} actions.back to the lists, on a narrow screen
   */
  constructor(actions) {
    this.#composer = new Composer({
      form: this.#form,
      input: byId("composer", HTMLTextAreaElement),
      counter: byId("counter"),
      send: byId("send", HTMLButtonElement),
      onSend: (text) => this.#conversation?.send(text),
    });
    /**
     * @param {HTMLElement} button
     * @param {(id: string) => void} action
     */
    const onClick = (button, action) => button.addEventListener("click", () => {
      if (this.#chat) action(this.#chat.engagementId);
    });
    onClick(this.#accept, actions.accept);
    onClick(this.#takeOver, actions.takeOver);
    onClick(this.#supervise, actions.supervise);
    onClick(this.#leave, actions.leave);
    onClick(byId("put-away"), actions.putAway);
    this.#end.addEventListener("click", () => this.#ask(Boolean(this.#confirm.hidden)));
    byId("end-no").addEventListener("click", () => this.#ask(false));
    onClick(byId("end-yes"), (id) => {
      this.#ask(false);
      actions.end(id);
    });
    this.#view.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      if (this.#confirm.hidden) actions.back();
      else this.#ask(false);
    });
    byId("back").addEventListener("click", () => actions.back());
  }

  /** The engagementId of the open chat; undefined: none is open. */
  get openId() {
    return this.#chat?.engagementId;
  }

  /**
   * Opens a chat with its conversation.
   * @param {Chat} chat
   * @param {string | undefined} role
   * @param {Conversation} conversation
   */
  open(chat, role, conversation) {
    this.#keepDraft();
    this.#conversation = conversation;
    this.#place.replaceChildren(conversation.element);
    this.#none.hidden = true;
    this.#view.hidden = false;
    this.#confirm.hidden = true;
    this.update(chat, role);
    this.#composer.draft = conversation.draft;
    conversation.toEnd();
    this.focus();
  }

  /**
   * The open chat has changed.
   * @param {Chat} chat
   * @param {string | undefined} role
   */
  update(chat, role) {
    this.#chat = chat;
    const ended = chat.state === "ended";
    const inside = role !== undefined && !ended;
    const focused = this.#view.contains(ofDocument("activeElement")) ? ofDocument("activeElement") : null;
    this.#form.hidden = this.#leave.hidden = this.#end.hidden = !inside;
    if (!inside) this.#confirm.hidden = true;
    this.#enter.hidden = role !== undefined || ended;
    this.#takeOver.hidden = !this.supervises || chat.state !== "active";
    this.#supervise.hidden = !this.supervises;
    this.#ended.hidden = !ended;
    this.#accept.hidden = chat.state !== "waiting";
    setText(this.#enterText, enterText(chat, this.supervises));
    this.#away.hidden = ended || chat.customerPresence !== "away";
    if (!this.#away.hidden) setText(this.#away, `Customer away since ${clockTime(new Date(chat.customerSeenAt ?? ""))}`);
    setText(this.#name, nameOf(chat.customerName, "CUSTOMER"));
    setText(this.#topic, chat.topic || "No topic");
    this.#role.hidden = role !== "SUPERVISOR";
    this.#showDetails(chat);
    // What had the focus may be hidden now.
    if (focused instanceof HTMLElement && focused.offsetParent === null) this.focus();
  }

  /** Closes the chat; nothing of it stays on the page. */
  close() {
    this.#keepDraft();
    this.#chat = this.#conversation = null;
    for (const part of [this.#place, this.#name, this.#topic, this.#enterText, this.#away, this.#facts, this.#parameters, this.#participants]) {
      part.replaceChildren();
    }
    this.#composer.draft = "";
    this.#view.hidden = true;
    this.#none.hidden = false;
  }

  /** Puts the focus where the agent goes on. */
  focus() {
    if (!this.#form.hidden) this.#composer.focus();
    else if (!this.#ended.hidden) byId("put-away").focus();
    else if (!this.#accept.hidden) this.#accept.focus();
    else if (!this.#takeOver.hidden) this.#takeOver.focus();
    else if (!this.#supervise.hidden) this.#supervise.focus();
    else this.#name.focus();
  }

  #keepDraft() {
    if (this.#conversation) this.#conversation.draft = this.#composer.draft;
  }

  /** @param {Chat} chat */
  #showDetails(chat) {
    const began = new Date(chat.createdAt);
    setText(this.#facts, `Began ${dayName(began).toLowerCase()}, ${clockTime(began)}`);
    const parameters = Object.entries(chat.engagementParameters ?? {});
    this.#parameters.replaceChildren(...parameters.flatMap(([key, value]) => [
      // The colon that follows on a narrow screen is not the key's.
      h("dt", {}, h("bdi", {}, key)), h("dd", { dir: "auto" }, value),
    ]));
    byId("parameters-none").hidden = parameters.length > 0;
    this.#participants.replaceChildren(...chat.participants.map((one) => h("li", { "data-participant-type": one.participantType },
      h("span", { class: "item-name", dir: "auto" }, nameOf(one.displayName, one.participantType)),
      h("span", { class: "tag" }, nameOf("", one.participantType)))));
  }

  /** @param {boolean} asking */
  #ask(asking) {
    this.#confirm.hidden = !asking;
    this.#end.setAttribute("aria-expanded", String(asking));
    if (asking) byId("end-no").focus();
    else this.#end.focus();
  }
}
