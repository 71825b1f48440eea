// The customer's page: brings what happens in the chat (session.js) and what the customer
// does (widget.js) together.

import { loadCustomer, onChatElsewhere, saveChat, saveName } from "./account.js";
import { Session } from "./session.js";
import { Widget } from "./widget.js";
import { connectionWords, explain } from "./words.js";
import { countdown } from "../shared/dom.js";

const TYPING_COUNTS_EVERY = 30_000; // ms: typing is activity, but not at every key

const END_WORDS = {
  ended: { text: "This chat has ended. Thank you for talking to us.", restart: "Start another chat" },
  idle: { text: "You were away, so the chat was closed in this window. Nothing is lost: go on where you were.", restart: "Start again" },
  closed: { text: "The connection to this chat has ended. Go on where you were.", restart: "Start again" },
};

/** The chat on the screen: null on the first screen, else its engagement, and whether it is over. */
let shown = null;
let busy = false; // one chat is begun or joined at a time
let looking = null; // the promise of a look that runs
let troubled = false; // the connection is not fine, and said so
let lastTyped = 0;
let stopCountdown = () => {};
let stopIdle = () => {};

const session = new Session({
  connecting: () => setConnection({ text: "Connecting…", retry: false }),
  connected() {
    setConnection(null);
  },
  disconnected(event) {
    setConnection(connectionWords(event, event.retryAfter));
    if (!(event.retryAfter > 0)) return;
    stopCountdown = countdown(event.retryAfter, (left) => widget.setConnection(connectionWords(event, left)));
  },
  message(message) {
    const isNew = widget.timeline.show(describe(message));
    if (isNew && message.senderParticipant.participantType !== "SYSTEM") widget.countUnread();
  },
  delivered(message) {
    // A message whose answer was lost may have arrived all the same.
    const lost = widget.timeline.has(message.messageId) ? undefined : widget.timeline.findFailed(message.body.elementText.text);
    if (lost) widget.timeline.sent(lost, describe(message));
    else widget.timeline.show(describe(message));
  },
  participants: (participants) => widget.setParticipants(participants),
  ended() {
    shown.over = true;
    saveChat(undefined);
    stopIdle();
    widget.setOver(END_WORDS.ended);
  },
  trouble: (event) => widget.setNotice(event.detail || event.title),
  idle(event) {
    // Without a chat there is nothing to lose: the session may end in silence.
    if (!shown || shown.over) return;
    stopIdle();
    stopIdle = countdown(event.gracePeriod, (left) => widget.setIdle(left));
  },
  shutdown(event) {
    setConnection(null);
    stopIdle();
    if (!shown) showStart();
    else if (!shown.over) widget.setOver(event.reason === "USER_INACTIVE" ? END_WORDS.idle : END_WORDS.closed);
  },
});

const widget = new Widget({
  open: () => look(),
  start: ({ name, topic }) => enter(async () => {
    await session.open(saveName(name));
    return session.begin(topic);
  }),
  join: (engagement) => enter(async () => {
    const chat = await reach(engagement.engagementId);
    if (!chat) throw Object.assign(new Error("the chat has ended"), { code: "ACS-312" });
    return chat;
  }),
  send: (text) => send(crypto.randomUUID(), text),
  resend: (key, text) => send(key, text),
  typing() {
    wake();
    if (Date.now() - lastTyped < TYPING_COUNTS_EVERY) return;
    lastTyped = Date.now();
    stillHere();
  },
  loadEarlier: () => loadHistory(),
  async end() {
    try {
      await session.end();
    } catch (error) {
      widget.setNotice(explain(error));
    }
  },
  restart: () => (shown.over ? leave() : goOn()),
  stillHere,
  reconnect() {
    try {
      session.reconnect();
    } catch {
      // Between the click and here the SDK has begun to connect by itself.
    }
  },
});

/** A message of the SDK as the timeline shows it. */
function describe(message) {
  const { participantType, displayName } = message.senderParticipant;
  const mine = participantType === "CUSTOMER";
  return {
    id: message.messageId,
    index: message.messageIndex,
    // Whatever its textFormat: markup is shown as it was written, never run.
    text: message.body.elementText.text,
    mine,
    senderType: participantType,
    senderName: displayName,
    at: message.receivedAt,
    state: mine ? "delivered" : undefined,
  };
}

