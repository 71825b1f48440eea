// Wrong uses, each of one statement that the compiler must refuse with the code that
// stands above it, and with no other error. An accepted one fails types_test.go.

export async function wrong(engagement: AvayaCCaaSChatSDK.Engagement, params: AvayaCCaaSChatSDK.SDKInitParams): Promise<void> {
  const sdk = AvayaCCaaSChatSDK;

  // ---- Events

  // @ts-expect-error TS2345 no such event
  sdk.on("MESSAGE_RECEIVED", () => {});
  // @ts-expect-error TS2345 names are in upper case
  sdk.on("message_arrived", () => {});
  // @ts-expect-error TS2554 no handler
  sdk.on("MESSAGE_ARRIVED");
  // @ts-expect-error TS2345 the handler is no function
  sdk.on("MESSAGE_ARRIVED", "show");
  // @ts-expect-error TS2345 no such event
  sdk.off("MESSAGE");
  // @ts-expect-error TS2339 the alias is no word of the enumeration
  sdk.on(sdk.EventType.IDLE_TIMEOUT, () => {});
  // @ts-expect-error TS2339 the text is in body.elementText
  sdk.on("MESSAGE_ARRIVED", (m) => m.text);
  // @ts-expect-error TS2339 the text is one deeper
  sdk.on("MESSAGE_DELIVERED", (m) => m.body.text);
  // @ts-expect-error TS2551 the sender is senderParticipant
  sdk.on("MESSAGE_ARRIVED", (m) => m.senderParticipantId);
  // @ts-expect-error TS2322 the index is a number
  sdk.on("MESSAGE_ARRIVED", (m) => { const s: string = m.messageIndex; return s; });
  // @ts-expect-error TS2322 dates are Date objects
  sdk.on("ENGAGEMENT_ACTIVE", (e) => { const n: number = e.eventDate; return n; });
  // @ts-expect-error TS2339 TOKEN_EXPIRED has no eventDate
  sdk.on("TOKEN_EXPIRED", (e) => e.eventDate);
  // @ts-expect-error TS2551 the reminder's date is expiryDate
  sdk.on("TOKEN_EXPIRY_REMINDER", (e) => e.expiredDate);
  // @ts-expect-error TS2367 no such reason
  sdk.on("EVENT_STREAM_FAILED", (e) => e.reason === "TIMEOUT");
  // @ts-expect-error TS2367 a session does not end as SYSTEM_CLOSED
  sdk.on("SHUTDOWN", (e) => e.reason === "SYSTEM_CLOSED");
  // @ts-expect-error TS18048 a reason is not always given
  sdk.on("SHUTDOWN", (e) => e.reason.toLowerCase());
  // @ts-expect-error TS18048 nor is a detail
  sdk.on("ENGAGEMENT_ERROR", (e) => e.detail.length);
  // @ts-expect-error TS2339 only EVENT_STREAM_CONNECTED says resumed
  sdk.on("EVENT_STREAM_CONNECTING", (e) => e.resumed);
  // @ts-expect-error TS2551 one participant
  sdk.on("PARTICIPANT_ADDED", (e) => e.participants);
  // @ts-expect-error TS2345 the handler takes another event's payload
  sdk.on("ENGAGEMENT_ACTIVE", (m: AvayaCCaaSChatSDK.MessageArrived) => m.body);

  // ---- init

  // @ts-expect-error TS2554 no params
  sdk.init();
  // @ts-expect-error TS2741 no hostURL
  sdk.init({ integrationId: "", token: "", appkey: "" });
  // @ts-expect-error TS2741 no integrationId
  sdk.init({ hostURL: "", token: "", appkey: "" });
  // @ts-expect-error TS2741 no token
  sdk.init({ hostURL: "", integrationId: "", appkey: "" });
  // @ts-expect-error TS2741 no appkey
  sdk.init({ hostURL: "", integrationId: "", token: "" });
  // @ts-expect-error TS2561 it is hostURL
  sdk.init({ hostUrl: "", integrationId: "", token: "", appkey: "" });
  // @ts-expect-error TS2322 a URL object is no string
  sdk.init({ ...params, hostURL: new URL("https://chat.example.com") });
  // @ts-expect-error TS2322 parameters are strings
  sdk.init({ ...params, sessionParameters: { model: 123 } });
  // @ts-expect-error TS2559 config is an object
  sdk.init(params, 300);
  // @ts-expect-error TS2322 seconds are a number
  sdk.init(params, { reconnectionTimeout: "120" });
  // @ts-expect-error TS2322 0 turns the idle timer off
  sdk.init(params, { idleTimeout: false });
  // @ts-expect-error TS2322 seconds are a number
  sdk.init(params, { idleShutdownGraceTimeout: null });
  // @ts-expect-error TS2820 levels are in upper case
  sdk.init(params, { logLevel: "debug" });
  // @ts-expect-error TS2561 it is idleTimeout
  sdk.init(params, { idleTimeOut: 300 });
  // @ts-expect-error TS2741 the user is there only after await
  const early: AvayaCCaaSChatSDK.UserContext = sdk.init(params);

  // ---- Other functions

  // @ts-expect-error TS2322 parameters are strings
  sdk.createEngagement({ availableBalance: 100 });
  // @ts-expect-error TS2345 not a list
  sdk.createEngagement(["100"]);
  // @ts-expect-error TS2554 an id is needed
  sdk.getEngagementById();
  // @ts-expect-error TS2532 the chat may not be there
  (await sdk.getEngagementById("id")).join();
  // @ts-expect-error TS2345 a promise is no token
  sdk.setJwtToken(fetch("/token"));
  // @ts-expect-error TS2345 no such level
  sdk.setLogLevel("TRACE");
  // @ts-expect-error TS2345 no such reason
  sdk.shutdown("BORED");
  // @ts-expect-error TS2345 a session does not end as SYSTEM_CLOSED
  sdk.shutdown(sdk.EngagementDisconnectReason.SYSTEM_CLOSED);
  // @ts-expect-error TS2554 the reset takes no time
  sdk.resetIdleTimeout(300);
  // @ts-expect-error TS2349 the version is told by a function
  sdk.version()();
  // @ts-expect-error TS2339 there is no connect
  sdk.connect();
  // @ts-expect-error TS2540 the namespace is frozen
  sdk.init = async () => ({ engagements: [] });
  // @ts-expect-error TS2540 enumerations are frozen
  sdk.LogLevel.DEBUG = "DEBUG";
  // @ts-expect-error TS2540 the global is not the page's to replace
  window.AvayaCCaaSChatSDK = sdk;

  // ---- Engagement

  // @ts-expect-error TS2540 the state is read only
  engagement.engagementStatus = "ACTIVE";
  // @ts-expect-error TS2540 the id is read only
  engagement.engagementId = "";
  // @ts-expect-error TS2540 the dialog's id is read only
  engagement.dialogId = "";
  // @ts-expect-error TS2540 the date is read only
  engagement.createdAt = new Date();
  // @ts-expect-error TS2540 the date is read only
  engagement.lastUpdatedAt = new Date();
  // @ts-expect-error TS2540 the list is read only
  engagement.participants = [];
  // @ts-expect-error TS2367 no such state
  void (engagement.engagementStatus === "CLOSED");
  // @ts-expect-error TS2345 a text is needed
  engagement.sendMessage(5);
  // @ts-expect-error TS2554 a text is needed
  engagement.sendMessage();
  // @ts-expect-error TS2345 the parent is named by its id
  engagement.sendMessage("text", await engagement.sendMessage("parent"));
  // @ts-expect-error TS2345 the size is a number
  engagement.getMessages("10");
  // @ts-expect-error TS2345 no such reason
  engagement.disconnect("BORED");
  // @ts-expect-error TS2554 join takes nothing
  engagement.join("session");
  // @ts-expect-error TS2532 the participant may not be in
  engagement.getParticipantById("id").displayName;
  // @ts-expect-error TS2349 participants is no function
  engagement.participants();
  // @ts-expect-error TS2351 chats are started, not constructed
  new sdk.Engagement();

  // ---- PageIterator, Message, ACSException

  const iterator = await engagement.getMessages();
  // @ts-expect-error TS2540 the page's items are read only
  iterator.items = [];
  // @ts-expect-error TS2339 the size is told by a function
  iterator.pageSize;
  // @ts-expect-error TS2801 next resolves later
  if (iterator.next()) return;
  // @ts-expect-error TS2774 hasNext is a function
  if (iterator.hasNext) return;
  // @ts-expect-error TS2488 it is not iterable without await
  for (const page of iterator) void page;
  // @ts-expect-error TS2339 a page is a list of messages
  for await (const page of iterator) void page.body;
  // @ts-expect-error TS2532 a message has not always a parent
  iterator.items[0].parentMessageId.length;
  // @ts-expect-error TS2339 receivedAt is a Date
  iterator.items[0].receivedAt.substring(0, 10);
  // @ts-expect-error TS2367 no such format
  void (iterator.items[0].body.elementText.textFormat === "XML");
  // @ts-expect-error TS2554 an error has a code and a message
  new sdk.ACSException("ACS-310");
  // @ts-expect-error TS2322 the code is a text
  const code: number = new sdk.ACSException("ACS-310", "").code;
  // @ts-expect-error TS2367 no such code
  void (new sdk.ACSException("ACS-310", "").code === "ACS-399");
  // @ts-expect-error TS2322 the text of another code
  const text: AvayaCCaaSChatSDK.ErrorTexts["ACS-310"] = "Invalid URL";
  // @ts-expect-error TS2540 an error's code is read only
  new sdk.ACSException("ACS-310", "").code = "ACS-311";

  void [early, code, text];
}
