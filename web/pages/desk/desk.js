// The agent's desk: brings what the server says (feed.js), what the desk knows (board.js) and
// what the agent sees and does (lists.js, chatview.js) together.

import { DeskApi, whose } from "./api.js";
import { Board, forgetSeen } from "./board.js";
import { agentOf, ChatView } from "./chatview.js";
import { Conversation } from "./conversation.js";
import { Feed } from "./feed.js";
import { Lists } from "./lists.js";
import { describe, forgetAgent, hideSignIn, signIn } from "./signin.js";
import { byId, countdown, ofDocument, setText } from "./shared/dom.js";
import { counted } from "./shared/words.js";

/** @typedef {import("./api.js").Chat} Chat */
/** @typedef {{ who: import("./signin.js").SignedIn, api: DeskApi, board: Board, feed?: Feed }} Desk */

/** @type {Map<string, Conversation>} */
const conversations = new Map(); // by engagementId, of one's own chats and the open one
/** @type {Set<string>} */
const leaving = new Set(); // engagementIds of chats that the agent is about to leave
/** @type {Desk | undefined} */
let desk; // while the agent is signed in
let stopCountdown = () => {};

const lists = new Lists({ open, accept, supervise });
const view = new ChatView({ accept, takeOver, supervise, leave, end, putAway, back });

byId("reconnect").addEventListener("click", () => desk?.feed?.retry());
byId("sign-out").addEventListener("click", () => askToSignOut(Boolean(byId("sign-out-confirm").hidden)));
byId("sign-out-no").addEventListener("click", () => askToSignOut(false));
byId("sign-out-yes").addEventListener("click", signOut);
byId("sign-out-confirm").addEventListener("keydown", (event) => {
  if (event.key === "Escape") askToSignOut(false);
});
ofDocument("addEventListener")("visibilitychange", show);
startDesk();

/**
 * Signs in and connects.
 * @param {string} [trouble] why it is to be done once more
 * @param {string} [good] the credential, when the trouble is the name
 */
async function startDesk(trouble, good) {
  clear();
  const who = await signIn(trouble, good);
  hideSignIn();
  const at = desk = { who, api: new DeskApi(who.credential, who.agent), board: new Board(who.agent.agentId) };
  byId("desk").hidden = false;
  showWho();
  showLists();
  show();
  lists.focus();
  connect(at);
}

/** Takes all that an agent has seen off the page. */
function clear() {
  desk?.feed?.close();
  desk = undefined;
  stopCountdown();
  conversations.clear();
  view.close();
  lists.show(new Board(""), false);
  fail("");
  say("");
  byId("sign-out-confirm").hidden = true;
  byId("desk").hidden = true;
  Reflect.set(Document.prototype, "title", "Agent desk", document);
}

/** @param {Desk} at */
function connect(at) {
  const { who, board } = at;
  let isFirst = true;
  at.feed = new Feed(who.credential, who.isPersonal ? null : who.agent, {
    state: showConnection,
    snapshot(chats) {
      const news = chats.map((chat) => newsOf(board, chat)).filter((one) => one.isUrgent);
      board.replace(chats);
      for (const chat of chats) conversations.get(chat.engagementId)?.read(chat.newestIndex);
      show();
      if (news.length > 0) fail(news.map((one) => one.text).join(" "));
      if (!isFirst) askWho(at);
      isFirst = false;
    },
    chat(chat) {
      const { text, isUrgent } = newsOf(board, chat);
      board.put(chat);
      show();
      if (isUrgent) fail(text);
      else if (text) say(text);
    },
    message(message) {
      board.addMessage(message);
      conversations.get(message.engagementId)?.receive(message);
      show();
    },
    nameRefused() {
      startDesk("That name cannot be used: customers could take it for the system or the bot, or it has characters that cannot be seen. Type another.", who.credential);
    },
    refused(why) {
      startDesk(why === "expired" ? "Your sign-in has expired. Sign in again." : "The desk does not accept your sign-in any more. Sign in again.");
    },
  });
}

