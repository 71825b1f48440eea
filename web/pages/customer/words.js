// Everything that the customer reads about the state of the chat: one table with a row for
// each state. widget.js shows the rows, main.js chooses them.

import { clockTime, counted, dayName } from "../desk/shared/words.js";

/** The name in the header while nobody of the shop is in the chat. */
export const SHOP = "The workshop";

/** As a title: the names of the agents in the chat, or those who were last in it, or SHOP. */
export const AGENTS = Symbol("agents");

/**
 * @typedef {{ began?: Date, count?: number, seconds?: number }} Values what a state depends on
 * @typedef {string | ((values: Required<Values>) => string)} Word
 * @typedef {{ title: string | symbol, status: Word, text?: Word, button?: Word, other?: Word, keepsForm?: boolean }} Row
 * @typedef {keyof typeof STATES} State
 */

/**
 * @template {string} S
 * @param {Record<S, Row>} rows
 */
const table = (rows) => rows;

/**
 * The states. `title` and `status` are the header's two lines, `text` is the sentence about
 * the state, `button` what the customer can do about it, `other` the second thing they can do.
 * A value may be a function of what the state depends on. A member that is missing or "" is
 * not shown. `keepsForm`: a form that could not be sent off stays, with the button's words.
 */
export const STATES = table({
  // The first screen
  start: { title: SHOP, status: "We usually reply in a few minutes", button: "Start chat" },
  starting: { title: SHOP, status: "Connecting…", button: "Connecting…" },
  looking: { title: SHOP, status: "One moment…", text: "Looking for your chat…" },
  elsewhere: {
    title: SHOP,
    status: "You have an open chat",
    text: ({ began }) => `You have a chat in another window or on another device. It began ${when(began)}.`,
    button: "Continue here",
    other: "Start a new chat instead",
  },
  unreachable: {
    title: SHOP,
    status: "Not connected",
    text: "We can't reach the chat. Check your internet connection, then try again.",
    button: "Try again",
    keepsForm: true,
  },
  refused: {
    title: SHOP,
    status: "The chat is not available",
    text: "We could not sign you in to the chat. Reload the page to try once more.",
    button: "Reload the page",
  },
  notLoaded: {
    title: SHOP,
    status: "The chat is not available",
    text: "The chat could not be loaded. Reload the page to try once more.",
    button: "Reload the page",
  },
  gone: {
    title: SHOP,
    status: "We usually reply in a few minutes",
    text: "That chat has ended in the meantime.",
    button: "Start a new chat",
  },
  failed: {
    title: SHOP,
    status: "Not connected",
    text: "The chat could not be opened. Try again in a moment.",
    button: "Try again",
    keepsForm: true,
  },

  // Who is in the chat
  waiting: { title: SHOP, status: "Someone will be with you soon" },
  assisted: { title: SHOP, status: "Finding someone…" },
  helped: { title: AGENTS, status: ({ count }) => (count > 1 ? "are here for you" : "is here for you") },
  agentLeft: { title: SHOP, status: "Finding someone else…" },

  // The connection
  connecting: { title: AGENTS, status: "Connecting…" },
  reconnecting: {
    title: AGENTS,
    status: "Reconnecting…",
    text: ({ seconds }) => (seconds > 0 ? `Connection lost. Next try in ${seconds} s.` : "Connection lost. Trying again…"),
    button: ({ seconds }) => (seconds > 0 ? "Try now" : ""),
  },
  signingIn: { title: AGENTS, status: "Reconnecting…", text: "One moment, we are signing you in again…" },
  gaveUp: {
    title: AGENTS,
    status: "Not connected",
    text: "We could not reconnect you. Check your internet connection, then try again.",
    button: "Try again",
  },

  // The chat, or this window's part in it, is over
  idle: {
    title: AGENTS,
    status: "Are you still there?",
    text: ({ seconds }) => `Are you still there? We pause the chat in ${counted(seconds, "second")}.`,
    button: "I'm still here",
  },
  paused: {
    title: AGENTS,
    status: "Chat paused",
    text: "We paused the chat because you were away. Nothing is lost.",
    button: "Continue the chat",
  },
  disconnected: {
    title: AGENTS,
    status: "Not connected",
    text: "The connection to this chat was closed. Nothing is lost.",
    button: "Continue the chat",
  },
  continuing: { title: AGENTS, status: "Connecting…", text: "Taking you back to the chat…", button: "One moment…" },
  ended: {
    title: AGENTS,
    status: "Chat ended",
    text: "This chat has ended. Thank you for talking to us.",
    button: "Start a new chat",
  },
  endedAway: {
    title: AGENTS,
    status: "Chat ended",
    text: "The chat ended while you were away.",
    button: "Start a new chat",
  },
});

