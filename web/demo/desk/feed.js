// The desk's live events: one WebSocket that comes back by itself. Each time it is back it
// brings a snapshot of all chats; messages missed meanwhile are read by their index.

import { ofDocument } from "../shared/dom.js";

const SUBPROTOCOL = "desk.chat.v1";
const REFUSED = 4403;
const SILENCE = 45_000; // ms: the server pings every 20 s, so without a frame in 45 it is gone
const OPENING = 10_000; // ms until a connection without a snapshot is given up
const CEILING = 30_000; // ms: the longest wait between attempts

export class Feed {
  #credential;
  #agent;
  #on;
  #socket = null;
  #attempts = 0; // since the last snapshot
  #timer = 0; // of the next attempt, or of the silence after which the socket is dead
  #lastFrame = 0; // when it came
  #live = false;
  #closed = new AbortController(); // takes the window's listeners with it

  /**
   * @param {string} credential
   * @param {{agentId: string, agentName: string}} agent who is present while the feed is connected
   * @param {object} on every one is required
   * @param {(state: "connecting"|"live"|"waiting", seconds?: number) => void} on.state waiting: until the next attempt
   * @param {(chats: object[]) => void} on.snapshot
   * @param {(chat: object) => void} on.chat
   * @param {(message: object) => void} on.message
   * @param {() => void} on.refused the credential is not accepted; the feed is closed
   */
  constructor(credential, agent, on) {
    this.#credential = credential;
    this.#agent = agent;
    this.#on = on;
    const { signal } = this.#closed;
    addEventListener("online", () => this.retry(), { signal });
    addEventListener("pageshow", () => this.#wake(), { signal });
    ofDocument("addEventListener")("visibilitychange", () => ofDocument("hidden") || this.#wake(), { signal });
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
    const url = new URL("/api/desk/v1/events", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#expectWithin(OPENING);
    socket.onopen = () => socket.send(JSON.stringify({ type: "authenticate", credential: this.#credential, ...this.#agent }));
    socket.onmessage = (event) => this.#frame(JSON.parse(event.data));
    socket.onclose = ({ code }) => {
      if (code === REFUSED) {
        this.close();
        this.#on.refused();
      } else {
        this.#wait();
      }
    };
  }

  #frame(frame) {
    this.#expectWithin(SILENCE);
    switch (frame.type) {
      case "ping":
        this.#socket.send('{"type":"pong"}');
        break;
      case "snapshot":
        this.#attempts = 0;
        this.#live = true;
        this.#on.state("live");
        this.#on.snapshot(frame.chats);
        break;
      case "chat":
        this.#on.chat(frame.chat);
        break;
      case "message":
        this.#on.message(frame.message);
        break;
    }
  }

  /** Exponential backoff with full jitter: after an outage not all desks come at once. */
  #wait() {
    this.#drop();
    const delay = Math.random() * Math.min(CEILING, 1000 * 2 ** this.#attempts++);
    this.#on.state("waiting", Math.ceil(delay / 1000));
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  #expectWithin(milliseconds) {
    this.#lastFrame = Date.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wait(), milliseconds);
  }

  /** Timers sleep with the laptop and slow down in a hidden tab: look at the clock instead. */
  #wake() {
    if (!this.#socket || Date.now() - this.#lastFrame > SILENCE) this.#closed.signal.aborted || this.#connect();
    else if (this.#live) this.#socket.send('{"type":"ping"}');
  }

  /** Lets go of the socket at once: a half-open one takes minutes to close. */
  #drop() {
    clearTimeout(this.#timer);
    this.#live = false;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }
}
