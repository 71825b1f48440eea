"use strict";
// A page with its own gateway (docs/protocol.md), and commands for the SDK. Requests, answers and
// frames have a task each, one after the other, so what is seen depends on the commands alone.
(() => {
  const task = () => new Promise((resolve) => setTimeout(resolve));
  const uuid = (n) => "00000000-0000-4000-8000-" + String(n).padStart(12, "0");
  const date = () => new Date().toISOString();
  const customer = { participantId: uuid(1), participantType: "CUSTOMER", displayName: "Ann" };
  const agent = { participantId: uuid(2), participantType: "AGENT", displayName: "Bob" };

  const gateway = {
    last: 2, // of the numbers in ids
    position: 100, // of the newest event
    chats: {},
    spoiled: [], // how the next requests are answered, instead of rightly
    requests: [],
    socket: null,
    raise(event) {
      gateway.position += 100;
      gateway.send(JSON.stringify({ type: "event", id: String(gateway.position), event: { eventDate: date(), ...event } }));
    },
    send(text) {
      if (gateway.socket) gateway.socket.take(text);
    },
    message(chat, body, more) {
      return {
        messageId: uuid(++gateway.last), engagementId: chat.engagementId, dialogId: chat.dialogId, messageIndex: chat.messages.length + 1,
        body, receivedAt: date(), lastUpdatedAt: date(), ...more,
      };
    },
    joined(chat, session, correlationId) {
      chat.engagementStatus = "ACTIVE";
      chat.participants = [customer, agent];
      const at = { engagementId: chat.engagementId, dialogId: chat.dialogId, sessionId: session };
      gateway.raise({ eventType: "ENGAGEMENT_ACTIVE", ...at, correlationId });
      gateway.raise({ eventType: "PARTICIPANT_ADDED", ...at, ...customer });
      gateway.raise({ eventType: "PARTICIPANT_ADDED", ...at, ...agent });
      chat.eventId = String(gateway.position);
    },
    // answer returns status and body.
    answer(method, path, query, body) {
      const now = date();
      const [, kind, id, , call] = /^\/(\w+)(?:\/([^:/]+)(?:[:/](\w+))?)?/.exec(path).flatMap((p, i) => (i === 3 ? [p, p] : [p]));
      const chat = gateway.chats[id];
      switch (method + " " + kind + (id ? " id" : "") + (call ? " " + call : "")) {
        case "POST sessions":
        case "GET sessions id":
          return [method === "POST" ? 201 : 200, {
            sessionId: id || uuid(++gateway.last), participantId: customer.participantId, displayName: "Ann", sessionStatus: "ACTIVE", createdAt: now, lastUpdatedAt: now,
          }];
        case "DELETE sessions id":
          return [204];
        case "GET engagements":
          return [200, Object.values(gateway.chats).map(({ messages, ...chat }) => chat)];
        case "POST engagements": {
          const id = uuid(++gateway.last);
          const made = gateway.chats[id] = {
            engagementId: id, dialogId: uuid(++gateway.last), engagementStatus: "PENDING", participants: [], createdAt: now, lastUpdatedAt: now, messages: [],
          };
          gateway.joined(made, body.sessionId, body.correlationId);
          const { messages, ...answer } = made;
          return [201, answer];
        }
        case "POST engagements id join":
        case "POST engagements id disconnect": {
          if (!chat) return [404, { type: "about:blank", title: "Not Found", status: 404 }];
          const at = { engagementId: id, dialogId: chat.dialogId };
          if (call === "join") gateway.joined(chat, body.sessionId, body.correlationId);
          else {
            chat.engagementStatus = "TERMINATED";
            gateway.raise({ eventType: "PARTICIPANT_DISCONNECTED", ...at, ...agent });
            gateway.raise({ eventType: "PARTICIPANT_DISCONNECTED", ...at, ...customer });
            gateway.raise({ eventType: "ENGAGEMENT_TERMINATED", ...at });
          }
          const { messages, ...answer } = chat;
          return [200, answer];
        }
        case "POST engagements id messages": {
          if (!chat) return [404, { type: "about:blank", title: "Not Found", status: 404 }];
          const m = gateway.message(chat, body.body, {
            correlationId: body.correlationId, senderParticipantId: customer.participantId, senderParticipantName: "Ann", senderParticipantType: "CUSTOMER",
          });
          chat.messages.push(m);
          gateway.raise({ eventType: "MESSAGES", ...m });
          return [201, m];
        }
        case "GET engagements id messages": {
          if (!chat) return [404, { type: "about:blank", title: "Not Found", status: 404 }];
          const newest = chat.messages.length, size = +query.get("pageSize") || 10;
          let to = Math.min(newest, (+query.get("before") || Infinity) - 1), from = Math.max(1, to - size + 1);
          if (+query.get("after")) {
            from = +query.get("after") + 1;
            to = Math.min(newest, from + size - 1);
          }
          return [200, { messages: chat.messages.slice(from - 1, Math.max(from - 1, to)), newestIndex: newest, hasOlder: from > 1, hasNewer: to < newest }];
        }
      }
      return [404, { type: "about:blank", title: "Not Found", status: 404 }];
    },
  };

  const { fetch } = window;
  window.fetch = async (url, options) => {
    const { pathname, searchParams } = new URL(url, location);
    const path = pathname.split("/gw/")[1];
    if (path === undefined) return fetch(url, options);
    const text = (options && options.body) || "";
    const method = (options && options.method) || "GET";
    const below = "/" + path.replace(/^.*?(?=sessions|engagements)/, "");
    gateway.requests.push(method + " " + below + " " + [...searchParams.keys()] + " " + text);
    await task();
    const [status, body] = gateway.spoiled.shift() || gateway.answer(method, below, searchParams, text ? JSON.parse(text) : {});
    await task(); // what it raises is there before its answer
    return new Response(body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body), {
      status, headers: { "Content-Type": status < 400 ? "application/json" : "application/problem+json" },
    });
  };

  window.WebSocket = class extends EventTarget {
    constructor(url, protocols) {
      super();
      this.url = url;
      this.protocol = [protocols].flat()[0] || "";
      this.readyState = 0;
      this.bufferedAmount = 0;
      this.binaryType = "blob";
      task().then(() => this.happen(1, new Event("open")));
    }
    happen(state, event) {
      if (this.readyState === 3) return;
      this.readyState = state;
      const handler = this["on" + event.type];
      if (handler) handler.call(this, event);
      this.dispatchEvent(event);
    }
    take(text) {
      task().then(() => this.happen(1, new MessageEvent("message", { data: text })));
    }
    send(text) {
      const frame = JSON.parse(text);
      if (frame.type === "ping") this.take('{"type":"pong"}');
      if (frame.type !== "authenticate") return;
      gateway.socket = this;
      this.take(JSON.stringify({ type: "ready", heartbeatInterval: 60, resumed: true, lastEventId: String(gateway.position), serverTime: date() }));
    }
    close(code = 1000, reason = "") {
      if (gateway.socket === this) gateway.socket = null;
      task().then(() => this.happen(3, new CloseEvent("close", { code, reason, wasClean: true })));
    }
  };

  // say writes what a page has got, without what differs from one run to the next.
  const say = (value) => {
    const seen = new Set();
    let text = JSON.stringify(value, (key, v) => {
      if (v instanceof Error || (v && v.code && v.message)) return v.code + " " + v.message;
      if (v && typeof v === "object") {
        if (seen.has(v)) return "again";
        seen.add(v);
      }
      return typeof v === "function" || v === undefined ? String(v && "function") : v;
    });
    return text && text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g, (id) => (id.startsWith("0000") ? id : "a key")).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "date").replace(/\b1\d{12}\b/g, "time").replace(new RegExp(location.origin, "g"), "");
  };

  const texts = ["x", "", "Grüße, 世界 😀", "a".repeat(5000), "\u0000\ud800", '"\\\u2028', undefined, 7, null, {}];
  const spoils = [
    [404, { title: "gone", status: 404 }], [400, { title: "bad", status: 400, violations: [{ parameter: "x", message: "y" }] }], [403, ""], [409, { title: "conflict", status: 409 }],
    [200, ""], [201, "{}"], [200, "[]"], [200, "null"], [201, '{"engagementId":7}'], [200, '{"messages":[{}]}'], [418, "<html>"], [200, "[{}]"], [204],
  ];
  // What the SDK does not understand (a text that is no Unicode, too) would break its connection,
  // which it makes again after about a second: no longer by the commands alone.
  const frames = [
    '{"type":"unknown"}', '{"type":"ping"}\x1e{"type":"ping"}', '{"type":"pong","serverTime":"2000-01-01T00:00:00Z"}', '{"type":"event","id":"1","event":{"eventType":"EARLY"}}',
    '{"type":"event","id":"99","event":{"eventType":"LATE","x":[1,{"y":null}]}}',
  ];

  const twin = {
    async play(commands) {
      const sdk = window.AvayaCCaaSChatSDK;
      Object.assign(gateway, { last: 2, position: 100, chats: {}, spoiled: [], requests: [], socket: null });
      sessionStorage.clear();
      const seen = { Calls: [], Events: {}, Requests: [] };
      for (const type of Object.keys(sdk.EventType)) {
        seen.Events[type] = [];
        sdk.on(type, (payload) => void seen.Events[type].push(say(payload)));
      }
      const chats = [];
      let page;
      const params = { hostURL: location.origin + "/gw/", integrationId: "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11", appkey: "key", token: window.token };
      // call makes a call; one that does not end is given up.
      const call = async (name, f) => {
        let result;
        try {
          const ended = await Promise.race([f(), new Promise((resolve) => setTimeout(resolve, 3000, task))]);
          result = ended === task ? "does not end" : say(ended);
          if (ended && ended.sendMessage && !chats.includes(ended)) chats.push(ended);
          if (ended && ended.hasPrevious) page = ended;
        } catch (e) {
          result = say(e) + (e && e.code ? "" : String(e));
        }
        seen.Calls.push(name + ": " + result);
        for (let i = 0; i < 8; i++) await task(); // what it has raised
      };
      for (let i = 0; i + 1 < commands.length; i += 2) {
        const n = commands[i + 1], chat = chats[n % (chats.length || 1)], text = texts[n % texts.length];
        switch (commands[i] % 14) {
          case 0:
            await call("init", () => sdk.init(n % 5 ? params : { ...params, [["token", "appkey", "hostURL"][n % 3]]: text }, { idleTimeout: 0, logLevel: "OFF" }));
            break;
          case 1:
            await call("createEngagement", () => sdk.createEngagement([undefined, {}, { topic: text }, text, { a: {} }][n % 5]));
            break;
          case 2:
            await call("getEngagements", () => sdk.getEngagements());
            break;
          case 3:
            if (chat) await call("sendMessage", () => chat.sendMessage(n < 64 ? text : "text " + n, n % 7 ? undefined : text));
            break;
          case 4:
            if (chat) await call("getMessages", () => chat.getMessages(n % 3 ? undefined : n));
            break;
          case 5: { // an agent writes
            const at = Object.values(gateway.chats)[0];
            if (!at) break;
            const m = gateway.message(at, { elementType: "text", elementText: { text: texts[n % 4], textFormat: "PLAINTEXT" } }, {
              senderParticipantId: agent.participantId, senderParticipantName: "Bob", senderParticipantType: "AGENT",
            });
            at.messages.push(m);
            gateway.raise({ eventType: "MESSAGES", ...m });
            for (let i = 0; i < 8; i++) await task();
            break;
          }
          case 6:
            await call("getEngagementById", () => sdk.getEngagementById(chat && n % 3 ? chat.engagementId : text));
            break;
          case 7:
            if (page) await call("page", () => (n % 2 ? page.previous() : page.next()));
            break;
          case 8:
            gateway.spoiled.push(spoils[n % spoils.length]);
            break;
          case 9:
            gateway.send(frames[n % frames.length]);
            for (let i = 0; i < 8; i++) await task();
            break;
          case 10:
            if (chat) await call("disconnect", () => chat.disconnect(n % 2 ? undefined : text));
            break;
          case 11:
            if (chat) await call("join", () => chat.join());
            break;
          case 12:
            await call("setJwtToken", () => sdk.setJwtToken(n % 2 ? window.token : text));
            break;
          case 13:
            await call("shutdown", () => sdk.shutdown(n % 2 ? undefined : text));
            break;
        }
      }
      gateway.spoiled = [];
      await call("shutdown", () => sdk.shutdown());
      sdk.off();
      seen.Requests = gateway.requests.map(say).sort();
      return seen;
    },
  };
  window.twin = twin;
})();