/**
 * The words of a state: {title, status, text, button, other, keepsForm}, "" for what it does not have.
 * @param {State} state
 * @param {Values} [values] those that what is read depends on
 */
export function wordsOf(state, values) {
  const row = STATES[state];
  /** @param {Word} [word] */
  const said = (word = "") => (typeof word === "function" ? word(/** @type {Required<Values>} */ (values)) : word);
  // Getters: whoever wants the status only need not give what the text depends on.
  return {
    get title() { return row.title; },
    get status() { return said(row.status); },
    get text() { return said(row.text); },
    get button() { return said(row.button); },
    get other() { return said(row.other); },
    keepsForm: row.keepsForm ?? false,
  };
}

/**
 * The state of the first screen after opening a session or entering a chat has failed.
 * @param {unknown} error
 * @returns {State}
 */
export function failureOf(error) {
  switch (codeOf(error)) {
    case "ACS-306":
    case "UNREACHABLE": // backend.js
      return "unreachable";
    case "ACS-311":
    case "NOT_LOADED": // session.js
      return "notLoaded";
    case "ACS-302":
    case "ACS-305":
    case "ACS-307":
    case "ACS-308":
      return "refused";
    case "ACS-312":
    case "ACS-314":
      return "gone";
    default:
      return "failed";
  }
}

/**
 * The state of the connection after EVENT_STREAM_FAILED.
 * @param {AvayaCCaaSChatSDK.EventStreamFailed} event
 * @returns {State}
 */
export function connectionOf(event) {
  switch (event.reason) {
    case "UNAUTHORIZED":
    case "FORBIDDEN":
      return "signingIn";
    case "RECONNECTION_TIMEOUT":
      return "gaveUp";
    default:
      return "reconnecting";
  }
}

/** @param {unknown} error of the SDK, or of our own server */
const codeOf = (error) => /** @type {{ code?: string } | undefined} */ (error)?.code;

/**
 * Why something in an open chat did not work, and what to do.
 * @param {unknown} error
 */
export function explain(error) {
  switch (codeOf(error)) {
    case "ACS-306":
    case "UNREACHABLE":
      return "We can't reach the chat. Check your internet connection, then try again.";
    case "ACS-305":
      return "We could not sign you in to the chat. Reload the page, then try again.";
    case "ACS-310":
    case "ACS-313":
      return "You are not in this chat any more. Continue the chat, then try again.";
    case "ACS-312":
    case "ACS-314":
      return "This chat has ended.";
    case "ACS-316":
    case "ACS-317":
      return "Earlier messages could not be loaded. Try again.";
    case "ACS-322":
      return "This message cannot be sent as it is. Shorten it, then try again.";
    default:
      return "That did not work. Try again in a moment.";
  }
}

/** The first words of an ENGAGEMENT_ERROR: what it says of itself is for engineers. */
export const TROUBLE = "Something went wrong in this chat. If nobody answers, please start a new one.";

/**
 * "today at 14:03", "on Monday, 3 March at 14:03"
 * @param {Date} date
 */
function when(date) {
  const day = dayName(date);
  return `${/^(Today|Yesterday)$/.test(day) ? day.toLowerCase() : `on ${day}`} at ${clockTime(date)}`;
}