/**
 * Looks for a chat of this customer: one that this session is in is shown, as after a
 * reload; others are offered.
 */
function look() {
  const customer = loadCustomer();
  if (shown || busy) return;
  if (customer?.chat) looking ??= lookFor(customer).finally(() => { looking = null; });
  else if (!looking) showStart();
}

async function lookFor(customer) {
  try {
    await session.open(customer);
    const { mine, elsewhere } = await session.chats();
    if (shown || busy) return;
    if (mine) {
      await showChat(mine);
      return;
    }
    showStart(elsewhere);
    if (elsewhere.length > 0) return;
    saveChat(undefined);
    await session.close(); // a page that has no chat holds no connection
  } catch (error) {
    console.warn("no look at the customer's chats:", error);
    if (!shown && !busy) widget.setStartError(explain(error));
  }
}

/** Goes into a chat by begin() or join(), one at a time. */
async function enter(way) {
  if (busy) return;
  busy = true;
  widget.setBusy(true);
  widget.setStartError("");
  try {
    await showChat(await way());
  } catch (error) {
    console.warn("no chat:", error);
    widget.setStartError(explain(error));
  } finally {
    busy = false;
    widget.setBusy(false);
  }
}

/** The session ended, not the chat: joins it from a new session, if it still goes on. */
async function goOn() {
  if (busy) return;
  busy = true;
  widget.setRestarting(true);
  try {
    const chat = await reach(shown.engagement.engagementId);
    if (chat) {
      await showChat(chat);
    } else {
      saveChat(undefined);
      leave();
    }
  } catch (error) {
    console.warn("the chat could not be gone on with:", error);
    widget.setNotice(explain(error));
  } finally {
    busy = false;
    widget.setRestarting(false);
  }
}

/**
 * The ongoing chat of that id, with this session in it; undefined when it has ended. It is
 * asked for anew: the session in which it was first seen may be gone, and its objects with it.
 */
async function reach(engagementId) {
  await session.open(loadCustomer());
  const { mine, elsewhere } = await session.chats();
  if (mine?.engagementId === engagementId) return mine;
  return elsewhere.find((chat) => chat.engagementId === engagementId)?.join();
}

async function showChat(engagement) {
  shown = { engagement, over: false };
  saveChat(engagement.engagementId);
  session.show(engagement);
  widget.showChat();
  widget.setParticipants(session.participants);
  await loadHistory();
}

/** Reads the newest page of history, or the next older one. */
async function loadHistory() {
  const chat = shown;
  widget.setOlder(true, true);
  try {
    const { messages, hasOlder } = await session.readHistory();
    if (chat !== shown) return;
    widget.timeline.showHistory(messages.map(describe));
    widget.setOlder(hasOlder);
    widget.setNotice("");
  } catch (error) {
    console.warn("no history:", error);
    if (chat !== shown) return;
    widget.setOlder(true);
    widget.setNotice(explain(error));
  }
}

/** Sends a text, and shows how it fares, under a key of ours until it has an id. */
async function send(key, text) {
  const chat = shown;
  wake();
  widget.timeline.sending(key, text, "", "CUSTOMER");
  try {
    const message = await session.send(text);
    if (chat !== shown) return;
    widget.timeline.sent(key, { ...describe(message), state: "sent" });
  } catch (error) {
    console.warn("not sent:", error);
    if (chat !== shown) return;
    widget.timeline.failed(key, explain(error));
    widget.announce(`Your message was not sent. ${explain(error)}`);
  }
}

function stillHere() {
  wake();
  session.stillHere();
}

/** The customer does something: the idle warning goes. */
function wake() {
  stopIdle();
  widget.setIdle(null);
}

function setConnection(trouble) {
  stopCountdown();
  widget.setConnection(trouble);
  if (trouble) widget.announce(trouble.text);
  else if (troubled) widget.announce("Connected.");
  troubled = trouble !== null;
}

/** Leaves a chat that is over: back to the first screen. */
function leave() {
  shown = null;
  showStart();
  look(); // another may have been begun in another window
}

function showStart(offers) {
  widget.showStart(loadCustomer()?.name, offers);
}

showStart();
onChatElsewhere(() => look());
if (widget.wasOpen()) widget.open();
else look();
