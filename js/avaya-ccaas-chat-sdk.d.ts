// Types of window.AvayaCCaaSChatSDK, as given by avaya-ccaas-chat-sdk.js.
//
// Reference this file from a script (/// <reference path="avaya-ccaas-chat-sdk.d.ts" />)
// or list it in tsconfig's "files". It needs TypeScript 3.6 or newer, and of the
// libraries es2017 and dom. All dates are Date objects; all durations are seconds.
// Lengths of texts count UTF-16 code units, as String.length does. Ids after @see, such as
// NS-1, are rows of docs/surface.md, which specifies the surface.

/// <reference lib="es2018.asynciterable" />

/** The Chat SDK, the only global that its script makes. It is frozen. */
declare const AvayaCCaaSChatSDK: Readonly<AvayaCCaaSChatSDK.SDK>;

interface Window {
  /** The Chat SDK. */
  readonly AvayaCCaaSChatSDK: Readonly<AvayaCCaaSChatSDK.SDK>;
}

declare namespace AvayaCCaaSChatSDK {
  /**
   * The SDK: at most one session at a time. Every function may be called from the page's
   * first line on; `init` waits for the wasm.
   *
   * What needs a session rejects (or throws, where it returns void) with an
   * {@link ACSException}: ACS-310 before `init` and after `shutdown`, ACS-321 while either
   * runs. Whatever asks the server may also reject with ACS-304 when its answer is not
   * understood, ACS-305 when it refuses the JWT, ACS-306 when it is unreachable, and ACS-320
   * when it has ended the session.
   */
  interface SDK {
    /**
     * Creates the session, or after a reload resumes it, opens the event stream, and
     * resolves with the user's context, the same object that INITIALIZED carries. Settles
     * within 30 s of the wasm's arrival. After a failure the SDK is as before, and
     * `init` may be called again. A prerendered page (speculation rules) has no session while
     * it is hidden: `init` waits until the page is shown, and its 30 s begin then.
     *
     * Rejects with ACS-204 when already initialized, ACS-301, ACS-302, ACS-305, ACS-307,
     * ACS-308, ACS-309 and ACS-322 for what is wrong with `params` (see {@link SDKInitParams}),
     * ACS-303 when `config` is given but no object, ACS-306 when the server is unreachable,
     * ACS-304 when it is not understood, ACS-311 when the wasm could not be loaded or the server
     * failed, ACS-321 while another `init` or a `shutdown` runs.
     *
     * @see NS-1, INIT-7, INIT-8, INIT-9, SES-1
     */
    init(params: SDKInitParams, config?: Config): Promise<UserContext>;

    /**
     * Sets the handler of an event, which replaces the one before: one handler an event.
     * Handlers stay until `off`, across `shutdown` and `init`, and may be set before `init`.
     * They are called one event at a time, in the order in which things happened; what they
     * return is not waited for, and what they throw or reject is logged. `IDLE_TIMEOUT` is
     * taken for `IDLE_TIMEOUT_EXPIRED`. An unknown name is logged (ACS-203), the first time at
     * ERROR, and nothing is registered.
     *
     * Throws ACS-322 when handler is not a function.
     *
     * @see NS-2, EV-12, INIT-10
     */
    on<E extends keyof EventMap>(eventName: E, handler: (payload: EventMap[E]) => unknown): void;

    /**
     * Removes an event's handler; without a name, all of them (warning ACS-202). An event
     * without a handler (ACS-205) is warned of; an unknown name is logged as `on` does.
     *
     * @see NS-3
     */
    off(eventName?: keyof EventMap): void;

    /**
     * Starts a chat, and resolves once the server has made it; ENGAGEMENT_ACTIVE follows
     * when the user is in. User activity. Rejects with ACS-322 for parameters out of
     * {@link MappedData}'s bounds, ACS-319 when the server failed.
     *
     * @see NS-4, ENG-8, EV-13
     */
    createEngagement(engagementParameters?: MappedData): Promise<Engagement>;

    /**
     * Asks the server for all ongoing chats of the user, across sessions. The same chat is
     * always the same object, for as long as the session lasts. Rejects as every call of the
     * server does.
     *
     * @see NS-5
     */
    getEngagements(): Promise<Engagement[]>;

