// What pages hold of a session: the user, engagements, and iterators over history.

import { call } from "./bridge.js";
import { hidden, notInitialized } from "./errors.js";
import { Date, Map, Promise, assign, defineProperty, ownKeys } from "./realm.js";

/** @typedef {AvayaCCaaSChatSDK.Engagement} PageEngagement */
/** @typedef {import("./bridge.js").EngagementRecord} EngagementRecord */
/** @typedef {import("./bridge.js").PageRecord} PageRecord */

/**
 * What is known of an engagement. _delivered is the messageIndex of the last message that was given
 * to its handler: history does not hold what still waits in the queue (PAGE-3).
 * @typedef {{ _record: EngagementRecord, _object: PageEngagement, _delivered?: number }} Known
 */

/**
 * _engagements are by id; _user is null until init is over.
 * @returns {{
 *   _engagements: Map<string, Known>,
 *   _user: AvayaCCaaSChatSDK.UserContext | null,
 * }}
 */
const newSession = () => ({ _engagements: new Map(), _user: null });

/** The session whose objects are alive. */
export let session = newSession();

/** Makes all objects of the session things of the past (SHUT-2). */
export const endSession = () => {
  session = newSession();
};

const DATES = /** @type {const} */ (["eventDate", "expiryDate", "expiredDate", "receivedAt", "lastUpdatedAt", "createdAt"]);

/**
 * Turns the times of a delivered object into Dates, in place.
 * @type {<T extends object>(object: T) => { [K in keyof T]: K extends (typeof DATES)[number] ? Date : T[K] }}
 */
export const withDates = (/** @type {any} */ object) => {
  for (const key of DATES) {
    if (typeof object[key] === "number") object[key] = new Date(object[key]);
  }
  return object;
};

/**
 * Returns the user's context: INITIALIZED and init's promise give the very same object (INIT-7).
 * @param {import("./bridge.js").UserRecord} record
 * @returns {AvayaCCaaSChatSDK.UserContext}
 */
export const userOf = (record) => {
  if (!session._user) session._user = assign(record, { engagements: record.engagements.map(engagementOf) });
  return session._user;
};

/**
 * Defines members as pages need them: own and enumerable, so that {...engagement} has them
 * all, and data as accessors, so that it stays live.
 * @param {object} object
 * @param {Record<PropertyKey, () => unknown>} data
 * @param {Record<PropertyKey, Function>} methods
 * @returns {any} the object
 */
export const defineMembers = (object, data, methods) => {
  for (const name of ownKeys(data)) {
    defineProperty(object, name, { __proto__: null, enumerable: true, configurable: true, get: data[name] });
  }
  for (const name of ownKeys(methods)) {
    defineProperty(object, name, { __proto__: null, enumerable: true, configurable: true, writable: true, value: methods[name] });
  }
  return object;
};

export class Engagement {
  constructor() {
    throw new TypeError("Illegal constructor: use createEngagement");
  }
}

const DATA = /** @type {const} */ (["engagementId", "dialogId", "engagementStatus", "createdAt", "lastUpdatedAt"]);

/**
 * Returns the engagement of a record, which is the same object for as long as the session
 * lasts, and shows the newest record.
 * @param {EngagementRecord} record
 * @returns {PageEngagement}
 */
export const engagementOf = (record) => {
  withDates(record);
  const id = record.engagementId;
  const known = session._engagements.get(id);
  if (known) {
    assign(known._record, record);
    return known._object;
  }
  const object = newEngagement(record);
  session._engagements.set(id, { _record: record, _object: object });
  return object;
};

/**
 * @param {EngagementRecord} record
 * @returns {PageEngagement}
 */
const newEngagement = (record) => {
  const mine = session;
  const id = record.engagementId;
  /** @type {typeof call} */
  const act = (op, args, read) => (mine === session ? call(op, args, read) : Promise.reject(notInitialized()));
  /** @type {Record<string, () => unknown>} */
  const data = {};
  for (const name of DATA) data[name] = () => record[name];
  // Each read gives an array of its own: pages sort and reverse it in place.
  data.participants = () => record.participants.slice();
  return defineMembers({ __proto__: Engagement.prototype }, data, {
    getParticipants: data.participants,
    /** @param {unknown} id */
    getParticipantById: (id) => record.participants.find((p) => p.participantId === id),
    join: () => act("join", [id], engagementOf),
    /** @param {unknown} reason */
    disconnect: (reason) => act("disconnect", [id, reason], (changed) => {
      engagementOf(changed);
    }),
    /** @param {unknown} text @param {unknown} parentMessageId */
    sendMessage: (text, parentMessageId) => act("sendMessage", [id, text, parentMessageId], withDates),
    /** @param {unknown} pageSize */
    getMessages: (pageSize) => act("getMessages", [id, pageSize, /** @type {Known} */ (mine._engagements.get(id))._delivered], (page) => newPageIterator(page, mine)),
  });
};

/**
 * @param {PageRecord} page at which the iterator stands
 * @param {typeof session} mine the session in which it was made
 * @returns {AvayaCCaaSChatSDK.PageIterator<AvayaCCaaSChatSDK.Message>}
 */
const newPageIterator = (page, mine) => {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  /** @param {PageRecord} next */
  const show = (next) => {
    next.items.forEach(withDates);
    page = next;
    return iterator;
  };
  // Two moves at once run one after the other (PAGE-4).
  /** @param {"older" | "newer"} to */
  const move = (to) => {
    const moved = last.then(() => {
      if (mine !== session) throw notInitialized();
      return call("turn", [page.cursor, to], show);
    });
    last = moved.catch(() => {});
    return moved;
  };
  const hasPrevious = () => page.hasPrevious;
  const iterator = defineMembers({}, { items: () => page.items.slice() }, {
    getPageSize: () => page.size,
    hasPrevious,
    hasNext: () => page.hasNext,
    previous: () => move("older"),
    next: () => move("newer"),
  });
  defineProperty(iterator, Symbol.asyncIterator || "@@asyncIterator", hidden(() => ({ next: newWalk(iterator, hasPrevious) })));
  return show(page);
};

/**
 * Returns the function next of a walk over the items of the iterator's page, then of each
 * older one, as it moves there.
 * @param {AvayaCCaaSChatSDK.PageIterator<AvayaCCaaSChatSDK.Message>} iterator
 * @param {() => boolean} hasPrevious
 */
const newWalk = (iterator, hasPrevious) => {
  let begun = false;
  return async () => {
    if (begun) {
      if (!hasPrevious()) return { value: undefined, done: true };
      await iterator.previous();
    }
    begun = true;
    return { value: iterator.items, done: false };
  };
};
