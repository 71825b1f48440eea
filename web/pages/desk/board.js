// What the desk knows of all chats, and how an agent sees them: mine, waiting, others.

/** @typedef {import("./api.js").Chat} Chat */

const SEEN_KEY = "hollis.desk.seen"; // survives a reload of this tab

export class Board {
  #agentId;
  /** @type {Map<string, Chat>} */
  #chats = new Map(); // by engagementId
  /** @type {Set<string>} */
  #mine = new Set(); // ids of chats in which this agent is, or was when they ended
  #seen; // id → messageIndex up to which the agent has seen the chat

  /** @param {string} agentId */
  constructor(agentId) {
    this.#agentId = agentId;
    this.#seen = loadSeen();
  }

  /** @param {string} id */
  get(id) {
    return this.#chats.get(id);
  }

  /**
   * All chats that are not ended, as the server has them now. Others have ended meanwhile.
   * @param {Chat[]} chats
   */
  replace(chats) {
    const listed = new Set(chats.map((chat) => chat.engagementId));
    for (const chat of [...this.#chats.values()]) {
      if (!listed.has(chat.engagementId)) this.put({ ...chat, state: "ended" });
    }
    for (const chat of chats) this.put(chat);
  }

  /**
   * A chat began, changed or ended.
   * @param {Chat} chat
   */
  put(chat) {
    const id = chat.engagementId;
    const known = this.#chats.get(id);
    if (known && chat.newestIndex < known.newestIndex) chat = { ...chat, newestIndex: known.newestIndex };
    if (this.#isIn(chat)) this.#mine.add(id);
    else if (chat.state !== "ended") this.#mine.delete(id);
    // A chat of one's own stays in sight when it has ended, until it is put away.
    if (chat.state === "ended" && !this.#mine.has(id)) this.#chats.delete(id);
    else this.#chats.set(id, chat);
  }

  /**
   * A message came in one of the chats.
   * @param {import("./api.js").Message} message
   */
  addMessage({ engagementId, messageIndex, senderParticipantId }) {
    const chat = this.#chats.get(engagementId);
    if (chat && messageIndex > chat.newestIndex) this.#chats.set(engagementId, { ...chat, newestIndex: messageIndex });
    if (senderParticipantId === this.#agentId) this.markSeen(engagementId, messageIndex);
  }

  /**
   * The agent has seen the chat up to this message.
   * @param {string} id
   */
  markSeen(id, messageIndex = this.#chats.get(id)?.newestIndex ?? 0) {
    if (messageIndex <= (this.#seen.get(id) ?? -1)) return;
    this.#seen.set(id, messageIndex);
    saveSeen(this.#seen, this.#chats);
  }

  /**
   * Puts an ended chat out of sight.
   * @param {string} id
   */
  putAway(id) {
    this.#mine.delete(id);
    this.#chats.delete(id);
    this.#seen.delete(id);
  }

  /**
   * How many messages of a chat the agent has not seen.
   * @param {string} id
   */
  unread(id) {
    const newest = this.#chats.get(id)?.newestIndex ?? 0;
    return Math.max(0, newest - (this.#seen.get(id) ?? newest));
  }

  /** @param {string} id */
  isMine(id) {
    return this.#mine.has(id);
  }

  /**
   * The type under which this agent is in the chat: AGENT or SUPERVISOR; undefined: not in it.
   * @param {Chat} chat
   */
  roleIn(chat) {
    return chat.participants.find((one) => one.participantId === this.#agentId)?.participantType;
  }

  /** The lists, each oldest first: whoever has waited longest is on top, below those who have lost their agent. */
  lists() {
    const chats = [...this.#chats.values()].sort((a, b) => Number(b.requeued ?? false) - Number(a.requeued ?? false) || begun(a) - begun(b));
    return {
      waiting: chats.filter((chat) => chat.state === "waiting"),
      mine: chats.filter((chat) => this.#mine.has(chat.engagementId)),
      others: chats.filter((chat) => chat.state === "active" && !this.#mine.has(chat.engagementId)),
    };
  }

  /** @param {Chat} chat */
  #isIn(chat) {
    return this.roleIn(chat) !== undefined;
  }
}

/**
 * When a chat's present wait began, or the chat itself.
 * @param {Chat} chat
 */
const begun = (chat) => Date.parse(chat.waitingSince ?? chat.createdAt);

/** Forgets what the agent of this tab has seen. */
export function forgetSeen() {
  try {
    sessionStorage.removeItem(SEEN_KEY);
  } catch {
    // Blocked: nothing is there.
  }
}

/** @returns {Map<string, number>} */
function loadSeen() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(SEEN_KEY) ?? ""));
  } catch {
    return new Map(); // blocked, or nothing there
  }
}

/**
 * Only of chats that are still known: what is kept does not grow with the day.
 * @param {Map<string, number>} seen
 * @param {Map<string, Chat>} chats
 */
function saveSeen(seen, chats) {
  try {
    sessionStorage.setItem(SEEN_KEY, JSON.stringify([...seen].filter(([id]) => chats.has(id))));
  } catch {
    // Blocked or full: after a reload all counts as seen.
  }
}