    /**
     * One ongoing chat of the user, or undefined: rejects as `getEngagements` does.
     *
     * For a chat that this session knows already, the promise itself also has the chat's
     * members, so that `getEngagementById(id).join()` works without `await`. **For another
     * id it does not have them**, and using one throws a TypeError: where the id may be
     * unknown, `await` the promise and look.
     *
     * @see NS-6
     */
    getEngagementById(id: string): Promise<Engagement | undefined> & Engagement;

    /**
     * Replaces the JWT; a live event stream goes on without a break, one that waits for a
     * valid JWT connects at once. Throws ACS-308 for none or an empty one, ACS-305 for one
     * that is malformed, expired, or of another user or integration: the present one then
     * stays.
     *
     * @see NS-7, JWT-3, JWT-4
     */
    setJwtToken(token: string): void;

    /**
     * Starts both idle timers anew, without being user activity of any chat.
     *
     * @see NS-8, IDLE-1
     */
    resetIdleTimeout(): void;

    /**
     * The same as {@link SDK.resetIdleTimeout}, under another name.
     *
     * @see NS-8
     */
    resetTimer(): void;

    /**
     * Reconnects the event stream now, with a new reconnection window, and returns before
     * the outcome; EVENT_STREAM_CONNECTED reports success. Throws ACS-318 unless the stream
     * has failed, ACS-305 while it waits for a valid JWT.
     *
     * @see NS-9, STREAM-6
     */
    retryConnection(): void;

    /**
     * Sets the least level of log lines on the console. Throws ACS-303 for an unknown one. Chrome
     * shows DEBUG lines only where "Verbose" is chosen among the console's levels. No line holds
     * a token or a message's text.
     *
     * @see NS-10
     */
    setLogLevel(level: LogLevel): void;

    /**
     * Ends the session, by default (undefined or null) as `USER_CLOSED`; chats live on. Raises EVENT_STREAM_CLOSED,
     * then SHUTDOWN, and resolves, within 5 s also when the server is unreachable.
     * Engagement objects then keep their last values and reject everything with ACS-310.
     * Rejects with ACS-322 for an unknown reason.
     *
     * @see NS-11, SHUT-1, SHUT-2
     */
    shutdown(reason?: ShutdownReason): Promise<void>;

    /**
     * The SemVer version of this build, such as `"0.1.0"`.
     *
     * @see NS-12
     */
    version(): string;

    /** The class of every error of the SDK, for `instanceof`. */
    readonly ACSException: ACSExceptionClass;
    /** The class of chats, for `instanceof`. */
    readonly Engagement: EngagementClass;

    /** Why the user leaves a chat, by name. */
    readonly EngagementDisconnectReason: Words<EngagementDisconnectReason>;
    /** States of a chat, by name. */
    readonly EngagementStatus: Words<EngagementStatus>;
    /** Why the event stream failed, by name. */
    readonly EventStreamFailureReason: Words<EventStreamFailureReason>;
    /** Events, by name. */
    readonly EventType: Words<EventType>;
    /** Log levels, by name. */
    readonly LogLevel: Words<LogLevel>;
    /** Kinds of participants, by name. */
    readonly ParticipantType: Words<ParticipantType>;
    /** Why the session ended, by name. */
    readonly ShutdownReason: Words<ShutdownReason>;
    /** Formats of a message's text, by name. */
    readonly TextType: Words<TextType>;
  }

  /** An enumeration, frozen: each word under its own name. */
  type Words<W extends string> = { readonly [K in W]: K };

  /**
   * Free data: at most 20 entries, keys of 1 to 64 characters, values of at most 256 characters.
   * What is out of bounds, or no string, is refused with ACS-322, which names the key.
   *
   * @see INIT-5, ENG-8
   */
  interface MappedData {
    /** One entry. */
    [key: string]: string;
  }

