// The agent's desk: brings what the server says (feed.js), what the desk knows (board.js) and
// what the agent sees and does (lists.js, chatview.js) together.

import { DeskApi } from "./api.js";
import { Board } from "./board.js";
import { ChatView } from "./chatview.js";
import { Conversation } from "./conversation.js";
import { Feed } from "./feed.js";
import { Lists } from "./lists.js";
import { signIn } from "./signin.js";
import { byId, countdown, ofDocument, setText } from "../shared/dom.js";
import { counted } from "../shared/words.js";

/** @type {Map<string, Conversation>} */
const conversations = new Map(); // by engagementId, of one's own chats and the open one
/** @type {{ agent: import("./api.js").Agent, api: DeskApi, board: Board }} */
let desk; // since the agent has signed in
/** @type {Feed | undefined} */
let feed;
let stopCountdown = () => {};

const lists = new Lists({ open, accept, supervise });
const view = new ChatView({ accept, takeOver, supervise, leave, end, putAway, back });

byId("reconnect").addEventListener("click", () => feed?.retry());
ofDocument("addEventListener")("visibilitychange", show);
sitDown();

/**
 * Signs in and connects.
 * @param {string} [trouble] why it is to be done once more
 * @param {string} [good] the credential, when the trouble is the name
 */
async function sitDown(trouble, good) {
  byId("desk").hidden = true;
  const { agent, credential } = await signIn(trouble, good);
  const board = new Board(agent.agentId);
  desk = { agent, api: new DeskApi(credential, agent), board };
  conversations.clear();
  view.close();
  setText(byId("me"), agent.agentName);
  byId("desk").hidden = false;
  showLists();
  show();
  feed = new Feed(credential, agent, {
    state: showConnection,
    snapshot(chats) {
      board.replace(chats);
      for (const chat of chats) conversations.get(chat.engagementId)?.read(chat.newestIndex);
      show();
    },
    chat(chat) {
      const isNew = chat.state === "waiting" && board.get(chat.engagementId)?.state !== "waiting";
      board.put(chat);
      if (isNew) say(`${chat.customerName || "A customer"} is waiting: ${chat.topic || "no topic"}.`);
      show();
    },
    message(message) {
      board.addMessage(message);
      conversations.get(message.engagementId)?.receive(message);
      show();
    },
    refused: () => sitDown("The server refused that password. Type it again."),
    nameRefused: () => sitDown("That name cannot be used: customers could take it for the system or the bot, or it has characters that cannot be seen. Type another.", credential),
  });
}

/** Shows the board as it is now. */
function show() {
  if (!desk) return;
  const { board } = desk;
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
  lists.show(board, view.openId);

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
  const { agent, api, board } = desk;
  const chat = board.get(id);
  if (!chat) return;
  const conversation = conversations.get(id) ?? new Conversation(id, agent, api, say);
  conversations.set(id, conversation);
  byId("desk").dataset.pane = "chat";
  view.open(chat, board.roleIn(chat), conversation);
  conversation.read(chat.newestIndex);
  show();
}

/** @param {string} id */
function accept(id) {
  return enter(id, desk.api.accept);
}

/** @param {string} id */
function takeOver(id) {
  return enter(id, desk.api.takeOver);
}

/** @param {string} id */
function supervise(id) {
  return enter(id, desk.api.supervise);
}

/**
 * Takes the agent into a chat, and opens it.
 * @param {string} id
 * @param {(id: string) => Promise<import("./api.js").Chat>} call
 */
function enter(id, call) {
  return act(async () => {
    desk.board.put(await call(id));
    open(id);
  });
}

/** @param {string} id */
function leave(id) {
  return act(async () => {
    desk.board.put(await desk.api.leave(id));
    if (view.openId === id) back();
    say("You have left the chat.");
  });
}

/** @param {string} id */
function end(id) {
  return act(async () => {
    desk.board.put(await desk.api.end(id));
    say("The chat has ended.");
  });
}

/** @param {string} id */
function putAway(id) {
  desk.board.putAway(id);
  back();
}

/**
 * Does what the agent asked for, or shows why that failed.
 * @param {() => Promise<void>} work
 */
async function act(work) {
  fail("");
  try {
    await work();
  } catch (e) {
    const error = /** @type {import("./api.js").DeskError} */ (e);
    fail(error.isTemporary ? `${error.message} Try again.` : error.message);
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
