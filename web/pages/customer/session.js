// All that this page does with the chat SDK. It knows nothing of what the page looks like:
// copy it as a starting point for your own.

import { getIntegrationId, getToken } from "./backend.js";
import { backoff, sleep } from "../desk/shared/backoff.js";

/** @typedef {AvayaCCaaSChatSDK.Engagement} Engagement */
/** @typedef {AvayaCCaaSChatSDK.Message} Message */
/** @typedef {AvayaCCaaSChatSDK.EventMap} EventMap */
/** @typedef {{ customerId: string, name: string }} Customer */

// Without the script, an element of that id would be the window's property of that name.
const loaded = Object.hasOwn(window, "AvayaCCaaSChatSDK");
const sdk = window.AvayaCCaaSChatSDK;

/** @type {AvayaCCaaSChatSDK.Config} */
const CONFIG = {
  reconnectionTimeout: 300, // seconds, as all of these
  idleTimeout: 300,
  idleShutdownGraceTimeout: 60,
  logLevel: "WARN",
};
const PAGE_SIZE = 20;
const REFRESH_WAITS = { first: 1000, ceiling: 30_000 }; // ms between attempts to get a new token
const MIN_REFRESH_INTERVAL = 10_000; // ms from one token to the next

/**
 * A customer's session with the chat, and the one chat that is open in it.
 */
export class Session {
  #on;
  /** @type {Customer | null} */
  #customer = null;
  /** @type {Promise<void> | null} */
  #opening = null; // the promise of a session that is open or being opened
  /** @type {Engagement | null} */
  #engagement = null; // the chat that is shown
  /** @type {AvayaCCaaSChatSDK.PageIterator<Message> | null} */
  #history = null; // of that chat, once the newest page is read
  /** @type {AbortController | null} */
  #refresh = null; // of a running token refresh
  #refreshedAt = 0; // when the SDK was last given a new token
  #refusals = 0; // tokens refused since the stream was last connected
  /** @type {Promise<void> | null} */
  #closing = null; // the promise of a shutdown of our own that runs

  /**
   * @param {object} on called with what happens; every one is required
   * @param {(event: EventMap["EVENT_STREAM_CONNECTING"]) => void} on.connecting
   * @param {(event: EventMap["EVENT_STREAM_CONNECTED"]) => void} on.connected
   * @param {(event: EventMap["EVENT_STREAM_FAILED"]) => void} on.disconnected
   * @param {(message: Message) => void} on.message of the open chat, from the other side
   * @param {(message: Message) => void} on.delivered of the open chat, written by the customer
   * @param {(participants: AvayaCCaaSChatSDK.Participant[]) => void} on.participants who is in the open chat now
   * @param {() => void} on.ended the open chat is over
   * @param {(event: EventMap["ENGAGEMENT_ERROR"]) => void} on.trouble of the open chat
   * @param {(event: EventMap["IDLE_TIMEOUT_EXPIRED"]) => void} on.idle the customer does nothing: {gracePeriod} seconds are left
   * @param {(event: EventMap["SHUTDOWN"]) => void} on.shutdown the session is over, and not by close()
   */
  constructor(on) {
    this.#on = on;
    if (!loaded) return; // open() reports it
    // Before init, so that none is missed; they stay registered across sessions.
    this.#followSession();
    this.#followChat();
  }

  #followSession() {
    const on = this.#on;
    sdk.on("EVENT_STREAM_CONNECTING", (event) => on.connecting(event));
    sdk.on("EVENT_STREAM_CONNECTED", (event) => {
      this.#refusals = 0;
      on.connected(event);
    });
    sdk.on("EVENT_STREAM_FAILED", (event) => {
      on.disconnected(event);
      if (event.reason === "FORBIDDEN") this.#refreshToken(++this.#refusals);
    });

