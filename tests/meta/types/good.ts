// A page that uses every member of the surface, as strict TypeScript wants it. It is
// compiled, not run: types_test.go holds it and bad.ts against the declarations.

const sdk = AvayaCCaaSChatSDK;

/** Fails to compile unless T is exactly U: a payload that became `any` would pass a mere assignment. */
type Same<T, U> = (<X>() => X extends T ? 1 : 2) extends <X>() => X extends U ? 1 : 2 ? true : false;
const same = <T, U>(_: Same<T, U>): void => {};

const show = (text: string): void => document.body.append(text);
const later = async (date: Date): Promise<number> => date.getTime();

// ---- The namespace is one object, under both names

same<typeof window.AvayaCCaaSChatSDK, typeof AvayaCCaaSChatSDK>(true);
const typed: Readonly<AvayaCCaaSChatSDK.SDK> = window.AvayaCCaaSChatSDK;
show(typed.version());

// ---- Events: payloads are inferred by the event's name

sdk.on("INITIALIZED", (user) => {
  same<typeof user, AvayaCCaaSChatSDK.UserContext>(true);
  const name: string | undefined = user.displayName;
  show(name ?? user.sessionParameters?.model ?? "");
  for (const engagement of user.engagements) show(engagement.engagementId);
});
sdk.on("SHUTDOWN", (e) => {
  same<typeof e.reason, "USER_CLOSED" | "USER_INACTIVE" | undefined>(true);
  if (e.reason === sdk.ShutdownReason.USER_INACTIVE) show(e.eventDate.toISOString());
});
sdk.on("TOKEN_EXPIRY_REMINDER", (e) => {
  same<typeof e.expiryDate, Date>(true);
  show(String(e.expiryDate.getTime() - e.eventDate.getTime()));
});
sdk.on("TOKEN_EXPIRED", ({ expiredDate }) => {
  same<typeof expiredDate, Date>(true);
  show(expiredDate.toISOString());
});
sdk.on("IDLE_TIMEOUT_EXPIRED", (e) => {
  same<typeof e.gracePeriod, number>(true);
  show(`The session will expire in ${e.gracePeriod.toFixed()} s, ${e.eventDate.getTime()}`);
});
sdk.on("IDLE_TIMEOUT", (e) => {
  same<typeof e, AvayaCCaaSChatSDK.IdleTimeoutExpired>(true);
  setTimeout(() => sdk.resetTimer(), e.gracePeriod);
});
sdk.on("EVENT_STREAM_CONNECTING", (e) => {
  same<typeof e.eventDate, Date>(true);
  return later(e.eventDate);
});
sdk.on("EVENT_STREAM_CONNECTED", async (e) => {
  same<typeof e.resumed, boolean>(true);
  await later(e.eventDate);
});
sdk.on("EVENT_STREAM_FAILED", (e) => {
  same<typeof e.reason, AvayaCCaaSChatSDK.EventStreamFailureReason>(true);
  switch (e.reason) {
    case "UNAUTHORIZED":
    case "FORBIDDEN":
    case "SDK_SESSION_INVALID":
    case "SERVER_ERROR":
    case "SERVER_UNREACHABLE":
    case "UNEXPECTED_ERROR":
      return show(`${e.message} ${e.retryAfter.toFixed()} ${e.eventDate.getTime()}`);
    case "RECONNECTION_TIMEOUT":
      return sdk.retryConnection();
    default:
      same<typeof e.reason, never>(true);
  }
});
sdk.on("EVENT_STREAM_CLOSED", (e) => show(e.eventDate.toISOString()));
sdk.on("ENGAGEMENT_ACTIVE", (e) => show(e.engagementId + e.dialogId + e.eventDate.getTime()));
sdk.on("ENGAGEMENT_TERMINATED", (e) => show(e.engagementId + e.dialogId + e.eventDate.getTime()));
sdk.on("ENGAGEMENT_ERROR", (e) => {
  same<typeof e.detail, string | undefined>(true);
  show(e.type + e.title + (e.detail ?? "") + e.engagementId + e.dialogId + e.eventDate.getTime());
});
sdk.on("PARTICIPANT_ADDED", ({ participant, ...e }) => {
  same<typeof participant, AvayaCCaaSChatSDK.Participant>(true);
  show(participant.displayName + participant.participantType + participant.participantId + e.engagementId + e.dialogId + e.eventDate.getTime());
});
sdk.on("PARTICIPANT_DISCONNECTED", (e) => show(e.participant.displayName + e.engagementId + e.dialogId + e.eventDate.getTime()));
sdk.on("MESSAGE_ARRIVED", (m) => {
  same<typeof m.body.elementText.textFormat, "PLAINTEXT" | "MARKDOWN" | "HTML">(true);
  same<typeof m.messageIndex, number>(true);
  show(m.body.elementText.text + m.body.elementType + m.messageIndex.toFixed() + m.senderParticipant.displayName);
  show(m.messageId + m.engagementId + m.dialogId + (m.parentMessageId ?? ""));
  show(m.receivedAt.toISOString() + m.lastUpdatedAt.toISOString() + m.eventDate.toISOString());
  const copy: AvayaCCaaSChatSDK.Message = { ...m };
  history.pushState(copy, "");
});
sdk.on("MESSAGE_DELIVERED", (m) => {
  const message: AvayaCCaaSChatSDK.Message = m;
  show(message.messageId + m.eventDate.toISOString());
});

