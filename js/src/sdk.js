// The namespace that pages use.

import { call, core, execute, notify, setStarting, starting } from "./bridge.js";
import { start } from "./core.js";
import { enumerations } from "./enums.js";
import { ACSException, fail, inProgress } from "./errors.js";
import { removeHandler, setHandler } from "./handlers.js";
import { loaded, shown } from "./load.js";
import { isLevel, level, log, setLevel } from "./log.js";
import { Promise, assign, freeze, ownKeys, stringify } from "./realm.js";
import { Engagement, defineMembers, engagementOf, session, userOf } from "./session.js";
import { inRootZone } from "./zone.js";

/**
 * Returns an argument as JSON. What JSON would leave out silently stays visible as null, so
 * that the core can name its key; only init's own members may be undefined.
 * @param {unknown} value
 * @param {boolean} optional whether members of the value may be undefined
 * @param {number} code of the error for what JSON cannot express
 * @param {string} text of that error
 * @param {string} detail with which the error's detail begins
 */
const json = (value, optional, code, text, detail) => {
  try {
    return value === undefined ? value : stringify(value, function (_, v) {
      if (v === undefined && optional && this === value) return v;
      return /undefined|function|symbol|bigint/.test(typeof v) ? null : v;
    });
  } catch (e) {
    throw fail(code, text, detail + /** @type {Error} */ (e).message, e);
  }
};

let initializing = false; // a first init runs

/**
 * Calls the core's init. The config's level counts from here on, unless init fails; the core
 * does not know it where the page has set another, or the config's is none.
 * @param {[string | undefined, string | undefined]} args
 * @param {unknown} chosen the config's level
 */
const initialize = (args, chosen) => {
  const before = level;
  const first = !initializing && !session._user;
  if (first) {
    if (isLevel(chosen)) setLevel(chosen);
    log("DEBUG", loaded);
  }
  const user = call("init", args, userOf);
  notify("setLogLevel", level);
  if (first) {
    initializing = true;
    user.catch(() => {
      if (level === chosen) setLevel(before);
      notify("setLogLevel", level);
    }).then(() => {
      initializing = false;
    });
  }
  return user;
};

/** @type {Omit<AvayaCCaaSChatSDK.SDK, keyof typeof enumerations>} */
const members = {
  init(params, config) {
    /** @type {Parameters<typeof initialize>[0]} */
    let args;
    try {
      args = [json(params, true, 302, "Invalid init parameters", ""), json(config, true, 303, "Invalid configuration values", "")];
    } catch (e) {
      return Promise.reject(e);
    }
    const chosen = config && config.logLevel;
    if (starting) return Promise.reject(inProgress());
    if (core) return initialize(args, chosen);
    setStarting(true);
    const started = inRootZone(() => shown().then(start));
    const over = () => setStarting(false);
    started.then(over, over);
    return started.then(() => initialize(args, chosen));
  },
  on: setHandler,
  off: removeHandler,
  createEngagement(engagementParameters) {
    let text;
    try {
      text = json(engagementParameters, false, 322, "Constraint Violation Error", "engagementParameters: ");
    } catch (e) {
      return Promise.reject(e);
    }
    return call("createEngagement", [text], engagementOf);
  },
  getEngagements: () => call("getEngagements", [], (list) => list.map(engagementOf)),
  getEngagementById(id) {
    const found = call("getEngagementById", [id], (record) => record && engagementOf(record));
    const known = core && session._engagements.get(id);
    if (!known) return /** @type {any} */ (found);
    // Used without await (NS-6), it is the engagement; nobody then looks at the promise.
    found.catch(() => {});
    const object = known._object;
    /** @type {Record<PropertyKey, () => unknown>} */
    const members = {};
    for (const name of ownKeys(object)) members[name] = () => /** @type {any} */ (object)[name];
    return defineMembers(found, members, {});
  },
  setJwtToken: (token) => execute("setJwtToken", token),
  resetIdleTimeout: () => execute("resetIdleTimeout"),
  resetTimer: () => execute("resetIdleTimeout"),
  retryConnection: () => execute("retryConnection"),
  setLogLevel(to) {
    if (!isLevel(to)) throw fail(303, "logLevel must be DEBUG, INFO, WARN, ERROR or OFF");
    setLevel(to);
    notify("setLogLevel", to);
  },
  shutdown: (reason) => call("shutdown", [reason], () => {}),
  version: () => VERSION,

  ACSException: /** @type {any} */ (ACSException),
  Engagement: /** @type {any} */ (Engagement),
};

/** @type {AvayaCCaaSChatSDK.SDK} */
export const sdk = assign(members, enumerations);

for (const o of [ACSException, Engagement, sdk]) freeze(o);
