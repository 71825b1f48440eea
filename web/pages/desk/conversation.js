// One chat's messages at the desk: read from the server, kept whole over lost connections,
// and written to it, each once.

import { backoff, sleep } from "./shared/backoff.js";
import { h, icon } from "./shared/dom.js";
import { Timeline } from "./shared/timeline.js";
import { nameOf } from "./shared/words.js";

/** @typedef {import("./api.js").Message} Message */

const ATTEMPTS = 6; // of sending a message, with the same correlationId: about 15 s in all
const WAITS = { first: 500, ceiling: 30_000 }; // ms between them

export class Conversation {
  /** Goes into the page: the messages, and what scrolls them. */
  element;
  /** What the agent has written and not sent. */
  draft = "";

  #id;
  #agent;
  #api;
  #onTrouble;
  #timeline;
  #earlier;
  #notice;
  #oldest = Infinity; // messageIndex of the oldest message that is shown
  #last = 0; // of the newest before which none is missing
  #newest = 0; // of the newest that is known to exist
  #loaded = false; // the newest page was read
  /** @type {Promise<void> | null} */
  #reading = null; // the promise of a read that runs
  #sending = Promise.resolve(); // one after the other, in the order they were written

  /**
   * @param {string} id engagementId
   * @param {import("./api.js").Agent} agent
   * @param {import("./api.js").DeskApi} api
   * @param {(text: string) => void} onTrouble something to say aloud
   */
  constructor(id, agent, api, onTrouble) {
    this.#id = id;
    this.#agent = agent;
    this.#api = api;
    this.#onTrouble = onTrouble;

    this.#earlier = h("button", { type: "button", class: "earlier", "data-testid": "load-earlier", hidden: true }, "Load earlier messages");
    this.#earlier.addEventListener("click", () => this.#loadEarlier());
    const log = h("div", { class: "log", role: "log", "aria-live": "polite", "aria-relevant": "additions", "data-testid": "messages" });
    const scroller = h("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Messages" }, this.#earlier, log);
    const jump = h("button", { type: "button", class: "jump", "data-testid": "jump", hidden: true }, icon("down"), "New messages");
    const again = h("button", { type: "button", class: "small" }, "Try again");
    again.addEventListener("click", () => this.read());
    this.#notice = h("div", { class: "strip warn", "data-testid": "chat-notice", hidden: true },
      h("p", {}, "Some messages could not be loaded."), again);
    this.element = h("div", { class: "conversation" }, h("div", { class: "scroll-frame" }, scroller, jump), this.#notice);
    this.#timeline = new Timeline({ scroller, log, jump, onRetry: (key, text) => this.send(text, key) });
  }

  /** Scrolls to the newest message. */
  toEnd() {
    this.#timeline.toEnd();
  }

  /**
   * A message came by the feed.
   * @param {Message} message
   */
  receive(message) {
    if (this.#timeline.has(message.correlationId)) this.#timeline.sent(message.correlationId, this.#describe(message));
    else if (this.#loaded && message.messageIndex === this.#last + 1) this.#timeline.show(this.#describe(message));
    if (this.#loaded && message.messageIndex === this.#last + 1) this.#last++;
    this.read(message.messageIndex);
  }

  /**
   * Reads what is missing up to the newest message that is known to exist. The indexes have
   * no gaps, so a gap means a message that was missed.
   */
  read(newest = 0) {
    this.#newest = Math.max(this.#newest, newest);
    if (this.#loaded && this.#last >= this.#newest) return;
    this.#reading ??= this.#readMissing().finally(() => { this.#reading = null; });
  }

  async #readMissing() {
    try {
      while (!this.#loaded || this.#last < this.#newest) {
        const page = await this.#api.messages(this.#id, this.#loaded ? { after: this.#last } : {});
        if (!this.#loaded) {
          this.#timeline.showHistory(page.messages.map(this.#describe));
          this.#oldest = page.messages[0]?.messageIndex ?? Infinity;
          this.#earlier.hidden = !page.hasOlder;
        } else {
          for (const message of page.messages) this.#timeline.show(this.#describe(message));
          if (page.messages.length === 0) break;
        }
        this.#loaded = true;
        this.#last = Math.max(this.#last, page.messages.at(-1)?.messageIndex ?? 0);
      }
      this.#notice.hidden = true;
    } catch {
      this.#notice.hidden = false;
      this.#onTrouble("Some messages could not be loaded.");
    }
  }

  async #loadEarlier() {
    this.#earlier.disabled = true;
    this.#earlier.textContent = "Loading…";
    try {
      const page = await this.#api.messages(this.#id, { before: this.#oldest });
      this.#timeline.showHistory(page.messages.map(this.#describe));
      this.#oldest = page.messages[0]?.messageIndex ?? this.#oldest;
      this.#earlier.hidden = !page.hasOlder;
    } catch (error) {
      this.#onTrouble(`Earlier messages could not be loaded. ${/** @type {Error} */ (error).message} Try again.`);
    }
    this.#earlier.disabled = false;
    this.#earlier.textContent = "Load earlier messages";
  }

  /**
   * Sends a text; with the key of one that failed, that one again.
   * @param {string} text
   * @param {string} [key]
   */
  send(text, key = crypto.randomUUID()) {
    this.#timeline.sending(key, text, this.#agent.agentName, "AGENT");
    this.#sending = this.#sending.then(() => this.#deliver(key, text));
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  async #deliver(key, text) {
    for (let attempt = 1; ; attempt++) {
      try {
        const message = await this.#api.send(this.#id, text, key);
        this.#timeline.sent(key, this.#describe(message));
        return;
      } catch (e) {
        const error = /** @type {import("./api.js").DeskError} */ (e);
        if (!error.isTemporary || attempt === ATTEMPTS) {
          this.#timeline.failed(key, error.message);
          this.#onTrouble(`Your message was not sent. ${error.message}`);
          return;
        }
        await sleep(backoff(attempt, WAITS));
      }
    }
  }

  /**
   * A message of the desk's API as the timeline shows it.
   * @param {Message} message
   * @returns {import("./shared/timeline.js").Shown}
   */
  #describe = (message) => {
    const mine = message.senderParticipantId === this.#agent.agentId;
    return {
      id: message.messageId,
      index: message.messageIndex,
      text: message.body.elementText.text,
      mine,
      senderType: message.senderParticipantType,
      senderName: nameOf(message.senderParticipantName, message.senderParticipantType),
      at: new Date(message.receivedAt),
      state: mine ? "sent" : undefined,
    };
  };
}
