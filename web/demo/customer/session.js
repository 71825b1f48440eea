// All that this page does with the chat SDK. It knows nothing of what the page looks like:
// copy it as a start for your own.

import { getIntegrationId, getToken } from "./backend.js";

// Without the script, an element of that id would be the window's property of that name.
const sdk = Object.hasOwn(window, "AvayaCCaaSChatSDK") ? window.AvayaCCaaSChatSDK : undefined;

const CONFIG = {
  reconnectionTimeout: 300, // seconds, as all of these
  idleTimeout: 300,
  idleShutdownGraceTimeout: 60,
  logLevel: "WARN",
};
const PAGE_SIZE = 20;
const MAX_REFRESH_DELAY = 30_000; // ms between attempts to get a new token
const MIN_REFRESH_INTERVAL = 10_000; // ms from one token to the next

/**
 * A customer's session with the chat, and the one chat that is open in it.
 */
export class Session {
  #on;
  #customer = null;
  #opening = null; // the promise of a session that is open or being opened
  #engagement = null; // the chat that is shown
  #history = null; // its PageIterator, once the newest page is read
  #refresh = null; // AbortController of a running token refresh
  #refreshedAt = 0; // when the SDK was last given a new token
  #refusals = 0; // tokens refused since the stream was last connected
  #closing = null; // the promise of a shutdown of our own that runs

  /**
   * @param {object} on called with what happens; every one is required
   * @param {(event: object) => void} on.connecting
   * @param {(event: object) => void} on.connected
   * @param {(event: object) => void} on.disconnected EVENT_STREAM_FAILED
   * @param {(message: object) => void} on.message of the open chat, from the other side
   * @param {(message: object) => void} on.delivered of the open chat, written by the customer
   * @param {(participants: object[]) => void} on.participants who is in the open chat now
   * @param {() => void} on.ended the open chat is over
   * @param {(event: object) => void} on.trouble ENGAGEMENT_ERROR of the open chat
   * @param {(event: object) => void} on.idle the customer does nothing: {gracePeriod} seconds are left
   * @param {(event: object) => void} on.shutdown the session is over, and not by close()
   */
  constructor(on) {
    this.#on = on;
    if (!sdk) return; // the script could not be loaded: open() says so

    // Before init, so that none is missed; they stay registered across sessions.
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

    sdk.on("MESSAGE_ARRIVED", (message) => this.#isOpen(message) && on.message(message));
    sdk.on("MESSAGE_DELIVERED", (message) => this.#isOpen(message) && on.delivered(message));
    sdk.on("PARTICIPANT_ADDED", (event) => this.#isOpen(event) && on.participants(this.participants));
    sdk.on("PARTICIPANT_DISCONNECTED", (event) => this.#isOpen(event) && on.participants(this.participants));
    sdk.on("ENGAGEMENT_ERROR", (event) => this.#isOpen(event) && on.trouble(event));
    sdk.on("ENGAGEMENT_TERMINATED", (event) => this.#isOpen(event) && on.ended());

    sdk.on("IDLE_TIMEOUT_EXPIRED", (event) => on.idle(event));
    sdk.on("SHUTDOWN", (event) => {
      if (this.#closing) return; // close() sees to the rest
      this.#forget();
      on.shutdown(event);
    });
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
   * @param {{customerId: string, name: string}} customer
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

  async #init(customer) {
    if (!sdk) throw Object.assign(new Error("the chat SDK's script was not loaded"), { code: "NOT_LOADED" });
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
    const newestFirst = (a, b) => b.createdAt - a.createdAt;
    const engagements = (await sdk.getEngagements()).sort(newestFirst);
    return {
      mine: engagements.find((engagement) => engagement.engagementStatus === "ACTIVE"),
      elsewhere: engagements.filter((engagement) => engagement.engagementStatus === "PENDING"),
    };
  }

  /** Begins a chat about a topic. */
  begin(topic) {
    return sdk.createEngagement({ topic, page: location.pathname });
  }

  /** Makes this the chat whose events the page hears. Call it before reading its history. */
  show(engagement) {
    this.#engagement = engagement;
    this.#history = null;
  }

  /**
   * Reads a page of the open chat's history, the newest first and an older one at each call.
   * Messages that come later than the first call come as events.
   * @returns {Promise<{messages: object[], hasOlder: boolean}>}
   */
  async readHistory() {
    const engagement = this.#engagement;
    if (this.#history) {
      await this.#history.previous();
    } else {
      const history = await engagement.getMessages(PAGE_SIZE);
      if (engagement !== this.#engagement) return { messages: [], hasOlder: false };
      this.#history = history;
    }
    return { messages: this.#history.items, hasOlder: this.#history.hasPrevious() };
  }

  /** Sends a message to the open chat; resolves with the message as it is stored. */
  send(text) {
    return this.#engagement.sendMessage(text);
  }

  /** Ends the open chat; `ended` is called when it is over. */
  end() {
    return this.#engagement.disconnect("USER_CLOSED");
  }

  /** The customer is there: both idle timers start anew. */
  stillHere() {
    if (this.isOpen) sdk.resetIdleTimeout();
  }

  /** Reconnects now instead of at the next attempt. */
  reconnect() {
    sdk.retryConnection();
  }

  #isOpen(event) {
    return event.engagementId === this.#engagement?.engagementId;
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
    if (this.#refresh) return;
    const refresh = this.#refresh = new AbortController();
    const customer = this.#customer;
    while (!refresh.signal.aborted) {
      try {
        await pause(attempt, refresh.signal);
        const { jwtToken } = await getToken(customer);
        if (refresh.signal.aborted) return;
        this.#refreshedAt = Date.now();
        sdk.setJwtToken(jwtToken);
        break;
      } catch (error) {
        if (refresh.signal.aborted) return;
        console.warn("no new chat token yet:", error.message);
        attempt++;
      }
    }
    this.#refresh = null;
  }
}

/** Waits before the nth attempt: not before the first, then up to 1, 2, 4 … 30 seconds. */
function pause(attempt, signal) {
  if (attempt === 0) return Promise.resolve();
  const ceiling = Math.min(MAX_REFRESH_DELAY, 1000 * 2 ** (attempt - 1));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ceiling / 2 + Math.random() * ceiling / 2);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