/**
 * Asks again what the agent may do: the connection was lost, perhaps because that has changed.
 * @param {Desk} at
 */
async function askWho(at) {
  if (!at.who.isPersonal) return;
  const me = await whose(at.who.credential).catch(() => undefined); // the feed finds out whether it is refused
  const who = me && describe(at.who.credential, me);
  if (!who || desk !== at) return;
  at.who = who;
  showWho();
  show();
}

/** Shows who has signed in, and as what. */
function showWho() {
  if (!desk) return;
  const { agent, role, supervises } = desk.who;
  setText(byId("me"), agent.agentName);
  setText(byId("my-role"), role);
  byId("my-role").hidden = !role;
  view.supervises = supervises;
}

/**
 * What a change of a chat means to this agent, before it is put on the board.
 * @param {Board} board
 * @param {Chat} chat
 * @returns {{ text: string, isUrgent: boolean }} urgent: it is to be seen, not only to be heard
 */
function newsOf(board, chat) {
  const was = board.get(chat.engagementId);
  const name = chat.customerName || "A customer";
  const news = (/** @type {string} */ text, isUrgent = false) => ({ text, isUrgent });
  if (chat.state === "ended") return news(board.isMine(chat.engagementId) && was?.state !== "ended" ? `The chat with ${name} has ended.` : "");
  const wasAgent = was?.state === "active" && board.roleIn(was) === "AGENT";
  if (wasAgent && board.roleIn(chat) === undefined && !leaving.has(chat.engagementId)) {
    return news(chat.state === "waiting"
      ? `Your desk was disconnected for too long: the chat with ${name} waits for an agent again.`
      : `${agentOf(chat)} has taken over your chat with ${name}.`, true);
  }
  if (chat.state === "waiting" && was?.state !== "waiting") {
    return news(chat.requeued ? `${name} waits again: their agent was disconnected.` : `${name} is waiting: ${chat.topic || "no topic"}.`);
  }
  const concerns = board.isMine(chat.engagementId) || view.openId === chat.engagementId;
  if (was && concerns && was.customerPresence !== chat.customerPresence) return news(chat.customerPresence === "away" ? `${name} is away.` : `${name} is back.`);
  return news("");
}

/** Shows the board as it is now. */
function show() {
  if (!desk) return;
  const { board, who } = desk;
  const { openId } = view;
  const chat = openId ? board.get(openId) : undefined;
  if (chat) {
    if (!ofDocument("hidden")) board.markSeen(chat.engagementId);
    view.update(chat, board.roleIn(chat));
  } else if (openId) {
    // Looked on from outside, and ended.
    view.close();
    showLists();
    lists.focus();
    say("That chat has ended.");
  }
  for (const id of conversations.keys()) {
    if (id !== view.openId && !board.isMine(id)) conversations.delete(id);
  }
  lists.show(board, who.supervises, view.openId);

  const { waiting, mine } = board.lists();
  const unread = mine.reduce((sum, one) => sum + board.unread(one.engagementId), 0);
  const news = [waiting.length && `${waiting.length} waiting`, unread && `${unread} new`].filter(Boolean).join(", ");
  Reflect.set(Document.prototype, "title", news ? `(${news}) Agent desk` : "Agent desk", document);
}

/**
 * Opens a chat: one's own, or another to look at.
 * @param {string} id
 */
function open(id) {
  const chat = desk?.board.get(id);
  if (!desk || !chat) return;
  const { who, api, board } = desk;
  const conversation = conversations.get(id) ?? new Conversation(id, who.agent, api, say);
  conversations.set(id, conversation);
  byId("desk").dataset.pane = "chat";
  view.open(chat, board.roleIn(chat), conversation);
  conversation.read(chat.newestIndex);
  show();
}

/** @param {string} id */
function accept(id) {
  return act(async (at) => enter(at, await at.api.accept(id)));
}

/** @param {string} id */
function takeOver(id) {
  return act(async (at) => enter(at, await at.api.takeOver(id)));
}

