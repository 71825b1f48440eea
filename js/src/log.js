// Log lines on the page's console.

import { LogLevel } from "./enums.js";
import { ownKeys } from "./realm.js";

/** @typedef {AvayaCCaaSChatSDK.LogLevel} Level */

/** The levels by severity: what is logged are the lines of this level and of those after it. */
const levels = ownKeys(LogLevel);

/** The least level that is logged. */
export let level = /** @type {Level} */ ("ERROR");

/** @param {Level} to */
export const setLevel = (to) => {
  level = to;
};

/**
 * Reports whether a value, which may be a page's, is a level.
 * @param {unknown} value
 * @returns {value is Level}
 */
export const isLevel = (value) => levels.indexOf(/** @type {string} */ (value)) >= 0;

/**
 * Writes a line, whatever the level is.
 * @param {Level} at
 * @param {unknown[]} what
 */
export const print = (at, ...what) => {
  console[/** @type {"debug" | "info" | "warn" | "error"} */ (at.toLowerCase())]("[AvayaCCaaSChatSDK]", ...what);
};

/**
 * Writes a line if its level is logged.
 * @param {Level} at
 * @param {unknown[]} what
 */
export const log = (at, ...what) => {
  if (levels.indexOf(at) >= levels.indexOf(level)) print(at, ...what);
};

const MISTAKES = 50;
/** @type {string[]} */
const mistakes = []; // at most MISTAKES: a page may make names up

/**
 * Writes a line about a developer's mistake: at ERROR the first time, as a warning after that.
 * @param {string} line
 */
export const logMistake = (line) => {
  const known = mistakes.indexOf(line) >= 0 || mistakes.length >= MISTAKES;
  if (!known) mistakes.push(line);
  log(known ? "WARN" : "ERROR", line);
};
