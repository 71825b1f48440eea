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

  const line = {
    random: null, // of the present life
    frames: [], answers: [], // what is on its way
    sent: [], // names of the frames that were put on the line, as the page should hear them
    before: 0, lost: 0,
    chat: null,
  };
  window.mixed = line;

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
    const r = line.random;
    if (line.frames.length && (!line.answers.length || r() < 0.5)) {
      const f = line.frames.shift();
      if (f.socket.onmessage) f.socket.onmessage({ data: f.text });
    } else if (line.answers.length) {
      line.answers.splice(Math.floor(r() * line.answers.length), 1)[0]();
    }
  };
  channel.port1.onmessage = async () => {
    moving = false;
    for (let n = 1 + Math.floor(line.random() * 4); n > 0; n--) {
      pass();
      if (line.random() < 0.3) await null; // as between two tasks of the browser
    }
    if (line.frames.length || line.answers.length) move();
  };

  let socket = null, position = 100;
  const frame = (event) => {
    position += 100;
    line.frames.push({ socket, text: JSON.stringify({ type: "event", id: String(position), event: { eventDate: now(), ...event } }) });
    move();
  };
  const ids = (chat) => ({ engagementId: chat.engagementId, dialogId: chat.dialogId });

  line.raise = (eventType, more) => {
    line.sent.push(eventType + " " + more.participantId);
    frame({ eventType, ...ids(line.chat), ...more });
  };
  line.say = (text, who = agent, sessionId, correlationId) => {
    const m = {
      messageId: uuid(), ...ids(line.chat), messageIndex: ++line.chat.newest, body: { elementType: "text", elementText: { text, textFormat: "PLAINTEXT" } },
      senderParticipantId: who.participantId, senderParticipantName: who.displayName, senderParticipantType: who.participantType,
      sessionId, correlationId, receivedAt: now(), lastUpdatedAt: now(), eventId: String(position + 100),
    };
    line.sent.push((who === customer ? "MESSAGE_DELIVERED " : "MESSAGE_ARRIVED ") + text);
    frame({ eventType: "MESSAGES", ...m });
    return m;
  };
  line.end = () => frame({ eventType: "ENGAGEMENT_TERMINATED", ...ids(line.chat) });

  const answerTo = (method, path, body) => {
    if (method === "DELETE") return [204];
    if (path === "/sessions") {
      return [201, { sessionId: uuid(), participantId: customer.participantId, displayName: "Ann", sessionStatus: "ACTIVE", createdAt: now(), lastUpdatedAt: now() }];
    }
    if (path === "/engagements" && method === "GET") return [200, line.chat ? [line.chat] : []];
    if (path === "/engagements") {
      line.chat = { engagementId: uuid(), dialogId: uuid(), engagementStatus: "ACTIVE", participants: [customer], createdAt: now(), lastUpdatedAt: now(), newest: 0, eventId: "0" };
      frame({ eventType: "ENGAGEMENT_ACTIVE", ...ids(line.chat), sessionId: body.sessionId, correlationId: body.correlationId });
      frame({ eventType: "PARTICIPANT_ADDED", ...ids(line.chat), sessionId: body.sessionId, ...customer });
      line.chat.eventId = String(position);
      return [201, line.chat];
    }
    if (/messages$/.test(path)) return [201, line.kept[body.correlationId] = line.kept[body.correlationId] || line.say(body.body.elementText.text, customer, body.sessionId, body.correlationId)];
    return [404, {}];
  };

  line.kept = {};
  window.fetch = (url, options = {}) => {
    const path = String(url).split("/api/digital/chat/v1")[1];
    if (path === undefined) return realFetch(url, options);
    return new Promise((resolve, reject) => {
      options.signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
      const isMessage = /messages$/.test(path);
      const store = () => {
        const [status, body] = answerTo(options.method, path.split("?")[0], options.body && JSON.parse(options.body));
        const lost = isMessage && line.random() < 0.1;
        const settle = () => {
          if (isMessage && !line.frames.some((f) => f.text.includes(body.messageId))) line.before++;
          if (lost) {
            line.lost++;
            return reject(new TypeError("Failed to fetch"));
          }
          resolve(new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } }));
        };
        line.answers.push(settle);
        move();
      };
      line.answers.push(store); // the way there takes its time, too
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
      if (reply) line.frames.push({ socket: this, text: JSON.stringify(reply) });
      move();
    }
    close(code) {
      const { onclose } = this;
      this.readyState = 3;
      if (onclose) setTimeout(() => onclose({ code: code || 1000, reason: "" }));
    }
    addEventListener() {}
  };

  line.agent = agent;
  line.customer = customer;
})();
