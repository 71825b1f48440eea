// Times and people, as the pages call them: times in the reader's own language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

/**
 * 14:03
 * @param {Date} when
 */
export const clockTime = (when) => clock.format(when);

/**
 * Today, Yesterday, or "Monday, 3 March".
 * @param {Date} when
 */
export function dayName(when, now = new Date()) {
  if (sameDay(when, now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  return sameDay(when, yesterday) ? "Yesterday" : date.format(when);
}

/**
 * Whether two dates fall on one day of the reader's calendar.
 * @param {Date} a
 * @param {Date} b
 */
export const sameDay = (a, b) => a.toDateString() === b.toDateString();

/**
 * 0:42, 12:05, 1:02:09; below zero (clocks differ between machines) counts as 0:00.
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/**
 * "1 message", "3 messages".
 * @param {number} n
 * @param {string} word
 */
export const counted = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/**
 * What participants' types are called.
 * @type {Record<string, string>}
 */
const TYPES = { CUSTOMER: "Customer", AGENT: "Agent", SUPERVISOR: "Supervisor", BOT: "Bot", SYSTEM: "System" };

/**
 * What a participant is called: for want of a name, by the type.
 * @param {string | undefined} name
 * @param {string} type
 */
export const nameOf = (name, type) => name || TYPES[type] || type;