  /**
   * The first argument of `init`; without it, ACS-302. A member that is not here is ignored, and
   * named at ERROR the first time.
   */
  interface SDKInitParams {
    /**
     * http or https URL of the gateway, without query or fragment; a path and a trailing slash
     * are fine. Missing: ACS-301; not such a URL: ACS-309.
     *
     * @see INIT-1
     */
    hostURL: string;
    /**
     * UUID of the chat integration. Missing, malformed or unknown to the server: ACS-307.
     *
     * @see INIT-2
     */
    integrationId: string;
    /**
     * The user's JWT, from your back end. Missing: ACS-308; malformed, expired or refused: ACS-305.
     *
     * @see INIT-3
     */
    token: string;
    /**
     * The account's application key. Missing, empty or refused: ACS-302.
     *
     * @see INIT-4
     */
    appkey: string;
    /**
     * The user's name, used only where the JWT carries none; at most 70 characters, else ACS-322.
     *
     * @see INIT-5
     */
    displayName?: string | undefined;
    /**
     * Data of the session; none by default. Out of its bounds: ACS-322.
     *
     * @see INIT-5
     */
    sessionParameters?: MappedData | undefined;
  }

  /**
   * The second argument of `init`; without it the defaults hold, and ACS-201 is warned of. A value
   * out of bounds is logged, the first time at ERROR, and its default used. A name that is not here
   * is logged so, too, and ignored.
   *
   * @see INIT-6
   */
  interface Config {
    /**
     * For how long a broken event stream is reconnected, in seconds: 120 s to 300 s, and 120 s by
     * default. Out of bounds: warning ACS-207.
     *
     * @see STREAM-2
     */
    reconnectionTimeout?: number | undefined;
    /**
     * After which time without activity the user is warned, in seconds: 300 s to 3300 s, and 300 s
     * by default; 0: never. Out of bounds: warning ACS-208.
     *
     * @see IDLE-1
     */
    idleTimeout?: number | undefined;
    /**
     * How long after that the session still lives, in seconds: 30 s to 120 s, and 30 s by default.
     * Out of bounds: warning ACS-209.
     *
     * @see IDLE-2
     */
    idleShutdownGraceTimeout?: number | undefined;
    /**
     * The least level of log lines on the console; the present one by default, which is `ERROR` at
     * first. No such word: warning ACS-210.
     *
     * @see NS-10
     */
    logLevel?: LogLevel | undefined;
  }

  /**
   * What `init` resolves with, and INITIALIZED carries.
   *
   * @see INIT-7
   */
  interface UserContext {
    /** The user's name, if the JWT or `init` gave one. */
    displayName?: string;
    /** All ongoing chats of the user, across sessions. */
    engagements: Engagement[];
    /** The parameters of the session, if there are any. */
    sessionParameters?: MappedData;
  }

  /**
   * A chat. All members are own and enumerable, and methods are bound: `{...engagement}` has
   * them all. Data members are live on the engagement itself, and values in a copy.
   *
   * After the session's end the values stay, and the methods that return a promise reject
   * with ACS-310. All of these may reject as every call of the server does, with ACS-319 where the
   * server failed to do what was asked.
   *
   * @see ENG-1, ENG-2, ENG-7, SHUT-2
   */
  interface Engagement {
    /** UUID of the chat. */
    readonly engagementId: string;
    /** UUID of its dialog. */
    readonly dialogId: string;
    /**
     * `PENDING` until this session is in.
     *
     * @see ENG-3
     */
    readonly engagementStatus: EngagementStatus;
    /** When the chat was begun. */
    readonly createdAt: Date;
    /** When the chat last changed. */
    readonly lastUpdatedAt: Date;
    /** Who is in; an array of your own at each read. */
    readonly participants: Participant[];
    /** The same as `participants`. */
    getParticipants(): Participant[];
    /**
     * The participant of that id, or undefined.
     *
     * @see ENG-6
     */
    getParticipantById(participantId: string): Participant | undefined;
    /**
     * Takes this session into the chat; resolves with the same object. User activity. Rejects
     * with ACS-315 when it is in, ACS-312 when the chat has ended, ACS-314 when the server does
     * not know it.
     *
     * @see ENG-4
     */
    join(): Promise<Engagement>;
    /**
     * Takes the user out of the chat, by default (undefined or null) as `USER_CLOSED`. User activity. Rejects with
     * ACS-313 when this session is not in, ACS-314 when the chat is gone, ACS-322 for an unknown
     * reason.
     *
     * @see ENG-5
     */
    disconnect(reason?: EngagementDisconnectReason): Promise<void>;
    /**
     * Sends a text of 1 to 4096 characters, in answer to the message of the UUID
     * `parentMessageId`, unless that is undefined or null; resolves once the server has stored it. MESSAGE_DELIVERED
     * follows. Messages arrive in the order of the calls, and an outage delays them by up to
     * the reconnection timeout. At most 500 messages of one chat may be on their way: while so
     * many promises of it are pending, the next call rejects at once. User activity. Rejects
     * with ACS-322 for a wrong argument or beyond the 500, ACS-313 when this session is not in, ACS-314 when the
     * chat is gone.
     *
     * @see MSG-1, MSG-3, MSG-4, MSG-5
     */
    sendMessage(text: string, parentMessageId?: string): Promise<Message>;
    /**
     * The chat's history up to now, standing at its newest page. The size is 1 to 50 messages,
     * 10 by default; anything else is warned of (ACS-211) and 10. Works before `join`. Rejects
     * with ACS-316.
     *
     * @see PAGE-1
     */
    getMessages(pageSize?: number): Promise<PageIterator<Message>>;
  }

