// Text that a user has typed, before it is sent.

/**
 * The text, with U+FFFD in place of each half of a surrogate pair: what is left of an emoji that
 * was cut in two. A browser writes such a half into JSON as an escape, which no server that
 * takes UTF-8 can read; everywhere else where text becomes UTF-8 it does the same as this.
 * @type {(text: string & { toWellFormed?: () => string }) => string}
 */
export const wellFormed = (text) =>
  // Before 2023 browsers have no toWellFormed.
  text.toWellFormed ? text.toWellFormed() : text.replace(/\p{Surrogate}/gu, "\uFFFD");

/**
 * The beginning of a text, of at most so many UTF-16 code units, that cuts no pair in two.
 * @param {string} text
 * @param {number} length
 */
export const beginning = (text, length) => text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
