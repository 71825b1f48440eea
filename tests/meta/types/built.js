// Tells what the built SDK has, in the form in which declared.mjs tells what is declared.
// It runs before the SDK's script.

// A page whose clock can be put forward, as a laptop's that slept.
let skew = 0;
window.Date = class Date extends window.Date {
  constructor(...args) {
    super(...(args.length ? args : [Date.now()]));
  }
  static now() {
    return super.now() + skew;
  }
};
const sleep = (seconds) => {
  skew += seconds * 1000;
  window.dispatchEvent(new Event("online"));
};

// Of each path: how often it was there, its kinds, and its texts.
const paths = {};

const kindOf = (value) => {
  if (value instanceof Date) return "Date";
  return Array.isArray(value) ? "array" : typeof value;
};

const record = (path, value) => {
  const kind = kindOf(value);
  const known = (paths[path] = paths[path] || { count: 0, kinds: [], texts: [] });
  known.count++;
  if (!known.kinds.includes(kind)) known.kinds.push(kind);
  if (kind === "string" && !known.texts.includes(value)) known.texts.push(value);
  if (kind === "array") value.forEach((element) => record(path + "[]", element));
  if (kind === "object") members(path, value);
};

// Own members, and those of the classes, up to what the language has of itself. The
// path is not looked at itself.
const members = (path, value) => {
  const names = new Set();
  const native = [Object, Error, Promise].map((c) => c.prototype);
  for (let o = value; o && !native.includes(o); o = Object.getPrototypeOf(o)) {
    for (const key of Reflect.ownKeys(o)) if (key !== "constructor") names.add(key);
  }
  for (const key of names) record(path + "." + (typeof key === "symbol" ? "[" + key.description + "]" : key), value[key]);
};

// What a test waits for: the next event of a type that was not waited for yet.
const events = {};
const onEvent = (type, payload) => {
  record(type, payload);
  events[type] = events[type] || { come: [], waiting: [] };
  const waiting = events[type].waiting.shift();
  if (waiting) waiting(payload);
  else events[type].come.push(payload);
};
const event = (type) => {
  events[type] = events[type] || { come: [], waiting: [] };
  return new Promise((resolve) => {
    if (events[type].come.length) resolve(events[type].come.shift());
    else events[type].waiting.push(resolve);
  });
};

const base64url = (object) => btoa(JSON.stringify(object)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
// The stand-in gateway verifies nothing.
const token = (seconds) =>
  [{}, { sub: "c1", integrationId: ACCOUNT, customerName: "Ann", exp: Math.floor(Date.now() / 1000) + seconds }].map(base64url).join(".") + ".c2ln";
const ACCOUNT = "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11";

// Every event once, and every object.
window.live = async () => {
  const sdk = window.AvayaCCaaSChatSDK;
  record("SDK", sdk);
  for (const type of Object.keys(sdk.EventType)) sdk.on(type, (payload) => onEvent(type, payload));

  const user = await sdk.init({ hostURL: location.origin, integrationId: ACCOUNT, appkey: "key", token: token(3600), sessionParameters: { model: "ABC-123" } });
  await event("INITIALIZED");
  record("UserContext", user);
  record("Engagement", user.engagements[0]);

  const engagement = await sdk.createEngagement();
  await event("ENGAGEMENT_ACTIVE");
  await event("PARTICIPANT_ADDED");
  record("Engagement", engagement);
  const promise = sdk.getEngagementById(engagement.engagementId);
  paths["getEngagementById()"] = { count: 1, kinds: ["object"], texts: [] };
  members("getEngagementById()", promise);
  if ((await promise) !== engagement) throw new Error("another engagement");

  const first = await engagement.sendMessage("a question");
  record("Message", first);
  record("Message", await engagement.sendMessage("more of it", first.messageId));
  await event("MESSAGE_DELIVERED");
  await event("MESSAGE_DELIVERED");
  // The agent comes, answers both, and goes.
  await event("MESSAGE_ARRIVED");
  await event("MESSAGE_ARRIVED");
  await event("PARTICIPANT_DISCONNECTED");
  await event("ENGAGEMENT_ERROR");
  const iterator = await engagement.getMessages(3);
  record("PageIterator", iterator);
  record("PageIterator", await iterator.previous());
  await engagement.disconnect();
  await event("ENGAGEMENT_TERMINATED");

  sleep(301);
  await event("IDLE_TIMEOUT_EXPIRED");
  sdk.resetTimer();
  sdk.on("IDLE_TIMEOUT", (payload) => onEvent("IDLE_TIMEOUT", payload));
  sleep(301);
  await event("IDLE_TIMEOUT");
  sdk.resetIdleTimeout();

  sdk.setJwtToken(token(100));
  await event("TOKEN_EXPIRY_REMINDER");
  sleep(101);
  await event("TOKEN_EXPIRED");
  await event("EVENT_STREAM_FAILED");
  sdk.setJwtToken(token(3600));
  await event("EVENT_STREAM_CONNECTED");

  await sdk.shutdown();
  await event("SHUTDOWN");
  record("ACSException", new sdk.ACSException("ACS-310", "with a cause", new Error("why")));
  record("ACSException", await engagement.join().then(() => null, (e) => e));
  return paths;
};

// The event names that the SDK has no warning for.
window.accepted = (names) => {
  const sdk = window.AvayaCCaaSChatSDK;
  const { warn } = console;
  let warned = false;
  console.warn = () => (warned = true);
  sdk.setLogLevel("WARN");
  const known = names.filter((name) => {
    warned = false;
    sdk.on(name, () => {});
    if (!warned) sdk.off(name);
    return !warned;
  });
  console.warn = warn;
  sdk.setLogLevel("ERROR");
  return known;
};