  /** The class of chats. It cannot be constructed: `createEngagement` starts a chat. */
  interface EngagementClass extends Function {
    /** What `instanceof` looks for. */
    readonly prototype: Engagement;
  }

  /**
   * Someone in a chat: a plain object.
   *
   * @see ENG-6
   */
  interface Participant {
    /** UUID of the participant. */
    participantId: string;
    /** What kind of participant it is. */
    participantType: ParticipantType;
    /** Never empty: where no name is known, one by type, such as `"Agent"`. */
    displayName: string;
  }

  /**
   * A message: a plain object, which can be copied and cloned. What `sendMessage` resolves with,
   * and what the items of a history page are; MESSAGE_ARRIVED and MESSAGE_DELIVERED carry its
   * members.
   *
   * @see MSG-2
   */
  interface Message {
    /** UUID of the message. */
    messageId: string;
    /** UUID of its chat. */
    engagementId: string;
    /** UUID of the chat's dialog. */
    dialogId: string;
    /** Its place in the dialog, an integer counted from 1 without gaps. */
    messageIndex: number;
    /** What was written; always there. */
    body: MessageBody;
    /** Who wrote it. */
    senderParticipant: Participant;
    /** When the server took it. */
    receivedAt: Date;
    /** When it last changed. */
    lastUpdatedAt: Date;
    /** UUID of the message that this one answers, if any. */
    parentMessageId?: string;
  }

  /** What was written in a message. */
  interface MessageBody {
    /** The kind of content: `"text"`. */
    elementType: string;
    /** The text. */
    elementText: MessageText;
  }

  /** A message's text. */
  interface MessageText {
    /**
     * As it was written, 1 to 4096 characters. It is untrusted input: never put it into a page as
     * HTML unchecked.
     */
    text: string;
    /** How it is meant. */
    textFormat: TextType;
  }

  /**
   * Walks a chat's history page by page, as it was when the iterator was made: later messages
   * are never in it. All members are own and enumerable, and methods are bound. Moves run one
   * after the other. A move that fails, or has no page to go to, rejects with ACS-317, and the
   * page stays; after the session's end all reject with ACS-310.
   *
   * Also async-iterable: `for await (const messages of iterator)` gives the items of this page
   * and of each older one.
   *
   * @see PAGE-2, PAGE-3, PAGE-4, PAGE-5
   */
  interface PageIterator<T> {
    /** The page's items, newest first; an array of your own at each read. */
    readonly items: T[];
    /** Items on a full page, 1 to 50. */
    getPageSize(): number;
    /** Whether there is an older page. */
    hasPrevious(): boolean;
    /** Whether there is a newer page. */
    hasNext(): boolean;
    /** Moves to the older page; resolves with the same object. */
    previous(): Promise<PageIterator<T>>;
    /** Moves to the newer page; resolves with the same object. */
    next(): Promise<PageIterator<T>>;
    /** The items of this page, then of each older one, as the iterator moves there. */
    [Symbol.asyncIterator](): PageWalk<T>;
  }

  /** What `for await` asks for one page's items after the other's. */
  interface PageWalk<T> {
    /** The next page's items; rejects as `previous` does. */
    next(): Promise<IteratorResult<T[], undefined>>;
  }

  /** EVENT_STREAM_CONNECTING, EVENT_STREAM_CLOSED, and what most events have. */
  interface EventPayload {
    /** When it happened. */
    eventDate: Date;
  }

  /** SHUTDOWN. */
  interface Shutdown extends EventPayload {
    /** Who ended the session, where it was the user; absent where it was the server. */
    reason?: ShutdownReason;
  }

