// A gateway inside the page, in place of fetch and WebSocket, so that the order in
// which frames and answers come, and whether in one task or several, is a seed's. It
// stands in a page before the SDK's script.
(() => {
  "use strict";
  const realFetch = window.fetch.bind(window);
  const uuid = () => crypto.randomUUID();
  const customer = { participantId: uuid(), participantType: "CUSTOMER", displayName: "Ann" };
  const agent = { participantId: uuid(), participantType: "AGENT", displayName: "Bo" };
  const now = () => new Date().toISOString();

  const gateway = {
    random: null, // of the present life
    frames: [], answers: [], // what is on its way
    sent: [], // names of the frames that were sent, as the page should receive them
    before: 0, lost: 0,
    chat: null,
  };
  window.mixed = gateway;

  // ---- What passes, and when. Each step is a task of its own and lets 1 to 4 things
  // pass, frames in their order, answers in any.
  const channel = new MessageChannel();
  let moving = false;
  const move = () => {
    if (moving) return;
    moving = true;
    channel.port2.postMessage(0);
  };
  const pass = () => {
    const r = gateway.random;
    if (gateway.frames.length && (!gateway.answers.length || r() < 0.5)) {
      const f = gateway.frames.shift();
      if (f.socket.onmessage) f.socket.onmessage({ data: f.text });
    } else if (gateway.answers.length) {
      gateway.answers.splice(Math.floor(r() * gateway.answers.length), 1)[0]();
    }
  };
  channel.port1.onmessage = async () => {
    moving = false;
    for (let n = 1 + Math.floor(gateway.random() * 4); n > 0; n--) {
      pass();
      if (gateway.random() < 0.3) await null; // as between two tasks of the browser
    }
    if (gateway.frames.length || gateway.answers.length) move();
  };

  let socket = null, position = 100;
  const frame = (event) => {
    position += 100;
    gateway.frames.push({ socket, text: JSON.stringify({ type: "event", id: String(position), event: { eventDate: now(), ...event } }) });
    move();
  };
  const ids = (chat) => ({ engagementId: chat.engagementId, dialogId: chat.dialogId });

  gateway.raise = (eventType, more) => {
    gateway.sent.push(eventType + " " + more.participantId);
    frame({ eventType, ...ids(gateway.chat), ...more });
  };
  gateway.say = (text, who = agent, sessionId, correlationId) => {
    const m = {
      messageId: uuid(), ...ids(gateway.chat), messageIndex: ++gateway.chat.newest, body: { elementType: "text", elementText: { text, textFormat: "PLAINTEXT" } },
      senderParticipantId: who.participantId, senderParticipantName: who.displayName, senderParticipantType: who.participantType,
      sessionId, correlationId, receivedAt: now(), lastUpdatedAt: now(), eventId: String(position + 100),
    };
    gateway.sent.push((who === customer ? "MESSAGE_DELIVERED " : "MESSAGE_ARRIVED ") + text);
    frame({ eventType: "MESSAGES", ...m });
    return m;
  };
  gateway.end = () => frame({ eventType: "ENGAGEMENT_TERMINATED", ...ids(gateway.chat) });

  const answerTo = (method, path, body) => {
    if (method === "DELETE") return [204];
    if (path === "/sessions") {
      return [201, { sessionId: uuid(), participantId: customer.participantId, displayName: "Ann", sessionStatus: "ACTIVE", createdAt: now(), lastUpdatedAt: now() }];
    }
    if (path === "/engagements" && method === "GET") return [200, gateway.chat ? [gateway.chat] : []];
    if (path === "/engagements") {
      gateway.chat = { engagementId: uuid(), dialogId: uuid(), engagementStatus: "ACTIVE", participants: [customer], createdAt: now(), lastUpdatedAt: now(), newest: 0, eventId: "0" };
      frame({ eventType: "ENGAGEMENT_ACTIVE", ...ids(gateway.chat), sessionId: body.sessionId, correlationId: body.correlationId });
      frame({ eventType: "PARTICIPANT_ADDED", ...ids(gateway.chat), sessionId: body.sessionId, ...customer });
      gateway.chat.eventId = String(position);
      return [201, gateway.chat];
    }
    if (/messages$/.test(path)) return [201, gateway.kept[body.correlationId] = gateway.kept[body.correlationId] || gateway.say(body.body.elementText.text, customer, body.sessionId, body.correlationId)];
    return [404, {}];
  };

  gateway.kept = {};
  window.fetch = (url, options = {}) => {
    const path = String(url).split("/api/digital/chat/v1")[1];
    if (path === undefined) return realFetch(url, options);
    return new Promise((resolve, reject) => {
      options.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      const isMessage = /messages$/.test(path);
      const store = () => {
        const [status, body] = answerTo(options.method, path.split("?")[0], options.body && JSON.parse(options.body));
        const lost = isMessage && gateway.random() < 0.1;
        const settle = () => {
          if (isMessage && !gateway.frames.some((f) => f.text.includes(body.messageId))) gateway.before++;
          if (lost) {
            gateway.lost++;
            return reject(new TypeError("Failed to fetch"));
          }
          resolve(new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } }));
        };
        gateway.answers.push(settle);
        move();
      };
      gateway.answers.push(store); // the way there takes its time, too
      move();
    });
  };

  window.WebSocket = class {
    constructor() {
      this.bufferedAmount = 0;
      this.readyState = 0;
      socket = this;
      setTimeout(() => {
        this.readyState = 1;
        if (this.onopen) this.onopen({});
      });
    }
    send(text) {
      const { type } = JSON.parse(text);
      const reply = type === "authenticate" ? { type: "ready", heartbeatInterval: 20, resumed: true, lastEventId: String(position) } : type === "ping" ? { type: "pong" } : null;
      if (reply) gateway.frames.push({ socket: this, text: JSON.stringify(reply) });
      move();
    }
    close(code) {
      const { onclose } = this;
      this.readyState = 3;
      if (onclose) setTimeout(() => onclose({ code: code || 1000, reason: "" }));
    }
    addEventListener() {}
  };

  gateway.agent = agent;
  gateway.customer = customer;
})();
