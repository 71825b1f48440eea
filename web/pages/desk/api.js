// The desk's calls (docs/desk-api.md).

/**
 * A chat, a message and a page of messages as the desk's API gives them; times are ISO 8601.
 * @typedef {{
 *   engagementId: string, dialogId: string, customerName: string, topic: string,
 *   engagementParameters?: Record<string, string>, state: "waiting" | "active" | "ended",
 *   participants: AvayaCCaaSChatSDK.Participant[], createdAt: string, waitingSince?: string, requeued?: boolean,
 *   customerPresence: "present" | "away", customerSeenAt?: string, lastUpdatedAt: string, newestIndex: number,
 * }} Chat
 * @typedef {{
 *   messageId: string, engagementId: string, messageIndex: number, body: AvayaCCaaSChatSDK.MessageBody,
 *   senderParticipantId: string, senderParticipantName: string, senderParticipantType: AvayaCCaaSChatSDK.ParticipantType,
 *   correlationId: string, receivedAt: string,
 * }} Message
 * @typedef {{ messages: Message[], newestIndex: number, hasOlder: boolean, hasNewer: boolean }} Page
 * @typedef {{ agentId: string, agentName: string }} Agent who sits at the desk
 * @typedef {{ agentId?: string, agentName?: string, role?: "agent" | "supervisor", accounts: string[] }} Me whose credential
 *   it is; one that desks share is nobody's in particular
 */

const BASE = new URL("../api/desk/v1", import.meta.url); // also where a proxy puts a prefix before both
const TIMEOUT = 15_000; // ms until a call without an answer counts as failed

/** Where the desk's events are. */
export const EVENTS = new URL(`${BASE}/events`);
EVENTS.protocol = EVENTS.protocol === "https:" ? "wss:" : "ws:";

/** A call that failed. */
export class DeskError extends Error {
  /**
   * @param {string} message what an agent can read
   * @param {number} status of HTTP; 0: there was no answer, and what was asked may have been done
   */
  constructor(message, status) {
    super(message);
    this.name = "DeskError";
    this.status = status;
  }

  /** Whether the same call may succeed in a moment. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * Asks whose credential it is.
 * @param {string} credential
 * @returns {Promise<Me>}
 */
export const whose = (credential) => call(credential, "/me");

export class DeskApi {
  #credential;
  #agent;

  /**
   * @param {string} credential vouches for the desk
   * @param {Agent} agent
   */
  constructor(credential, agent) {
    this.#credential = credential;
    this.#agent = agent;
  }

  /** @type {(id: string) => Promise<Chat>} */
  accept = (id) => this.#call(`/${id}:accept`, this.#agent);
  /**
   * Takes a chat from the agent who has it.
   * @type {(id: string) => Promise<Chat>}
   */
  takeOver = (id) => this.#call(`/${id}:accept`, { ...this.#agent, takeOver: true });
  /** @type {(id: string) => Promise<Chat>} */
  supervise = (id) => this.#call(`/${id}:supervise`, this.#agent);
  /** @type {(id: string) => Promise<Chat>} */
  leave = (id) => this.#call(`/${id}:leave`, { agentId: this.#agent.agentId });
  /** @type {(id: string) => Promise<Chat>} */
  end = (id) => this.#call(`/${id}:end`, { agentId: this.#agent.agentId });

  /**
   * Sends a text to a chat. Sent again with the same correlationId, it is the same message.
   * @type {(id: string, text: string, correlationId: string) => Promise<Message>}
   */
  send = (id, text, correlationId) =>
    this.#call(`/${id}/messages`, { agentId: this.#agent.agentId, text, correlationId });

  /**
   * A page of messages: the newest, or those next to a messageIndex.
   * @type {(id: string, place?: { before?: number, after?: number }) => Promise<Page>}
   */
  messages = (id, place = {}) => {
    const query = new URLSearchParams({ pageSize: "50" });
    for (const [name, index] of Object.entries(place)) query.set(name, String(index));
    return this.#call(`/${id}/messages?${query}`);
  };

  /**
   * @param {string} path
   * @param {object} [body] makes it a POST
   */
  #call(path, body) {
    return call(this.#credential, `/engagements${path}`, body);
  }
}

/**
 * @param {string} credential
 * @param {string} path
 * @param {object} [body] makes it a POST
 */
async function call(credential, path, body) {
  let response;
  try {
    response = await fetch(BASE + path, {
      method: body ? "POST" : "GET",
      headers: { Authorization: `Bearer ${credential}`, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    if (response.ok) return await response.json();
  } catch {
    throw new DeskError("The server could not be reached.", 0);
  }
  const problem = await response.json().catch(() => ({}));
  throw new DeskError(refusal(response.status, problem.detail || problem.title), response.status);
}

/**
 * A refusal in an agent's words. What the server says of a chat and of roles is that already.
 * @param {number} status
 * @param {string} [detail] what the server says
 */
function refusal(status, detail) {
  switch (status) {
    case 401: return "The server does not accept your sign-in any more.";
    case 404: return "That chat is not there any more.";
    case 429: return "That was too much at once. Wait a moment.";
    case 502: case 503: case 504: return "The server cannot answer at the moment.";
  }
  return detail || `The server answered ${status}.`;
}