// Handlers with names of their own, one for two events, and all events in a loop.
function refreshJWT(details: AvayaCCaaSChatSDK.TokenExpiryReminder | AvayaCCaaSChatSDK.TokenExpired): void {
  sdk.setJwtToken("expiryDate" in details ? "soon" : "now");
}
sdk.on("TOKEN_EXPIRY_REMINDER", refreshJWT);
sdk.on(sdk.EventType.TOKEN_EXPIRED, refreshJWT);
const showMessage = (m: AvayaCCaaSChatSDK.MessageArrived): void => show(m.body.elementText.text);
sdk.on(sdk.EventType.MESSAGE_ARRIVED, showMessage);
for (const type of Object.keys(sdk.EventType) as AvayaCCaaSChatSDK.EventType[]) {
  sdk.on(type, (payload) => console.log(type, payload));
  sdk.off(type);
}
sdk.off("MESSAGE_ARRIVED");
sdk.off("IDLE_TIMEOUT");
sdk.off();

// ---- Enumerations: each word is of its own type

same<typeof sdk.EventType.EVENT_STREAM_FAILED, "EVENT_STREAM_FAILED">(true);
same<AvayaCCaaSChatSDK.EventType, keyof typeof sdk.EventType>(true);
const disconnectReasons: AvayaCCaaSChatSDK.EngagementDisconnectReason[] = [
  sdk.EngagementDisconnectReason.USER_CLOSED,
  sdk.EngagementDisconnectReason.SYSTEM_CLOSED,
  sdk.EngagementDisconnectReason.USER_INACTIVE,
];
const statuses: AvayaCCaaSChatSDK.EngagementStatus[] = [
  sdk.EngagementStatus.PENDING,
  sdk.EngagementStatus.ACTIVE,
  sdk.EngagementStatus.TERMINATING,
  sdk.EngagementStatus.TERMINATED,
];
const failures: AvayaCCaaSChatSDK.EventStreamFailureReason[] = [
  sdk.EventStreamFailureReason.UNAUTHORIZED,
  sdk.EventStreamFailureReason.FORBIDDEN,
  sdk.EventStreamFailureReason.SDK_SESSION_INVALID,
  sdk.EventStreamFailureReason.SERVER_ERROR,
  sdk.EventStreamFailureReason.SERVER_UNREACHABLE,
  sdk.EventStreamFailureReason.UNEXPECTED_ERROR,
  sdk.EventStreamFailureReason.RECONNECTION_TIMEOUT,
];
const events: AvayaCCaaSChatSDK.EventType[] = [
  sdk.EventType.INITIALIZED,
  sdk.EventType.SHUTDOWN,
  sdk.EventType.TOKEN_EXPIRY_REMINDER,
  sdk.EventType.TOKEN_EXPIRED,
  sdk.EventType.IDLE_TIMEOUT_EXPIRED,
  sdk.EventType.EVENT_STREAM_CONNECTING,
  sdk.EventType.EVENT_STREAM_CONNECTED,
  sdk.EventType.EVENT_STREAM_FAILED,
  sdk.EventType.EVENT_STREAM_CLOSED,
  sdk.EventType.ENGAGEMENT_ACTIVE,
  sdk.EventType.ENGAGEMENT_TERMINATED,
  sdk.EventType.ENGAGEMENT_ERROR,
  sdk.EventType.PARTICIPANT_ADDED,
  sdk.EventType.PARTICIPANT_DISCONNECTED,
  sdk.EventType.MESSAGE_ARRIVED,
  sdk.EventType.MESSAGE_DELIVERED,
];
const levels: AvayaCCaaSChatSDK.LogLevel[] = [sdk.LogLevel.DEBUG, sdk.LogLevel.INFO, sdk.LogLevel.WARN, sdk.LogLevel.ERROR, sdk.LogLevel.OFF];
const kinds: AvayaCCaaSChatSDK.ParticipantType[] = [
  sdk.ParticipantType.CUSTOMER,
  sdk.ParticipantType.AGENT,
  sdk.ParticipantType.SUPERVISOR,
  sdk.ParticipantType.BOT,
  sdk.ParticipantType.SYSTEM,
];
const shutdownReasons: AvayaCCaaSChatSDK.ShutdownReason[] = [sdk.ShutdownReason.USER_CLOSED, sdk.ShutdownReason.USER_INACTIVE];
const formats: AvayaCCaaSChatSDK.TextType[] = [sdk.TextType.PLAINTEXT, sdk.TextType.MARKDOWN, sdk.TextType.HTML];
show([disconnectReasons, statuses, failures, events, kinds, formats].join());
levels.forEach((level) => sdk.setLogLevel(level));