  /** TOKEN_EXPIRY_REMINDER. */
  interface TokenExpiryReminder extends EventPayload {
    /** When the JWT expires. */
    expiryDate: Date;
  }

  /** TOKEN_EXPIRED. */
  interface TokenExpired {
    /** When the JWT expired. */
    expiredDate: Date;
  }

  /** IDLE_TIMEOUT_EXPIRED. */
  interface IdleTimeoutExpired extends EventPayload {
    /** Seconds until the session ends, `idleShutdownGraceTimeout` of the configuration. */
    gracePeriod: number;
  }

  /** EVENT_STREAM_CONNECTED. */
  interface EventStreamConnected extends EventPayload {
    /**
     * false only where events were lost for good; the SDK then reads again what it can.
     *
     * @see STREAM-7
     */
    resumed: boolean;
  }

  /** EVENT_STREAM_FAILED. */
  interface EventStreamFailed extends EventPayload {
    /** What happened, in words for a developer; not meant for comparisons. */
    message: string;
    /** What kind of failure it is. */
    reason: EventStreamFailureReason;
    /** Whole seconds until the next attempt, rounded up; 0: none is planned. */
    retryAfter: number;
  }

  /** ENGAGEMENT_ACTIVE, ENGAGEMENT_TERMINATED, and what every event of one chat has. */
  interface EngagementEvent extends EventPayload {
    /** UUID of the chat. */
    engagementId: string;
    /** UUID of its dialog. */
    dialogId: string;
  }

  /** ENGAGEMENT_ERROR. */
  interface EngagementError extends EngagementEvent {
    /** URI of the kind of error. */
    type: string;
    /** The kind of error in words. */
    title: string;
    /** What is wrong this time, if the server says. */
    detail?: string;
  }

  /** PARTICIPANT_ADDED and PARTICIPANT_DISCONNECTED. */
  interface ParticipantEvent extends EngagementEvent {
    /** Who came or left. */
    participant: Participant;
  }

  /** MESSAGE_ARRIVED: the message's members, and the event's. */
  interface MessageArrived extends EngagementEvent, Message {}

  /** MESSAGE_DELIVERED: the message's members, and the event's. */
  interface MessageDelivered extends EngagementEvent, Message {}

