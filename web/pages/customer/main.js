// The customer's page: brings what happens in the chat (session.js) and what the customer
// does (widget.js) together.

import { loadCustomer, onChatElsewhere, saveChat, saveName } from "./account.js";
import { watchActivity } from "./activity.js";
import { Session } from "./session.js";
import { Widget } from "./widget.js";
import { connectionOf, explain, failureOf, TROUBLE, wordsOf } from "./words.js";
import { countdown, ofDocument } from "../desk/shared/dom.js";
import { newId } from "../desk/shared/id.js";

const ACTIVITY_COUNTS_EVERY = 15_000; // ms: the SDK need not know of each movement

/** @typedef {import("./words.js").State} State */
/** @typedef {AvayaCCaaSChatSDK.Engagement} Engagement */

/**
 * The chat on the screen, and whether it is over; null on the first screen.
 * @type {{ engagement: Engagement, over: boolean } | null}
 */
let shown = null;
let busy = false; // one chat is begun or joined at a time
/** @type {Promise<void> | null} */
let looking = null; // the promise of a lookFor that runs
/** @type {State | null} */
let failure = null; // the state of words.js that the first screen shows because something failed
let offering = false; // the first screen shows chats to join
let troubled = false; // the connection is not fine, and said so
let warned = false; // the idle warning is shown
let lastActive = -Infinity; // when activity was last reported to the SDK, by performance.now()
let stopCountdown = () => {};
let stopIdle = () => {};

const session = new Session({
  connecting: () => setConnection(troubled ? "reconnecting" : "connecting", { seconds: 0 }),
  connected() {
    setConnection(null);
  },
  disconnected(event) {
    const state = connectionOf(event);
    setConnection(state, { seconds: event.retryAfter });
    if (!(event.retryAfter > 0)) return;
    stopCountdown = countdown(event.retryAfter, (seconds) => widget.setConnection(state, { seconds }));
  },
  message(message) {
    const isNew = widget.timeline.show(describe(message));
    const { participantType } = message.senderParticipant;
    if (isNew && participantType !== "SYSTEM") widget.countUnread();
    // Who is being written to, and has the page before them, is reading.
    if (/^(AGENT|SUPERVISOR)$/.test(participantType) && ofDocument("visibilityState") === "visible") active();
  },
  delivered(message) {
    // A message whose answer was lost may have arrived all the same.
    const lost = widget.timeline.has(message.messageId) ? undefined : widget.timeline.findFailed(message.body.elementText.text);
    if (lost) widget.timeline.sent(lost, describe(message));
    else widget.timeline.show(describe(message));
  },
  participants: (participants) => widget.setParticipants(participants),
  ended() {
    if (shown) shown.over = true;
    saveChat(undefined);
    stopIdle();
    widget.setOver("ended");
  },
  trouble(event) {
    console.warn("the chat has a problem:", event.title, event.detail);
    widget.setNotice(TROUBLE);
  },
  idle(event) {
    // Without a chat there is nothing to lose: the session may end in silence.
    if (!shown || shown.over) return;
    stopIdle();
    warned = true;
    stopIdle = countdown(event.gracePeriod, (seconds) => widget.setIdle(seconds));
  },
  shutdown(event) {
    setConnection(null);
    stopIdle();
    warned = false;
    if (!shown) {
      if (!offering) showStart("start"); // joining an offered chat opens a new session
    } else if (!shown.over) {
      widget.setOver(event.reason === "USER_INACTIVE" ? "paused" : "disconnected");
    }
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
  send: (text) => send(newId(), text),
  resend: (key, text) => send(key, text),
  again() {
    if (failure === "refused" || failure === "notLoaded") {
      location.reload();
    } else if (failure === "gone") {
      saveChat(undefined);
      leave();
    } else {
      look();
    }
  },
  loadEarlier: () => loadHistory(),
  async end() {
    try {
      await session.end();
    } catch (error) {
      widget.setNotice(explain(error));
    }
  },
  restart() {
    if (!shown || shown.over) leave();
    else goOn(shown);
  },
  stillHere,
  reconnect() {
    try {
      session.reconnect();
    } catch {
      // Between the click and here the SDK has begun to connect by itself.
    }
  },
});

/**
 * A message of the SDK as the timeline shows it.
 * @param {AvayaCCaaSChatSDK.Message} message
 * @returns {import("../desk/shared/timeline.js").Shown}
 */
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
  if (!customer?.chat) {
    if (!looking) showStart("start");
  } else if (!looking) {
    if (!offering) showStart("looking");
    looking = lookFor(customer).finally(() => { looking = null; });
  }
}

