// The desk's live events: one WebSocket that comes back by itself. Each time it is back it
// brings a snapshot of all chats; messages missed meanwhile are read by their index.

import { EVENTS } from "./api.js";
import { backoff } from "./shared/backoff.js";
import { ofDocument } from "./shared/dom.js";

const SUBPROTOCOL = "desk.chat.v1";
const REFUSED = 4403;
const MALFORMED = 4400; // what of the first frame, the reason begins with
const EXPIRED = 4401;
const SILENCE = 45_000; // ms: the server pings every 20 s, so without a frame in 45 it is gone
const OPENING = 10_000; // ms until a connection without a frame is given up
const WAITS = { first: 1000, ceiling: 30_000 }; // ms between attempts

/** @typedef {"connecting" | "live" | "waiting"} ConnectionState */
/** @typedef {import("./api.js").Chat} Chat */
/** @typedef {import("./api.js").Message} Message */

/**
 * A frame from the server.
 * @typedef {{ type: "ping" | "pong" | "complete" } | { type: "snapshot", chats: Chat[], more?: boolean } | { type: "chat", chat: Chat } | { type: "message", message: Message }} Frame
 */

export class Feed {
  #credential;
  #agent;
  #on;
  /** @type {WebSocket | null} */
  #socket = null;
  #failed = 0; // attempts since the last whole snapshot
  #timer = 0; // of the next attempt, or of the silence after which the socket is dead
  #lastFrame = 0; // when it came
  #live = false;
  /** @type {Map<string, Chat> | null} */
  #collected = null; // while the snapshot is not complete: its chats so far, by engagementId
  #closed = new AbortController(); // takes the window's listeners with it

  /**
   * @param {string} credential
   * @param {import("./api.js").Agent | null} agent who is present while the feed is connected; null: whose the credential is
   * @param {object} on every one is required
   * @param {(state: ConnectionState, seconds?: number) => void} on.state waiting: until the next attempt
   * @param {(chats: Chat[]) => void} on.snapshot
   * @param {(chat: Chat) => void} on.chat
   * @param {(message: Message) => void} on.message
   * @param {(why: "refused" | "expired") => void} on.refused the credential is not accepted, or not any more; the feed is closed
   * @param {() => void} on.nameRefused the agent's name is not accepted; the feed is closed
   */
  constructor(credential, agent, on) {
    this.#credential = credential;
    this.#agent = agent;
    this.#on = on;
    const { signal } = this.#closed;
    addEventListener("online", () => this.retry(), { signal });
    addEventListener("pageshow", () => this.#wake(), { signal });
    ofDocument("addEventListener")("visibilitychange", () => {
      if (!ofDocument("hidden")) this.#wake();
    }, { signal });
    this.#connect();
  }

  /** Connects now, unless it is connected or about to be. */
  retry() {
    if (!this.#socket && !this.#closed.signal.aborted) this.#connect();
  }

  close() {
    this.#closed.abort();
    this.#drop();
  }

  #connect() {
    this.#drop();
    this.#on.state("connecting");
    const socket = this.#socket = new WebSocket(EVENTS, SUBPROTOCOL);
    this.#expectWithin(OPENING);
    socket.onopen = () => socket.send(JSON.stringify({ type: "authenticate", credential: this.#credential, ...this.#agent }));
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data));
    socket.onclose = ({ code, reason }) => {
      if (code === REFUSED || code === EXPIRED) {
        this.close();
        this.#on.refused(code === EXPIRED ? "expired" : "refused");
      } else if (code === MALFORMED && reason.startsWith("agentName")) {
        this.close();
        this.#on.nameRefused();
      } else {
        this.#wait();
      }
    };
  }

  /** @param {Frame} frame */
  #receive(frame) {
    this.#expectWithin(SILENCE);
    switch (frame.type) {
      case "ping":
        this.#socket?.send('{"type":"pong"}');
        break;
      case "snapshot":
        if (frame.more) this.#collected = new Map(frame.chats.map((chat) => [chat.engagementId, chat]));
        else this.#begin(frame.chats);
        break;
      case "complete":
        if (this.#collected) this.#begin([...this.#collected.values()].filter((chat) => chat.state !== "ended"));
        break;
      case "chat":
        if (this.#collected) this.#collected.set(frame.chat.engagementId, frame.chat);
        else this.#on.chat(frame.chat);
        break;
      case "message":
        this.#count(frame.message);
        this.#on.message(frame.message);
        break;
    }
  }

  /**
   * The snapshot is complete.
   * @param {Chat[]} chats
   */
  #begin(chats) {
    this.#collected = null;
    this.#failed = 0;
    this.#live = true;
    this.#on.state("live");
    this.#on.snapshot(chats);
  }

  /**
   * A message of a chat that was collected before it.
   * @param {Message} message
   */
  #count({ engagementId, messageIndex }) {
    const chat = this.#collected?.get(engagementId);
    if (chat && messageIndex > chat.newestIndex) this.#collected?.set(engagementId, { ...chat, newestIndex: messageIndex });
  }

  #wait() {
    this.#drop();
    const delay = backoff(++this.#failed, WAITS);
    this.#on.state("waiting", Math.ceil(delay / 1000));
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  /** @param {number} milliseconds after which a socket without a frame is dead */
  #expectWithin(milliseconds) {
    this.#lastFrame = Date.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wait(), milliseconds);
  }

  /** Timers sleep with the laptop and slow down in a hidden tab: this compares with the clock instead. */
  #wake() {
    if (this.#closed.signal.aborted) return;
    if (!this.#socket || Date.now() - this.#lastFrame > SILENCE) this.#connect();
    else if (this.#live) this.#socket.send('{"type":"ping"}');
  }

  /** Lets go of the socket at once: a half-open one takes minutes to close. */
  #drop() {
    clearTimeout(this.#timer);
    this.#live = false;
    this.#collected = null;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}
