// The shim's end of the contract between bridge (Go) and shim (JavaScript), which wasm/contract.go
// defines. Every call of the bridge goes through this module, and its types say what crosses.

import { ACSException, inProgress, initFailed, notInitialized } from "./errors.js";
import { Error, Map, Promise, parse } from "./realm.js";

/**
 * What each command takes, and what its call is settled with. Arguments of the page's are
 * unknown: the bridge checks them.
 * @typedef {{
 *   init(params: string | undefined, config: string | undefined): UserRecord,
 *   shutdown(reason: unknown): void,
 *   createEngagement(parameters: string | undefined): EngagementRecord,
 *   getEngagements(): EngagementRecord[],
 *   getEngagementById(engagementId: unknown): EngagementRecord | undefined,
 *   join(engagementId: string): EngagementRecord,
 *   disconnect(engagementId: string, reason: unknown): EngagementRecord,
 *   sendMessage(engagementId: string, text: unknown, parentMessageId: unknown): MessageRecord,
 *   getMessages(engagementId: string, pageSize: unknown, delivered: number | undefined): PageRecord,
 *   turn(cursor: string, to: "older" | "newer"): PageRecord,
 * }} Calls
 *
 * The commands that are over when they return.
 * @typedef {{
 *   setJwtToken(token: unknown): void,
 *   resetIdleTimeout(): void,
 *   retryConnection(): void,
 *   setLogLevel(level: AvayaCCaaSChatSDK.LogLevel): void,
 *   wake(kind: "visible" | "online" | "offline" | "away"): void,
 *   drained(): void,
 * }} Immediate
 *
 * The bridge's command function. It returns undefined or null, or the text of an ErrorRecord.
 * @typedef {(op: keyof Calls | keyof Immediate, id: number, ...args: unknown[]) => string | null | undefined} Command
 *
 * What the bridge finds as the member shim of Go's global.
 * @typedef {{
 *   deliver(list: string): boolean,
 *   bound(f: (id: number, value: unknown) => unknown, id: number): (value: unknown) => unknown,
 *   started(build: string, command: Command): void,
 * }} Shim
 *
 * The elements of the list that deliver gets.
 * @typedef {{ log: AvayaCCaaSChatSDK.LogLevel, line: string, event?: undefined }} LogItem
 * @typedef {{ settle: number, value?: any, error?: ErrorRecord | Error, log?: undefined, event?: undefined }} Settlement
 * @typedef {{ event: "INITIALIZED", payload: UserRecord, engagement?: undefined, log?: undefined, settle?: undefined }} InitializedItem
 * @typedef {{
 *   event: Exclude<AvayaCCaaSChatSDK.EventType, "INITIALIZED"> | "", payload: object, engagement?: EngagementRecord,
 *   log?: undefined, settle?: undefined,
 * }} EventItem
 * @typedef {LogItem | Settlement | InitializedItem | EventItem} Item
 *
 * Times cross as numbers, milliseconds since 1970: a record is an object of the page's before
 * its times become Dates.
 * @typedef {{ code: string, message: string, cause?: string }} ErrorRecord
 * @typedef {Recorded<Pick<AvayaCCaaSChatSDK.Engagement, "engagementId" | "dialogId" | "engagementStatus" | "createdAt" | "lastUpdatedAt" | "participants">>} EngagementRecord
 * @typedef {Recorded<AvayaCCaaSChatSDK.Message>} MessageRecord
 * @typedef {{ displayName?: string, engagements: EngagementRecord[], sessionParameters?: AvayaCCaaSChatSDK.MappedData }} UserRecord
 * @typedef {{ items: MessageRecord[], hasPrevious: boolean, hasNext: boolean, size: number, cursor: string }} PageRecord
 */

/**
 * @template T
 * @typedef {{ [K in keyof T]: T[K] extends Date ? number : T[K] }} Recorded
 */

export const CORE_ENDED = "the SDK's core ended unexpectedly, call init again";

/** The running core's command; null: none is running. */
export let core = /** @type {Command | null} */ (null);
/** Whether init waits for the core, which may be there before init goes on. */
export let starting = false;

/** @param {boolean} is */
export const setStarting = (is) => {
  starting = is;
};

/** @param {Command | null} command */
export const setCore = (command) => {
  core = command;
};

/** @type {Map<number, { _resolve(value: any): void, _reject(e: Error): void, _read(value: any): unknown }>} */
const pending = new Map(); // calls by id
let lastId = 0;

/** Returns the ids of the calls that are not settled. */
export const pendingIds = () => pending.keys();

/** @param {ErrorRecord} e */
const errorOf = (e) => new ACSException(e.code, e.message, e.cause && new Error(e.cause));

/**
 * Calls the core. Resolves with what read makes of the value that the call is settled with.
 * @template {keyof Calls} Op, R
 * @param {Op} op
 * @param {Parameters<Calls[Op]>} args
 * @param {(value: ReturnType<Calls[Op]>) => R} read
 * @returns {Promise<R>}
 */
export const call = (op, args, read) => new Promise((resolve, reject) => {
  if (starting) throw inProgress();
  if (!core) throw notInitialized();
  const id = ++lastId;
  pending.set(id, { _resolve: resolve, _reject: reject, _read: read });
  const refused = core(op, id, ...args);
  if (refused) settle({ settle: id, error: parse(refused) });
});

/**
 * Calls the core for a function that returns void, and so throws where a promise would reject.
 * @template {keyof Immediate} Op
 * @param {Op} op
 * @param {Parameters<Immediate[Op]>} args
 */
export const execute = (op, ...args) => {
  if (starting) throw inProgress();
  if (!core) throw notInitialized();
  const refused = core(op, 0, ...args);
  if (refused) throw errorOf(parse(refused));
  if (!core) throw initFailed(CORE_ENDED);
};

/**
 * Gives the core a command whose outcome nobody awaits, if there is a core.
 * @template {keyof Immediate} Op
 * @param {Op} op
 * @param {Parameters<Immediate[Op]>} args
 */
export const notify = (op, ...args) => {
  if (core) core(op, 0, ...args);
};

/** @param {Settlement} item */
export const settle = ({ settle: id, value, error }) => {
  const waiter = pending.get(id);
  if (!waiter) return;
  pending.delete(id);
  if (error) waiter._reject(error instanceof Error ? error : errorOf(error));
  else waiter._resolve(waiter._read(value));
};
