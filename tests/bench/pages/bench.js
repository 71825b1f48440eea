"use strict";
// What the pages of the bench share. Go drives it.

const bench = {};

// The wasm's memory is seen from outside only while it is started.
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (...args) => {
  const instance = await instantiate(...args);
  bench.memory = instance.exports.mem;
  return instance;
};

// ---- Messages: each client calls hit with every message.

let times = new Float64Array(0), count = 0, done = null;
bench.hit = () => {
  times[count++] = performance.now();
  if (count === times.length) done();
};
bench.expect = (n) => {
  times = new Float64Array(n);
  count = 0;
  bench.all = new Promise((resolve) => (done = resolve));
};
// received resolves with the times at which the expected messages were there.
bench.received = () => bench.all.then(() => Array.from(times));

const opened = (socket) => new Promise((resolve, reject) => {
  socket.onopen = resolve;
  socket.onerror = () => reject(new Error(socket.url + " cannot be opened"));
});
const wsURL = (url) => url.replace("http", "ws");

// What to add to performance.now() for the server's clock: the round trip that took
// least tells best.
bench.clockOffset = async () => {
  const socket = new WebSocket(wsURL(location.origin) + "/clock");
  await opened(socket);
  let least = Infinity, offset = 0;
  for (let i = 0; i < 100; i++) {
    const answer = new Promise((resolve) => (socket.onmessage = (e) => resolve([performance.now(), +e.data])));
    const asked = performance.now();
    socket.send("?");
    const [answered, server] = await answer;
    if (answered - asked < least) {
      least = answered - asked;
      offset = server - (answered + asked) / 2;
    }
  }
  socket.close();
  return offset;
};

// ---- The clients

bench.connect = {
  async ours(url, params) {
    const sdk = window.AvayaCCaaSChatSDK;
    sdk.on("MESSAGE_ARRIVED", bench.hit);
    await sdk.init(params, { idleTimeout: 0 });
    bench.engagement = await sdk.createEngagement();
  },

  // As little as a page can do itself.
  async raw(url) {
    const socket = new WebSocket(wsURL(url) + "/raw");
    const handlers = { MESSAGES: bench.hit };
    await opened(socket);
    const hear = (text) => {
      const frame = JSON.parse(text);
      if (frame.type !== "event") return;
      const event = frame.event;
      event.eventDate = new Date(event.eventDate);
      event.receivedAt = new Date(event.receivedAt);
      event.lastUpdatedAt = new Date(event.lastUpdatedAt);
      const handler = handlers[event.eventType];
      if (handler) handler(event);
    };
    socket.onmessage = (e) => e.data.split("\x1e").forEach(hear);
  },

  async centrifuge(url) {
    const client = new window.peer.Centrifuge(wsURL(url) + "/centrifuge");
    const subscription = client.newSubscription("chat");
    subscription.on("publication", bench.hit);
    subscription.subscribe();
    client.connect();
    await subscription.ready();
  },
};

// ---- Calls

// calls sends messages with sendMessage and, by turns, the same with fetch to another
// chat, and resolves with how long each took, in milliseconds.
bench.calls = async (url, params, n) => {
  const ours = [], raw = [];
  const text = "Good morning, I have a question about my order.";
  for (let i = 0; i < n; i++) {
    let begun = performance.now();
    await bench.engagement.sendMessage(text);
    ours.push(performance.now() - begun);

    begun = performance.now();
    const response = await fetch(url + "/api/digital/chat/v1/engagements/" + bench.engagement.engagementId + "/messages", {
      method: "POST",
      headers: { Authorization: "Bearer " + params.token, appkey: params.appkey, "Content-Type": "application/json" },
      cache: "no-store",
      credentials: "omit",
      body: JSON.stringify({
        sessionId: crypto.randomUUID(),
        dialogId: bench.engagement.dialogId,
        body: { elementType: "text", elementText: { text, textFormat: "PLAINTEXT" } },
        correlationId: crypto.randomUUID(),
      }),
    });
    const message = await response.json();
    if (!message.messageId) throw new Error("no message");
    raw.push(performance.now() - begun);
  }
  return { ours, raw };
};

// history pages backwards through n messages and resolves with how many there were.
bench.history = async (n, pageSize) => {
  let read = 0;
  const page = await bench.engagement.getMessages(pageSize);
  for (;;) {
    read += page.items.length;
    if (read >= n || !page.hasPrevious()) return read;
    await page.previous();
  }
};
