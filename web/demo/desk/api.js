// The desk's calls (docs/desk-api.md).

const BASE = "/api/desk/v1/engagements";
const TIMEOUT = 15_000; // ms until a call without an answer counts as failed

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

  /** Whether the same call may fare better in a moment. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export class DeskApi {
  #credential;
  #agent;

  /**
   * @param {string} credential vouches for the desk
   * @param {{agentId: string, agentName: string}} agent who sits at it
   */
  constructor(credential, agent) {
    this.#credential = credential;
    this.#agent = agent;
  }

  accept = (id) => this.#call(`/${id}:accept`, this.#agent);
  /** Takes a chat from the agent who has it. */
  takeOver = (id) => this.#call(`/${id}:accept`, { ...this.#agent, takeOver: true });
  supervise = (id) => this.#call(`/${id}:supervise`, this.#agent);
  leave = (id) => this.#call(`/${id}:leave`, { agentId: this.#agent.agentId });
  end = (id) => this.#call(`/${id}:end`, { agentId: this.#agent.agentId });

  /** Says a text in a chat. Said again with the same correlationId, it is the same message. */
  say = (id, text, correlationId) =>
    this.#call(`/${id}/messages`, { agentId: this.#agent.agentId, text, correlationId });

  /** A page of messages: the newest, or those next to a messageIndex: {before} or {after}. */
  messages = (id, place = {}) => this.#call(`/${id}/messages?${new URLSearchParams({ pageSize: 50, ...place })}`);

  async #call(path, body) {
    let response;
    try {
      response = await fetch(BASE + path, {
        method: body ? "POST" : "GET",
        headers: { Authorization: `Bearer ${this.#credential}`, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
        cache: "no-store",
        signal: AbortSignal.timeout(TIMEOUT),
      });
      if (response.ok) return await response.json();
    } catch {
      throw new DeskError("The server could not be reached.", 0);
    }
    const problem = await response.json().catch(() => ({}));
    throw new DeskError(problem.detail || problem.title || `The server answered ${response.status}.`, response.status);
  }
}