/** @param {string} id */
function supervise(id) {
  return act(async (at) => enter(at, await at.api.supervise(id)));
}

/**
 * The agent is in a chat now; opens it.
 * @param {Desk} at
 * @param {Chat} chat
 */
function enter(at, chat) {
  at.board.put(chat);
  if (at === desk) open(chat.engagementId);
}

/** @param {string} id */
function leave(id) {
  return act(async (at) => {
    await leaveChat(at, id);
    if (view.openId === id) back();
    say("You have left the chat.");
  });
}

/**
 * @param {Desk} at
 * @param {string} id
 */
async function leaveChat({ api, board }, id) {
  leaving.add(id);
  try {
    board.put(await api.leave(id));
  } finally {
    leaving.delete(id);
  }
}

/** @param {string} id */
function end(id) {
  return act(async ({ api, board }) => {
    board.put(await api.end(id));
    say("The chat has ended.");
  });
}

/** @param {string} id */
function putAway(id) {
  desk?.board.putAway(id);
  back();
}

/**
 * Asks before chats are left, or takes the question back.
 * @param {boolean} asking
 */
function askToSignOut(asking) {
  const count = ownChats().length;
  if (asking && count === 0) {
    signOut();
    return;
  }
  setText(byId("sign-out-text"), `You are in ${counted(count, "chat")}. Sign out and leave ${count === 1 ? "it" : "them"}?`);
  byId("sign-out-confirm").hidden = !asking;
  byId("sign-out").setAttribute("aria-expanded", String(asking));
  byId(asking ? "sign-out-no" : "sign-out").focus();
}

/** The chats that the agent is in. */
function ownChats() {
  return desk ? desk.board.lists().mine.filter((chat) => chat.state !== "ended") : [];
}

/** Leaves all chats, so that no customer waits for the agent to count as disconnected, and forgets the agent. */
async function signOut() {
  const at = desk;
  if (!at) return;
  await Promise.allSettled(ownChats().map((chat) => leaveChat(at, chat.engagementId))); // what fails ends like a crash
  forgetAgent();
  forgetSeen();
  if (at === desk) startDesk();
}

/**
 * Does what the agent asked for, or shows why that failed.
 * @param {(at: Desk) => Promise<void>} work
 */
async function act(work) {
  const at = desk;
  if (!at) return;
  fail("");
  try {
    await work(at);
  } catch (e) {
    const error = /** @type {import("./api.js").DeskError} */ (e);
    if (at === desk) fail(error.isTemporary ? `${error.message} Try again.` : error.message);
  }
  show();
}

/** Closes the chat on the screen; one's own goes on among the lists. */
function back() {
  const { openId } = view;
  view.close();
  showLists();
  show();
  lists.focus(openId);
}

/** On a narrow screen the lists and the chat take turns. */
function showLists() {
  byId("desk").dataset.pane = "lists";
}

/**
 * @param {import("./feed.js").ConnectionState} state
 * @param {number} [seconds] until the next attempt, while waiting
 */
function showConnection(state, seconds = 0) {
  stopCountdown();
  const connection = byId("connection");
  const was = connection.dataset.state;
  connection.dataset.state = state;
  byId("reconnect").hidden = state !== "waiting";
  const words = (/** @type {number} */ left) => ({
    live: "Connected",
    connecting: "Connecting…",
    waiting: left > 0 ? `Connection lost. Trying again in ${counted(left, "second")}.` : "Connection lost. Trying again.",
  })[state];
  if (state === "waiting") stopCountdown = countdown(seconds, (left) => setText(byId("connection-text"), words(left)));
  else setText(byId("connection-text"), words(0));
  const isBack = state === "live" && (was === "waiting" || was === "connecting");
  if (isBack || state === "waiting") say(words(seconds));
}

/** @param {string} text which screen readers read */
function say(text) {
  setText(byId("announcer"), text);
}

/** @param {string} text empty: nothing is wrong */
function fail(text) {
  byId("trouble").hidden = !text;
  setText(byId("trouble"), text);
}