  /**
   * The payload of each event: a plain object. Its dates are by the server's time, exact to the
   * millisecond. The events of a chat are raised while this session is in it.
   *
   * @see EV-12, ENG-9, JWT-8
   */
  interface EventMap {
    /**
     * `init` has succeeded. The payload is the very object that its promise resolves with.
     *
     * @see EV-1, INIT-7
     */
    INITIALIZED: UserContext;
    /**
     * The session has ended: by `shutdown`, by the idle timers, by the server, or by an unexpected
     * error. Nothing of the session is raised after it. `init` may be called from the handler.
     *
     * @see EV-2, EV-14, SHUT-3
     */
    SHUTDOWN: Shutdown;
    /**
     * The JWT expires in 3 min, or sooner if less was left when it was set, or the server refuses it
     * though it has not expired: get another from your back end, and call `setJwtToken`. Raised at
     * most once in 10 s.
     *
     * @see EV-3, JWT-1, JWT-6, JWT-7
     */
    TOKEN_EXPIRY_REMINDER: TokenExpiryReminder;
    /**
     * The JWT has expired. The event stream stays closed until `setJwtToken` is called with a valid
     * one. This payload has no `eventDate`.
     *
     * @see EV-4, JWT-2
     */
    TOKEN_EXPIRED: TokenExpired;
    /**
     * There was no user activity for `idleTimeout`. The session ends after the grace period, unless
     * there is some or `resetIdleTimeout` is called.
     *
     * @see EV-5, IDLE-2, IDLE-3
     */
    IDLE_TIMEOUT_EXPIRED: IdleTimeoutExpired;
    /** The same as IDLE_TIMEOUT_EXPIRED, under another name in `on` and `off`: both share one handler. */
    IDLE_TIMEOUT: IdleTimeoutExpired;
    /**
     * An attempt to connect the event stream begins.
     *
     * @see EV-6, STREAM-1
     */
    EVENT_STREAM_CONNECTING: EventPayload;
    /**
     * The event stream is connected and authenticated. Events are delivered from here on.
     *
     * @see EV-6, STREAM-3
     */
    EVENT_STREAM_CONNECTED: EventStreamConnected;
    /**
     * The connection broke, an attempt to connect failed, or the SDK gave up.
     *
     * @see EV-7, STREAM-2, STREAM-6
     */
    EVENT_STREAM_FAILED: EventStreamFailed;
    /**
     * The SDK has closed the event stream in a shutdown. SHUTDOWN follows.
     *
     * @see EV-6, SHUT-1
     */
    EVENT_STREAM_CLOSED: EventPayload;
    /**
     * The user is in the chat, in this session, after `createEngagement` or `join`. PARTICIPANT_ADDED
     * of the customer and of everyone who is in follow.
     *
     * @see EV-8, EV-13
     */
    ENGAGEMENT_ACTIVE: EngagementEvent;
    /**
     * The chat has ended for the user. Its `engagementStatus` is `TERMINATED`, and its list of
     * participants is empty.
     *
     * @see EV-8
     */
    ENGAGEMENT_TERMINATED: EngagementEvent;
    /**
     * The server reports an error of a chat, which this session need not be in.
     *
     * @see EV-9, ENG-9
     */
    ENGAGEMENT_ERROR: EngagementError;
    /**
     * Someone has come into the chat. The chat's `participants` hold them already.
     *
     * @see EV-10, ENG-7
     */
    PARTICIPANT_ADDED: ParticipantEvent;
    /**
     * Someone has left the chat. The chat's `participants` no longer hold them.
     *
     * @see EV-10, ENG-7
     */
    PARTICIPANT_DISCONNECTED: ParticipantEvent;
    /**
     * Someone else has written. Each message is raised once and in order; `eventDate` is its
     * `receivedAt`.
     *
     * @see EV-11, MSG-6
     */
    MESSAGE_ARRIVED: MessageArrived;
    /**
     * A message of the user is stored, whether it was sent from this session or from another. For a
     * message of this page it is raised after the promise of `sendMessage` has settled. `eventDate`
     * is its `receivedAt`.
     *
     * @see EV-11, MSG-5, MSG-6
     */
    MESSAGE_DELIVERED: MessageDelivered;
  }

  /** The events; {@link EventMap} says of each when it is raised. */
  type EventType = Exclude<keyof EventMap, "IDLE_TIMEOUT">;
  /**
   * Where a chat stands, for this session.
   *
   * @see ENG-3
   */
  type EngagementStatus =
    /** This session is not in the chat. */
    | "PENDING"
    /** This session is in the chat. */
    | "ACTIVE"
    /** This session has asked to leave it. */
    | "TERMINATING"
    /** The chat has ended for the user. */
    | "TERMINATED";
  /**
   * Why the user leaves a chat.
   *
   * @see ENG-5
   */
  type EngagementDisconnectReason =
    /** The user left; the default of `disconnect`. */
    | "USER_CLOSED"
    /** The page ended the chat on its own. */
    | "SYSTEM_CLOSED"
    /** The user was inactive. */
    | "USER_INACTIVE";
  /**
   * Why the event stream failed, and what follows.
   *
   * @see EV-7
   */
  type EventStreamFailureReason =
    /** The JWT has expired: the SDK waits for a new one; where one is set already, it reconnects. */
    | "UNAUTHORIZED"
    /**
     * The JWT or the application key is refused though the JWT has not expired: attempts go on, at
     * growing intervals.
     */
    | "FORBIDDEN"
    /** The session has ended on the server, or another client has taken it over: SHUTDOWN follows. */
    | "SDK_SESSION_INVALID"
    /** The server closed the connection, or sent what is not understood: attempts go on. */
    | "SERVER_ERROR"
    /**
     * There is no connection, or it went silent, or the page was put into the back/forward cache:
     * attempts go on.
     */
    | "SERVER_UNREACHABLE"
    /** An error inside the SDK: SHUTDOWN follows. */
    | "UNEXPECTED_ERROR"
    /** The reconnection window is over: nothing follows until `retryConnection`. */
    | "RECONNECTION_TIMEOUT";
  /**
   * What is printed on the console. Each level includes those after it.
   *
   * @see NS-10
   */
  type LogLevel =
    /** Everything that helps to find a fault. */
    | "DEBUG"
    /** What happens seldom and needs no action. */
    | "INFO"
    /** Warnings. */
    | "WARN"
    /** Errors; the default. */
    | "ERROR"
    /** Nothing. */
    | "OFF";
  /** Kinds of participants. */
  type ParticipantType =
    /** The user of the page. */
    | "CUSTOMER"
    /** An agent. */
    | "AGENT"
    /** A supervisor who has joined. */
    | "SUPERVISOR"
    /** An automated participant. */
    | "BOT"
    /** The platform itself. */
    | "SYSTEM";
  /**
   * Why the user's session ended.
   *
   * @see SHUT-1, IDLE-3
   */
  type ShutdownReason =
    /** The page called `shutdown`; its default. */
    | "USER_CLOSED"
    /** The grace period after the idle timer is over. */
    | "USER_INACTIVE";
  /**
   * How a message's text is meant. What pages send is `PLAINTEXT`.
   *
   * @see MSG-2
   */
  type TextType =
    /** Plain text. */
    | "PLAINTEXT"
    /** Markdown. */
    | "MARKDOWN"
    /** HTML. */
    | "HTML";