/** @param {import("./account.js").Customer} customer */
async function lookFor(customer) {
  try {
    await session.open(customer);
    const { mine, elsewhere } = await session.chats();
    if (shown || busy) return;
    if (mine) {
      await showChat(mine);
      return;
    }
    if (elsewhere.length > 0) {
      showStart("elsewhere", elsewhere);
      return;
    }
    showStart("start");
    saveChat(undefined);
    await closeSession();
  } catch (error) {
    console.warn("no look at the customer's chats:", error);
    if (!shown && !busy) fail(error);
  }
}

/**
 * Goes into a chat by begin() or join(), one at a time.
 * @param {() => Promise<Engagement>} way
 */
async function enter(way) {
  if (busy) return;
  busy = true;
  widget.setBusy(true);
  widget.setStartError("");
  let failed = null;
  try {
    await showChat(await way());
  } catch (error) {
    console.warn("no chat:", error);
    failed = error;
  }
  busy = false;
  widget.setBusy(false);
  if (failed) fail(failed);
}

/**
 * The session ended, not the chat: joins it from a new session, if it still goes on.
 * @param {{ engagement: Engagement, over: boolean }} chat
 */
async function goOn(chat) {
  if (busy) return;
  busy = true;
  widget.setOver("continuing");
  try {
    const engagement = await reach(chat.engagement.engagementId);
    if (engagement) {
      await showChat(engagement);
    } else {
      chat.over = true;
      saveChat(undefined);
      widget.setOver("endedAway");
      await closeSession();
    }
  } catch (error) {
    console.warn("the chat could not be gone on with:", error);
    widget.setOver("disconnected");
    widget.setNotice(explain(error));
  } finally {
    busy = false;
  }
}

/**
 * The ongoing chat of that id, with this session in it; undefined when it has ended. It is
 * asked for anew: the session in which it was first seen may be gone, and its objects with it.
 * @param {string} engagementId
 */
async function reach(engagementId) {
  const customer = loadCustomer();
  if (!customer) throw new Error("nobody has chatted here");
  await session.open(customer);
  const { mine, elsewhere } = await session.chats();
  if (mine?.engagementId === engagementId) return mine;
  return elsewhere.find((chat) => chat.engagementId === engagementId)?.join();
}

/** @param {Engagement} engagement */
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

/**
 * Sends a text, and shows what becomes of it, under a key of ours until it has an id.
 * @param {string} key
 * @param {string} text
 */
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

/** A page that has no chat holds no connection. */
async function closeSession() {
  await session.close();
  setConnection(null);
}

/** The customer is there. */
function active() {
  const now = performance.now();
  if (!shown || shown.over || (!warned && now - lastActive < ACTIVITY_COUNTS_EVERY)) return;
  lastActive = now;
  stillHere();
}

/** Both idle timers start anew, and the warning goes. */
function stillHere() {
  wake();
  try {
    session.stillHere();
  } catch (error) {
    console.info("no session is idle:", /** @type {Error} */ (error).message); // it is just being opened or closed
  }
}

/** The customer does something: the idle warning goes. */
function wake() {
  stopIdle();
  warned = false;
  widget.setIdle(null);
}

/**
 * @param {State | null} state null: connected
 * @param {import("./words.js").Values} [values]
 */
function setConnection(state, values) {
  stopCountdown();
  widget.setConnection(state, values);
  const { text } = state ? wordsOf(state, values) : { text: "" };
  if (text) widget.announce(text);
  else if (troubled && !state) widget.announce("Connected.");
  troubled = text !== "";
}

/** Leaves a chat that is over: back to the first screen. */
function leave() {
  shown = null;
  showStart("start");
  look(); // another may have been begun in another window
}

/**
 * The first screen.
 * @param {State} state
 * @param {Engagement[]} [offers]
 */
function showStart(state, offers = []) {
  failure = null;
  offering = offers.length > 0;
  widget.showStart(state, { name: loadCustomer()?.name, offers });
}

/**
 * The first screen says that something failed, and what can be done.
 * @param {unknown} error
 */
function fail(error) {
  failure = failureOf(error);
  offering = false;
  setConnection(null); // whatever it was, there is no session now, or it is of no use
  widget.setStartFailure(failure);
}

showStart("start");
watchActivity(active);
onChatElsewhere(() => look());
if (widget.wasOpen()) widget.open();
else look();
