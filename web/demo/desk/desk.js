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

const conversations = new Map(); // engagementId → Conversation, of one's own chats and the open one
let board;
let api;
let agent;
let feed;
let stopCountdown = () => {};

const lists = new Lists({ open, accept, supervise });
const view = new ChatView({ accept, takeOver, supervise, leave, end, putAway, back });

byId("reconnect").addEventListener("click", () => feed.retry());
ofDocument("addEventListener")("visibilitychange", show);
sitDown();

/** Signs in and goes live; with a reason, because the credential was refused. */
async function sitDown(trouble) {
  byId("desk").hidden = true;
  const who = await signIn(trouble);
  agent = who.agent;
  api = new DeskApi(who.credential, agent);
  board = new Board(agent.agentId);
  conversations.clear();
  view.close();
  setText(byId("me"), agent.agentName);
  byId("desk").hidden = false;
  showLists();
  show();
  feed = new Feed(who.credential, agent, {
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
      board.heard(message);
      conversations.get(message.engagementId)?.hear(message);
      show();
    },
    refused: () => sitDown("The server refused that password. Type it again."),
  });
}

/** Shows the board as it is now. */
function show() {
  if (!board) return;
  const { openId } = view;
  const chat = openId && board.get(openId);
  if (chat) {
    if (!ofDocument("hidden")) board.see(openId);
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

/** Opens a chat: one's own, or another to look at. */
function open(id) {
  const chat = board.get(id);
  if (!chat) return;
  if (!conversations.has(id)) conversations.set(id, new Conversation(id, agent, api, say));
  const conversation = conversations.get(id);
  byId("desk").dataset.pane = "chat";
  view.open(chat, board.roleIn(chat), conversation);
  conversation.read(chat.newestIndex);
  show();
}

function accept(id) {
  return act(async () => {
    board.put(await api.accept(id));
    open(id);
  });
}

function takeOver(id) {
  return act(async () => {
    board.put(await api.takeOver(id));
    open(id);
  });
}

function supervise(id) {
  return act(async () => {
    board.put(await api.supervise(id));
    open(id);
  });
}

function leave(id) {
  return act(async () => {
    board.put(await api.leave(id));
    if (view.openId === id) back();
    say("You have left the chat.");
  });
}

function end(id) {
  return act(async () => {
    board.put(await api.end(id));
    say("The chat has ended.");
  });
}

function putAway(id) {
  board.putAway(id);
  back();
}

/** Does what the agent asked for, or says why not. */
async function act(work) {
  fail("");
  try {
    await work();
  } catch (error) {
    fail(error.passing ? `${error.message} Try again.` : error.message);
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

function showConnection(state, seconds) {
  stopCountdown();
  const connection = byId("connection");
  const was = connection.dataset.state;
  connection.dataset.state = state;
  byId("reconnect").hidden = state !== "waiting";
  const words = (left) => ({
    live: "Connected",
    connecting: "Connecting…",
    waiting: left > 0 ? `Connection lost. Trying again in ${counted(left, "second")}.` : "Connection lost. Trying again.",
  })[state];
  if (state === "waiting") stopCountdown = countdown(seconds, (left) => setText(byId("connection-text"), words(left)));
  else setText(byId("connection-text"), words(0));
  if (state === "live" ? was === "waiting" || was === "connecting" : state === "waiting") say(words(seconds));
}

function say(text) {
  setText(byId("announcer"), text);
}

function fail(text) {
  byId("trouble").hidden = !text;
  setText(byId("trouble"), text);
}