  /**
   * The text of each error, with which its message begins; ` - ` and details may follow. `init` of an
   * initialized SDK rejects with ACS-204, which is otherwise a warning.
   */
  type ErrorTexts = {
    "ACS-204": "SDK is already initialized";
    "ACS-301": "Server URL not provided";
    "ACS-302": "Invalid init parameters";
    "ACS-303": "Invalid configuration values";
    "ACS-304": "Server responded unexpectedly";
    "ACS-305": "JWT token is invalid";
    "ACS-306": "Server is unreachable";
    "ACS-307": "Invalid IntegrationId";
    "ACS-308": "JWT Token not provided";
    "ACS-309": "Invalid URL";
    "ACS-310": "SDK is not initialized";
    "ACS-311": "SDK failed to initialize";
    "ACS-312": "Unable to join defunct engagement";
    "ACS-313": "Engagement is not activated";
    "ACS-314": "Engagement doesn't exist";
    "ACS-315": "Engagement is already active";
    "ACS-316": "PageIterator failed to initialize";
    "ACS-317": "Failed to fetch older messages";
    "ACS-318": "Retry connection is allowed only in case of Event Stream Failure";
    "ACS-319": "Failed to update engagement";
    "ACS-320": "Session not found";
    "ACS-321": "Cannot perform this operation as init/shutdown is in progress";
    "ACS-322": "Constraint Violation Error";
  };
  /** The text of each warning, which is a line on the console. */
  type WarningTexts = {
    "ACS-201": "No custom configuration provided, using the defaults";
    "ACS-202": "Removing the handlers of all events";
    "ACS-203": "Event does not exist";
    "ACS-204": "SDK is already initialized";
    "ACS-205": "No handler is registered for the event";
    "ACS-206": "The idle timeout has expired";
    "ACS-207": "reconnectionTimeout must be 120 to 300 seconds, using 120";
    "ACS-208": "idleTimeout must be 300 to 3300 seconds or 0, using 300";
    "ACS-209": "idleShutdownGraceTimeout must be 30 to 120 seconds, using 30";
    "ACS-210": "logLevel must be DEBUG, INFO, WARN, ERROR or OFF";
    "ACS-211": "Page size must be 1 to 50, using 10";
    "ACS-212": "Reading sessionStorage failed";
    "ACS-213": "Writing sessionStorage failed";
  };
  /** The codes of errors. */
  type ErrorCode = keyof ErrorTexts;
  /** The codes of warnings. */
  type WarningCode = keyof WarningTexts;

  /** An error of the SDK. */
  interface ACSException extends Error {
    /** `"ACSException"` */
    readonly name: "ACSException";
    /** Such as `"ACS-310"`; compare with this, not with the message. */
    readonly code: ErrorCode;
    /** What lies behind it, if anything does. */
    readonly cause?: unknown;
    /** `code: message` */
    toString(): string;
  }

  /** The class of the SDK's errors. */
  interface ACSExceptionClass extends Function {
    /** Makes one as the SDK does, for a page's own tests. */
    new (code: string, message: string, cause?: unknown): ACSException;
    /** What `instanceof` looks for. */
    readonly prototype: ACSException;
  }
}
