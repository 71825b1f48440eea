// What the desk knows of all chats, and how an agent sees them: waiting, mine, others.

const SEEN_KEY = "hollis.desk.seen"; // survives a reload of this tab

export class Board {
  #agentId;
  #chats = new Map(); // engagementId → Chat
  #mine = new Set(); // ids of chats in which this agent is, or was when they ended
  #seen; // id → messageIndex up to which the agent has seen the chat

  constructor(agentId) {
    this.#agentId = agentId;
    this.#seen = loadSeen();
  }

  get(id) {
    return this.#chats.get(id);
  }

  /** All chats that are not ended, as the server has them now. Others have ended meanwhile. */
  replace(chats) {
    const listed = new Set(chats.map((chat) => chat.engagementId));
    for (const chat of [...this.#chats.values()]) {
      if (!listed.has(chat.engagementId)) this.put({ ...chat, state: "ended" });
    }
    for (const chat of chats) this.put(chat);
  }

  /** A chat began, changed or ended. */
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

  /** A message came in one of the chats. */
  heard({ engagementId, messageIndex, senderParticipantId }) {
    const chat = this.#chats.get(engagementId);
    if (chat && messageIndex > chat.newestIndex) this.#chats.set(engagementId, { ...chat, newestIndex: messageIndex });
    if (senderParticipantId === this.#agentId) this.see(engagementId, messageIndex);
  }

  /** The agent has seen the chat up to this message. */
  see(id, messageIndex = this.#chats.get(id)?.newestIndex ?? 0) {
    if (messageIndex <= (this.#seen.get(id) ?? -1)) return;
    this.#seen.set(id, messageIndex);
    saveSeen(this.#seen, this.#chats);
  }

  /** Puts an ended chat out of sight. */
  putAway(id) {
    this.#mine.delete(id);
    this.#chats.delete(id);
    this.#seen.delete(id);
  }

  /** How many messages of a chat the agent has not seen. */
  unread(id) {
    const newest = this.#chats.get(id)?.newestIndex ?? 0;
    return Math.max(0, newest - (this.#seen.get(id) ?? newest));
  }

  isMine(id) {
    return this.#mine.has(id);
  }

  /** The type under which this agent is in the chat: AGENT or SUPERVISOR; undefined: not in it. */
  roleIn(chat) {
    return chat.participants.find((one) => one.participantId === this.#agentId)?.participantType;
  }

  /** The lists, each oldest first: whoever has waited longest is on top, after those who have lost their agent. */
  lists() {
    const chats = [...this.#chats.values()].sort((a, b) => Boolean(b.requeued) - Boolean(a.requeued) || begun(a) - begun(b));
    return {
      waiting: chats.filter((chat) => chat.state === "waiting"),
      mine: chats.filter((chat) => this.#mine.has(chat.engagementId)),
      others: chats.filter((chat) => chat.state === "active" && !this.#mine.has(chat.engagementId)),
    };
  }

  #isIn(chat) {
    return this.roleIn(chat) !== undefined;
  }
}

/** When a chat's present wait began, or the chat itself. */
const begun = (chat) => Date.parse(chat.waitingSince ?? chat.createdAt);

function loadSeen() {
  try {
    return new Map(JSON.parse(sessionStorage.getItem(SEEN_KEY)));
  } catch {
    return new Map(); // blocked, or nothing there
  }
}

/** Only of chats that are still known: what is kept does not grow with the day. */
function saveSeen(seen, chats) {
  try {
    sessionStorage.setItem(SEEN_KEY, JSON.stringify([...seen].filter(([id]) => chats.has(id))));
  } catch {
    // Blocked or full: after a reload all counts as seen.
  }
}
