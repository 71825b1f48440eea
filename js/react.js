// The package's entry for React: hooks that open a session and show its chat.
//
// The SDK has one session at a time and one handler for each event. So all components show one
// state, which is here, and the session is open as long as any useChatSession with an account is
// mounted. React may mount, unmount and mount again within one task, and at any time while init
// runs: what is wanted is compared with what is there until both agree.

import { useEffect, useRef, useSyncExternalStore } from "react";
import sdk from "chat-sdk";

/** @typedef {typeof import("./pack/npm/react.js")} Hooks */
/** @typedef {import("./pack/npm/react.js").ChatSession} ChatSession */
/** @typedef {import("./pack/npm/react.js").ChatEngagement} ChatEngagement */
/** @typedef {import("./pack/npm/react.js").ChatMessages} ChatMessages */
/** @typedef {{ session: ChatSession, chat: ChatEngagement, log: ChatMessages }} State */
/** @typedef {AvayaCCaaSChatSDK.Engagement} Engagement */
/** @typedef {AvayaCCaaSChatSDK.Message} Message */

const { assign } = Object;

/** How many messages of the history are read at a time: the most that the SDK gives. */
const PAGE = 50;
/** After how many seconds a back end that gives no token is asked again: at first, and at most. */
const [FIRST_PAUSE, LAST_PAUSE] = [2, 60];

/** @type {AvayaCCaaSChatSDK.ErrorTexts["ACS-313"]} */
const NOT_ACTIVATED = "Engagement is not activated";

/**
 * A mounted useChatSession with an account, and what it was called with last.
 * @typedef {{ current: [() => any, any] }} Holder
 */

/** @type {Holder[]} the newest last */
const holders = [];
/** @type {Holder | undefined} the holder after which there is none, until the end of the task */
let lastHolder;
// Which session is wanted and which is open, by their numbers; 0: none. A session lasts while it has
// holders, also where one is replaced by another. What comes when there is none may be of another
// customer, and gets a session of its own; but for the same holder in the same task, as in StrictMode.
let number = 0;
let opened = 0;
let ended = false; // it has ended or failed, and is opened again when the page asks for it
const wanted = () => (holders.length && !ended ? number : 0);

/** @type {AvayaCCaaSChatSDK.PageIterator<Message> | undefined} of the chat's history */
let history;
/** @type {Promise<void> | undefined} while an older page of it is read */
let older;
/** @type {ReturnType<typeof setTimeout> | undefined} until the next request for a token */
let timer;
let pause = FIRST_PAUSE;

/** @type {State} */
const none = {
  session: { status: "opening", error: undefined, failure: undefined, user: undefined, reopen },
  chat: { engagement: undefined, status: undefined, participants: [], error: undefined, start, retry },
  log: { messages: [], hasOlder: false, error: undefined, send, loadOlder },
};
let state = none;
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * Changes parts of the state, and notifies the components.
 * @param {{ session?: Partial<ChatSession>, chat?: Partial<ChatEngagement>, log?: Partial<ChatMessages> }} changes
 */
const set = ({ session, chat, log }) => {
  state = {
    session: session ? assign({}, state.session, session) : state.session,
    chat: chat ? assign({}, state.chat, chat) : state.chat,
    log: log ? assign({}, state.log, log) : state.log,
  };
  for (const listener of listeners) listener();
};

/** @param {typeof history} to */
const setHistory = (to) => {
  history = to;
  older = undefined;
};

/** Shows nothing: of a session there is none, or not yet. */
const reset = () => {
  setHistory(undefined);
  set(none);
};

/**
 * What was thrown or rejected with, as an error: a page's own functions may throw anything.
 * @param {unknown} e
 */
const errorOf = (e) => (e instanceof Error ? e : new Error(String(e)));

// The chat.

/** Shows what has changed of the chat itself. */
const changed = () => {
  const { engagement } = state.chat;
  if (engagement) set({ chat: { status: engagement.engagementStatus, participants: engagement.participants } });
};

/**
 * Adds messages, of which some may be there: answer, event and history have the same ones.
 * @param {readonly Message[]} list
 */