    sdk.on("TOKEN_EXPIRY_REMINDER", () => {
      // A token with less than three minutes to live brings the next reminder at once: such
      // tokens are used up, or this would go round without end.
      if (Date.now() - this.#refreshedAt > MIN_REFRESH_INTERVAL) this.#refreshToken();
    });
    sdk.on("TOKEN_EXPIRED", () => this.#refreshToken());
    sdk.on("IDLE_TIMEOUT_EXPIRED", (event) => on.idle(event));
    sdk.on("SHUTDOWN", (event) => {
      if (this.#closing) return; // close() sees to the rest
      this.#forget();
      on.shutdown(event);
    });
  }

  #followChat() {
    const on = this.#on;
    /**
     * Handles an event of a chat if that chat is the open one.
     * @template {"MESSAGE_ARRIVED" | "MESSAGE_DELIVERED" | "PARTICIPANT_ADDED" | "PARTICIPANT_DISCONNECTED" | "ENGAGEMENT_ERROR" | "ENGAGEMENT_TERMINATED"} E
     * @param {E} type
     * @param {(event: EventMap[E]) => void} handler
     */
    const follow = (type, handler) => sdk.on(type, (event) => {
      if (event.engagementId === this.#engagement?.engagementId) handler(event);
    });
    follow("MESSAGE_ARRIVED", on.message);
    follow("MESSAGE_DELIVERED", on.delivered);
    follow("PARTICIPANT_ADDED", () => on.participants(this.participants));
    follow("PARTICIPANT_DISCONNECTED", () => on.participants(this.participants));
    follow("ENGAGEMENT_ERROR", on.trouble);
    follow("ENGAGEMENT_TERMINATED", on.ended);
  }

  /** Whether a session is open, or being opened. */
  get isOpen() {
    return this.#opening !== null;
  }

  /** Who is in the open chat. */
  get participants() {
    return this.#engagement?.participants ?? [];
  }

  /**
   * Opens the session, unless it is open. After a reload the SDK resumes the one it had, and
   * the chats that were joined in it go on.
   * @param {Customer} customer
   */
  async open(customer) {
    // The name is in the token, and a session keeps the one it began with.
    if (this.#customer && this.#customer.name !== customer.name) this.close();
    await this.#closing;
    this.#customer = customer;
    this.#opening ??= this.#init(customer).catch((error) => {
      this.#forget(); // a failed init leaves the SDK as it was: open() may be called again
      throw error;
    });
    await this.#opening;
  }

  /** @param {Customer} customer */
  async #init(customer) {
    if (!loaded) throw Object.assign(new Error("the chat SDK's script was not loaded"), { code: "NOT_LOADED" });
    const [integrationId, { jwtToken, appkey }] = await Promise.all([getIntegrationId(), getToken(customer)]);
    await sdk.init({
      hostURL: location.origin,
      integrationId,
      token: jwtToken,
      appkey,
      displayName: customer.name,
      sessionParameters: { page: location.pathname },
    }, CONFIG);
  }

  /** Ends the session. Chats live on, and can be joined from another session. */
  close() {
    this.#closing ??= this.#shutdown().finally(() => {
      this.#closing = null;
      this.#forget();
    });
    return this.#closing;
  }

  async #shutdown() {
    await this.#opening?.catch(() => {}); // the SDK refuses a shutdown while it initialises
    if (this.isOpen) await sdk.shutdown();
  }

  /**
   * The customer's ongoing chats: `mine`, the one this session is in, and `elsewhere`, those
   * begun in another tab or on another device, which can be joined.
   */
  async chats() {
    const engagements = await sdk.getEngagements();
    engagements.sort((a, b) => +b.createdAt - +a.createdAt); // the newest first
    return {
      mine: engagements.find((engagement) => engagement.engagementStatus === "ACTIVE"),
      elsewhere: engagements.filter((engagement) => engagement.engagementStatus === "PENDING"),
    };
  }

  /**
   * Begins a chat about a topic.
   * @param {string} topic
   */
  begin(topic) {
    return sdk.createEngagement({ topic, page: location.pathname });
  }

  /**
   * Makes this the chat whose events the page gets. Call it before reading its history.
   * @param {Engagement} engagement
   */
  show(engagement) {
    this.#engagement = engagement;
    this.#history = null;
  }

  /**
   * Reads a page of the open chat's history, the newest first and an older one at each call.
   * Messages that come later than the first call come as events.
   * @returns {Promise<{ messages: Message[], hasOlder: boolean }>}
   */
  async readHistory() {
    const engagement = this.#openChat();
    let history = this.#history;
    if (history) {
      await history.previous();
    } else {
      history = await engagement.getMessages(PAGE_SIZE);
      if (engagement !== this.#engagement) return { messages: [], hasOlder: false };
      this.#history = history;
    }
    return { messages: history.items, hasOlder: history.hasPrevious() };
  }

  #openChat() {
    if (!this.#engagement) throw new Error("no chat is open");
    return this.#engagement;
  }

  /**
   * Sends a message to the open chat; resolves with the message as it is stored.
   * @param {string} text
   */
  async send(text) {
    return this.#openChat().sendMessage(text);
  }

  /** Ends the open chat; `ended` is called when it is over. */
  async end() {
    return this.#openChat().disconnect("USER_CLOSED");
  }

  /** The customer is there: both idle timers start anew. */
  stillHere() {
    if (this.isOpen) sdk.resetIdleTimeout();
  }

  /** Reconnects now instead of at the next attempt. */
  reconnect() {
    sdk.retryConnection();
  }

  #forget() {
    this.#refresh?.abort();
    this.#refresh = null;
    this.#refusals = 0;
    this.#opening = this.#customer = this.#engagement = this.#history = null;
  }

  /**
   * Gets a new token and gives it to the SDK, trying until it works or the session is over.
   * One at a time: the reminder's may still be running when the token expires.
   */
  async #refreshToken(attempt = 0) {
    const customer = this.#customer;
    if (this.#refresh || !customer) return;
    const refresh = this.#refresh = new AbortController();
    while (!refresh.signal.aborted) {
      try {
        if (attempt > 0) await sleep(backoff(attempt, REFRESH_WAITS), refresh.signal);
        const { jwtToken } = await getToken(customer);
        if (refresh.signal.aborted) return;
        this.#refreshedAt = Date.now();
        sdk.setJwtToken(jwtToken);
        break;
      } catch (error) {
        if (refresh.signal.aborted) return;
        console.warn("no new chat token yet:", /** @type {Error} */ (error).message);
        attempt++;
      }
    }
    this.#refresh = null;
  }
}
