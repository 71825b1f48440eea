// Random lives of a page whose gateway answers in mixed order. Each has one chat; the page
// sends in all the ways that pages do, the agent talks, people come and go, handlers are
// slow, broken or busy. What must hold: every event once and in order (EV-12, MSG-6), the
// sends in the order of the calls (MSG-3), and each MESSAGE_DELIVERED of a message of
// this page after the page's await went on (MSG-5).
(() => {
  "use strict";
  const sdk = window.AvayaCCaaSChatSDK;
  const gateway = window.mixed;
  const never = new Promise(() => {});
  const generator = (seed) => () => { // mulberry32
    let z = (seed += 0x6d2b79f5);
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
  const task = () => new Promise((resolve) => {
    const c = new MessageChannel();
    c.port1.onmessage = () => { c.port1.close(); resolve(); };
    c.port2.postMessage(0);
  });

  const b64 = (o) => btoa(JSON.stringify(o)).replace(/=/g, "").replace(/\+/g, "-").replace(/\//g, "_");
  const integrationId = "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11";
  const token = b64({}) + "." + b64({ sub: "c1", integrationId, customerName: "Ann", exp: Math.floor(Date.now() / 1000) + 36000 }) + ".c2ln";

  let initialized;
  const life = async (seed, sum) => {
    const r = gateway.random = generator(seed);
    const dice = (n) => Math.floor(r() * n);
    const log = [], failures = [], pending = [];
    const fail = (what) => failures.push("seed " + seed + ": " + what);
    let inHandler = false, inCall = false, ended;
    const over = new Promise((resolve) => (ended = resolve));
    const settled = new Set();

    const called = (f) => {
      const nested = inCall;
      inCall = true;
      try { return f(); } finally { inCall = nested; }
    };
    const calls = [];
    const send = (text) => {
      calls.push(text);
      return called(() => engagement.sendMessage(text));
    };
    const goesOn = (text) => {
      settled.add(text);
      log.push("await " + text);
    };
    let n = 0;
    // Every way of waiting that a page knows; some go through several functions.
    const ways = [
      async (text) => { await send(text); goesOn(text); },
      async (text) => { const inner = async () => send(text); const outer = async () => { const m = await inner(); await null; return m; }; await outer(); await null; await null; goesOn(text); },
      (text) => send(text).then((m) => m).then((m) => Promise.resolve(m)).then(() => goesOn(text)),
      (text) => send(text).then(() => {}, fail).finally(() => {}).then(() => goesOn(text)),
      async (text) => { const [m] = await Promise.all([send(text), null]); await Promise.race([m]); goesOn(text); },
      (text) => new Promise((resolve) => send(text).then(resolve)).then(() => goesOn(text)),
    ];
    const submit = () => {
      const text = seed + "." + ++n;
      const done = ways[dice(ways.length)](text).catch((e) => fail(text + " was refused: " + e));
      pending.push(done);
      return done;
    };

    const handle = (type, payload) => {
      const message = payload.body && payload.body.elementText.text;
      const name = type + " " + (message || payload.participant.participantId);
      log.push(name);
      sum.received++;
      if (inHandler) fail(name + " inside another handler");
      if (inCall) fail(name + " inside a call of the page");
      inHandler = true;
      try {
        if (type === "MESSAGE_DELIVERED" && !settled.has(message)) fail("MSG-5: " + name + " before the page's await went on");
        const present = engagement.getParticipantById((payload.participant || payload.senderParticipant).participantId) !== undefined;
        if (type.startsWith("PARTICIPANT") && present !== (type === "PARTICIPANT_ADDED")) fail("ENG-7: " + name + " is not to be seen in participants");
        if (message === "the end " + seed) ended();
        switch (dice(8)) {
          case 0: return never;
          case 1: return task().then(task);
          case 2: throw new Error("a page's mistake");
          case 3: return Promise.reject(new Error("a page's mistake, later"));
          case 4: if (n < 14) submit(); return;
          case 5: return called(() => sdk.getEngagements());
          case 6: sdk.on(type, (p) => handle(type, p)); return;
        }
      } finally {
        inHandler = false;
      }
    };
    const active = new Promise((resolve) => sdk.on("ENGAGEMENT_ACTIVE", resolve));
    const joined = new Promise((resolve) => sdk.on("PARTICIPANT_ADDED", resolve));
    const engagement = await sdk.createEngagement();
    await active;
    await joined;
    gateway.sent = [];
    for (const type of ["MESSAGE_ARRIVED", "MESSAGE_DELIVERED", "PARTICIPANT_ADDED", "PARTICIPANT_DISCONNECTED"]) sdk.on(type, (p) => handle(type, p));

    let guests = [];
    for (let steps = 5 + dice(15), said = 0; steps > 0; steps--) {
      switch (dice(9)) {
        case 0: case 1: submit(); break;
        case 2: await submit(); break;
        case 3: submit(); submit(); submit(); break;
        case 4: case 5: gateway.say("agent " + seed + "." + ++said); break;
        case 6: {
          const guest = { participantId: crypto.randomUUID(), participantType: "AGENT", displayName: "Guest" };
          guests.push(guest);
          gateway.raise("PARTICIPANT_ADDED", guest);
          break;
        }
        case 7: if (guests.length) gateway.raise("PARTICIPANT_DISCONNECTED", guests.splice(dice(guests.length), 1)[0]); break;
        case 8: await called(() => sdk.getEngagements()); break;
      }
      for (let tasks = dice(4); tasks > 1; tasks--) await task();
    }
    // Handlers send, too: wait until all that they sent is settled.
    for (let was = -1; was !== pending.length;) {
      was = pending.length;
      await Promise.all(pending);
      await called(() => sdk.getEngagements());
      await task();
    }
    gateway.say("the end " + seed);
    await over;
    await task();

    const received = log.filter((l) => !l.startsWith("await "));
    // What handlers sent after the last look is still to come, and comes in order.
    if (received.join("\n") !== gateway.sent.slice(0, received.length).join("\n") || received.length < gateway.sent.indexOf("MESSAGE_ARRIVED the end " + seed) + 1) {
      fail("EV-12 MSG-6: the gateway sent\n  " + gateway.sent.join("\n  ") + "\nand the page received\n  " + received.join("\n  "));
    }
    const mine = gateway.sent.filter((l) => l.startsWith("MESSAGE_DELIVERED ")).map((l) => l.slice(18));
    if (mine.join() !== calls.slice(0, mine.length).join()) fail("MSG-3: called in the order " + calls + ", stored in the order " + mine);
    for (const type of ["MESSAGE_ARRIVED", "MESSAGE_DELIVERED", "PARTICIPANT_ADDED", "PARTICIPANT_DISCONNECTED"]) sdk.off(type);
    await Promise.all(pending);
    const gone = new Promise((resolve) => sdk.on("ENGAGEMENT_TERMINATED", resolve));
    gateway.end();
    await gone;
    sum.sent += calls.length;
    sum.frames += gateway.sent.length;
    return failures;
  };

  // interleave lives n lives, from the seed first on, up to the first that fails.
  window.interleave = async (first, n) => {
    const sum = { sent: 0, received: 0, frames: 0, before: gateway.before, lost: gateway.lost, failures: [] };
    if (!initialized) {
      gateway.random = generator(first);
      sdk.setLogLevel("OFF"); // of the mistakes that handlers make on purpose
      await (initialized = sdk.init({ hostURL: location.origin, integrationId, token, appkey: "key" }, { idleTimeout: 0 }));
    }
    for (let seed = first; seed < first + n && !sum.failures.length; seed++) sum.failures = await life(seed, sum);
    return { ...sum, before: gateway.before - sum.before, lost: gateway.lost - sum.lost };
  };
})();