const add = (list) => {
  const byIndex = new Map(state.log.messages.concat(list).map((message) => [message.messageIndex, message]));
  set({ log: { messages: [...byIndex.values()].sort((a, b) => a.messageIndex - b.messageIndex) } });
};

/**
 * Shows a chat, and its newest messages.
 * @param {Engagement} engagement
 * @param {boolean} join whether this session must still enter it
 */
const enter = async (engagement, join) => {
  const isShown = () => opened && state.chat.engagement === engagement;
  setHistory(undefined);
  const isSame = state.chat.engagement === engagement; // what is shown of it stays
  set({ chat: assign({}, none.chat, { engagement }), log: isSame ? { error: undefined } : none.log });
  changed();
  try {
    if (join) await engagement.join();
  } catch (e) {
    if (isShown()) set({ chat: { error: errorOf(e) } });
    return;
  }
  try {
    const newest = await engagement.getMessages(PAGE);
    if (!isShown()) return;
    setHistory(newest);
    add(newest.items);
    set({ log: { hasOlder: newest.hasPrevious() } });
  } catch (e) {
    if (isShown()) set({ log: { error: errorOf(e) } });
  }
};

/** @type {ChatEngagement["start"]} */
async function start(parameters) {
  const engagement = await sdk.createEngagement(parameters);
  enter(engagement, false); // it is PENDING until ENGAGEMENT_ACTIVE comes
  return engagement;
}

/** @type {ChatEngagement["retry"]} */
function retry() {
  const { chat: { engagement, error }, log } = state;
  // The chat may be joined by now, or have ended.
  if (opened && engagement && (error || log.error)) enter(engagement, Boolean(error) && engagement.engagementStatus === "PENDING");
}

/** @type {ChatMessages["send"]} */
async function send(text, parentMessageId) {
  const { engagement } = state.chat;
  if (!engagement) throw new sdk.ACSException("ACS-313", NOT_ACTIVATED + " - there is no chat: call start first");
  const message = await engagement.sendMessage(text, parentMessageId);
  if (state.chat.engagement === engagement) add([message]);
  return message;
}

/** @param {NonNullable<typeof history>} from */
const readOlder = async (from) => {
  try {
    await from.previous();
    if (from !== history) return;
    add(from.items);
    set({ log: { hasOlder: from.hasPrevious() } });
  } finally {
    if (from === history) older = undefined;
  }
};

async function loadOlder() {
  if (!older && history && history.hasPrevious()) older = readOlder(history);
  await older; // a second call meanwhile asks for nothing more
}

// The session.

/** Gets a new token for the session, and goes on trying until there is one. */
const refresh = async () => {
  const session = opened;
  clearTimeout(timer);
  try {
    const { token } = await holders[holders.length - 1].current[0]();
    if (session !== opened) return;
    sdk.setJwtToken(token);
    pause = FIRST_PAUSE;
    if (state.session.error) set({ session: { error: undefined } });
  } catch (e) {
    if (session !== opened) return;
    set({ session: { error: errorOf(e) } });
    clearTimeout(timer);
    timer = setTimeout(refresh, pause * 1000);
    pause = Math.min(2 * pause, LAST_PAUSE);
  }
};

/** @param {(event: any) => void} handler of events of the chat that is shown */
const ofChat = (handler) => (/** @type {AvayaCCaaSChatSDK.EngagementEvent} */ event) => {
  const { engagement } = state.chat;
  if (engagement && event.engagementId === engagement.engagementId) handler(event);
};
const chatChanged = ofChat(changed);
const messageCame = ofChat((/** @type {Message} */ message) => add([message]));

/** @type {{ [E in keyof AvayaCCaaSChatSDK.EventMap]?: (event: AvayaCCaaSChatSDK.EventMap[E]) => void }} */
const handlers = {
  TOKEN_EXPIRY_REMINDER: refresh,
  TOKEN_EXPIRED: refresh,
  EVENT_STREAM_CONNECTED: () => set({ session: { failure: undefined } }),
  EVENT_STREAM_FAILED(failure) {
    set({ session: { failure } });
    if (failure.reason === "FORBIDDEN") refresh();
  },
  ENGAGEMENT_ACTIVE: chatChanged,
  ENGAGEMENT_TERMINATED: chatChanged,
  PARTICIPANT_ADDED: chatChanged,
  PARTICIPANT_DISCONNECTED: chatChanged,
  MESSAGE_ARRIVED: messageCame,
  MESSAGE_DELIVERED: messageCame,
  SHUTDOWN() {
    leave();
    ended = true;
    set({ session: { status: "closed", failure: undefined } });
  },
};