// ---- Calls

async function page(): Promise<void> {
  const configs: AvayaCCaaSChatSDK.Config = { reconnectionTimeout: 120, idleTimeout: 300, idleShutdownGraceTimeout: 30, logLevel: "DEBUG" };
  const params: AvayaCCaaSChatSDK.SDKInitParams = {
    hostURL: "https://chat.example.com",
    integrationId: "3b7a3d3a-8d7e-4f5c-9f39-0f1f3f6f2a11",
    token: "jwt.header.payload",
    appkey: "key",
    displayName: undefined,
    sessionParameters: { model: "ABC-123" },
  };
  const user = await sdk.init(params, configs);
  same<typeof user, AvayaCCaaSChatSDK.UserContext>(true);
  await sdk.init({ hostURL: "", integrationId: "", token: "", appkey: "", displayName: "Ann", sessionParameters: undefined });
  await sdk.init(params, {});
  await sdk.init(params, { idleTimeout: 0, logLevel: sdk.LogLevel.OFF });
  sdk.setJwtToken("another");
  sdk.resetIdleTimeout();
  sdk.resetTimer();
  sdk.retryConnection();
  sdk.setLogLevel("WARN");

  const engagement = await sdk.createEngagement({ availableBalance: "100" });
  same<typeof engagement, AvayaCCaaSChatSDK.Engagement>(true);
  await sdk.createEngagement();
  const all = await sdk.getEngagements();
  same<typeof all, AvayaCCaaSChatSDK.Engagement[]>(true);

  // With await it may be undefined; without, the guide's samples compile as they are.
  const found = await sdk.getEngagementById("id");
  same<typeof found, AvayaCCaaSChatSDK.Engagement | undefined>(true);
  await found?.join();
  const direct = sdk.getEngagementById("id");
  await direct.join();
  const list = direct.getParticipants();
  const one = direct.getParticipantById("id");
  show(list.length + (one?.displayName ?? "") + direct.engagementStatus);
  sdk.getEngagementById("id").then((e) => e && e.disconnect());

  show(engagement.engagementId + engagement.dialogId + engagement.engagementStatus);
  show(engagement.createdAt.toISOString() + engagement.lastUpdatedAt.toISOString());
  engagement.participants.sort((a, b) => a.displayName.localeCompare(b.displayName));
  engagement.getParticipants().reverse();
  const bob: AvayaCCaaSChatSDK.Participant | undefined = engagement.getParticipantById("id");
  if (bob?.participantType === sdk.ParticipantType.AGENT) show(bob.displayName);
  same<Awaited<ReturnType<typeof engagement.join>>, AvayaCCaaSChatSDK.Engagement>(true);

  const sent = await engagement.sendMessage("Hello");
  same<typeof sent, AvayaCCaaSChatSDK.Message>(true);
  await engagement.sendMessage("an answer", sent.messageId);
  await engagement.sendMessage("another", sent.parentMessageId);

  // Copies keep data and bound methods.
  const { lastUpdatedAt, ...rest } = engagement;
  const copy = { ...engagement, mine: true };
  await rest.sendMessage(lastUpdatedAt.toISOString());
  await copy.getMessages();

  const iterator = await engagement.getMessages(15);
  same<typeof iterator, AvayaCCaaSChatSDK.PageIterator<AvayaCCaaSChatSDK.Message>>(true);
  iterator.items.reverse().forEach((m) => show(m.body.elementText.text));
  if (iterator.hasPrevious()) (await iterator.previous()).items.forEach((m) => show(m.messageId));
  if (iterator.hasNext()) show(String((await iterator.next()).getPageSize().toFixed()));
  for await (const messages of iterator) {
    same<typeof messages, AvayaCCaaSChatSDK.Message[]>(true);
    show(messages.map((m) => m.senderParticipant.displayName).join());
  }
  const step = await iterator[Symbol.asyncIterator]().next();
  if (!step.done) show(String(step.value.length));

  try {
    await engagement.join();
  } catch (e) {
    if (e instanceof sdk.ACSException) {
      same<typeof e, AvayaCCaaSChatSDK.ACSException>(true);
      same<typeof e.code, AvayaCCaaSChatSDK.ErrorCode>(true);
      same<AvayaCCaaSChatSDK.ErrorTexts["ACS-310"], "SDK is not initialized">(true);
      same<AvayaCCaaSChatSDK.WarningTexts[AvayaCCaaSChatSDK.WarningCode] extends string ? 1 : 0, 1>(true);
      same<typeof e.name, "ACSException">(true);
      same<typeof e.cause, unknown>(true);
      show(e.code + e.name + e.message + (e.stack ?? "") + e.toString());
      if (e.cause instanceof Error) show(e.cause.message);
    }
  }
  const error: Error = new sdk.ACSException("ACS-310", "for a test", new Error("why"));
  class Mine extends sdk.ACSException {}
  show(String(error) + new Mine("ACS-310", "for a test").code);
  const thing: unknown = engagement;
  if (thing instanceof sdk.Engagement) {
    same<typeof thing, AvayaCCaaSChatSDK.Engagement>(true);
    show(thing.engagementId + sdk.Engagement.name);
  }

  await engagement.disconnect();
  await engagement.disconnect("USER_INACTIVE");
  await engagement.disconnect(sdk.EngagementDisconnectReason.SYSTEM_CLOSED);
  await sdk.shutdown("USER_CLOSED");
  sdk.shutdown().then((data) => same<typeof data, void>(true));
}
page().catch(console.error);