/** Forgets the session, whose later events are not shown. */
const leave = () => {
  opened = 0;
  clearTimeout(timer);
  pause = FIRST_PAUSE;
};

/** @type {Holder | undefined} the holder whose account is waited for */
let asked;
let giveUp = () => {}; // waiting for it

/**
 * Resolves with the session's user, or with undefined where it is no longer wanted.
 * @param {() => boolean} isWanted
 */
const initialize = async (isWanted) => {
  const nothing = {};
  for (let again = true; isWanted();) {
    asked = holders[holders.length - 1];
    const [account, config] = asked.current;
    /** @type {Promise<{}>} */
    const given = new Promise((resolve) => {
      giveUp = () => resolve(nothing);
    });
    const params = await Promise.race([account(), given]);
    if (params === nothing) continue; // another component may hold the session open
    if (!isWanted()) break;
    try {
      return await sdk.init(params, config);
    } catch (e) {
      // A back end, or a cache before it, may answer with a token that has expired: once more.
      if (!again || /** @type {any} */ (e).code !== "ACS-305") throw e;
      again = false;
    }
  }
};

const open = async () => {
  const session = number;
  const isWanted = () => wanted() === session;
  reset();
  for (const name of /** @type {(keyof typeof handlers)[]} */ (Object.keys(handlers))) {
    sdk.on(name, (/** @type {any} */ event) => {
      if (opened) /** @type {(event: any) => void} */ (handlers[name])(event);
    });
  }
  try {
    const user = await initialize(isWanted);
    if (!user) return;
    opened = session;
    if (!isWanted()) return;
    set({ session: { status: "open", user } });
    const ongoing = user.engagements.find((one) => one.engagementStatus === "ACTIVE") || user.engagements[0];
    if (ongoing) enter(ongoing, ongoing.engagementStatus === "PENDING");
  } catch (e) {
    if (!isWanted()) return;
    ended = true;
    set({ session: { status: "failed", error: errorOf(e) } });
  }
};

const close = async () => {
  leave();
  reset();
  try {
    await sdk.shutdown();
  } catch (_) {
    // It has ended by itself.
  }
};

let agreeing = false;
/** Opens and closes sessions until the one that is wanted is there, and no other. */
const agree = async () => {
  if (agreeing) return;
  agreeing = true;
  await null; // effect, cleanup and effect of StrictMode are one task
  while (opened !== wanted()) await (opened ? close() : open());
  agreeing = false;
};

/** @type {ChatSession["reopen"]} */
function reopen() {
  ended = false;
  agree();
}

/**
 * Holds the session open; returns what lets it go.
 * @param {Holder} holder
 */
const hold = (holder) => {
  if (!holders.length) {
    ended = false;
    if (holder !== lastHolder) number++;
  }
  holders.push(holder);
  agree();
  return () => {
    holders.splice(holders.indexOf(holder), 1);
    if (!holders.length) {
      lastHolder = holder;
      Promise.resolve().then(() => {
        lastHolder = undefined; // what comes later may be the same component with another customer
      });
    }
    if (holder === asked) giveUp();
    agree();
  };
};

// The hooks.

/** @param {() => void} listener */
const subscribe = (listener) => {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
};

/**
 * @template {keyof State} P
 * @param {P} part of the state
 * @returns {State[P]}
 */
const usePart = (part) => useSyncExternalStore(subscribe, () => state[part], () => none[part]);

/** @type {Hooks["useChatSession"]} */
export const useChatSession = (account, config) => {
  const holder = useRef(/** @type {any} */ (undefined));
  useEffect(() => {
    holder.current = [account, config];
  });
  const isHolder = Boolean(account);
  useEffect(() => (isHolder ? hold(holder) : undefined), [isHolder]);
  return usePart("session");
};

/** @type {Hooks["useEngagement"]} */
export const useEngagement = () => usePart("chat");

/** @type {Hooks["useMessages"]} */
export const useMessages = () => usePart("log");
