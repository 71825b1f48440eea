// Types of window.AvayaCCaaSChatSDK, as given by avaya-ccaas-chat-sdk.js.
//
// Reference this file from a script (/// <reference path="avaya-ccaas-chat-sdk.d.ts" />)
// or list it in tsconfig's "files". All dates are Date objects; all durations are
// seconds unless a name says otherwise.

/** The Chat SDK, the only global that its script makes. */
declare const AvayaCCaaSChatSDK: AvayaCCaaSChatSDK.SDK;

interface Window {
  /** The Chat SDK. */
  readonly AvayaCCaaSChatSDK: AvayaCCaaSChatSDK.SDK;
}

declare namespace AvayaCCaaSChatSDK {
  /**
   * The SDK: at most one session at a time. Every function may be called from the page's
   * first line on; `init` waits for the wasm.
   *
   * What needs a session rejects (or throws, where it returns void) ACS-310 before `init`
   * and after `shutdown`, and ACS-321 while either runs.
   */
  interface SDK {
    /**
     * Creates the session, or after a reload resumes it, opens the event stream, and
     * resolves with the user's context, the same object that INITIALIZED carries. Settles
     * within 30 seconds of the wasm's arrival. After a failure the SDK is as before, and
     * `init` may be called again.
     *
     * Rejects with ACS-204 when already initialized, ACS-301 to 309 and 322 for what is wrong
     * with the arguments or their acceptance by the server, ACS-306 when the server is
     * unreachable, ACS-304 when it is not understood, ACS-311 when the wasm could not be
     * loaded or the server failed, ACS-321 while another `init` or a `shutdown` runs.
     */
    init(params: SDKInitParams, config?: Config): Promise<UserContext>;

    /**
     * Sets the handler of an event, which replaces the one before. Handlers stay until
     * `off`, across `shutdown` and `init`. They are called one event at a time, in the order
     * in which things happened; what they throw or reject is logged. `IDLE_TIMEOUT` is taken
     * for `IDLE_TIMEOUT_EXPIRED`. An unknown name is warned of (ACS-203), and nothing is
     * registered.
     *
     * Throws ACS-322 when handler is not a function.
     */
    on<E extends keyof EventMap>(eventName: E, handler: (payload: EventMap[E]) => unknown): void;

    /** Removes an event's handler; without a name, all of them. */
    off(eventName?: keyof EventMap): void;

    /**
     * Starts a chat, and resolves once the server has made it; ENGAGEMENT_ACTIVE follows
     * when the user is in. User activity. Rejects with ACS-322 for parameters out of
     * bounds, ACS-319 when the server failed.
     */
    createEngagement(engagementParameters?: MappedData): Promise<Engagement>;

    /**
     * Asks the server for all ongoing chats of the user, across sessions. The same chat is
     * always the same object, for as long as the session lasts.
     */
    getEngagements(): Promise<Engagement[]>;

    /**
     * One ongoing chat, or undefined. For a chat that is known already, the promise also has
     * the chat's own members: `getEngagementById(id).join()` works without `await`.
     */
    getEngagementById(id: string): Promise<Engagement | undefined> & Partial<EngagementMembers>;

    /**
     * Replaces the JWT; a live event stream goes on without a break. Throws ACS-308 for none,
     * ACS-305 for one that is malformed, expired, or of another user or integration: the
     * present one then stays.
     */
    setJwtToken(token: string): void;

    /** Starts both idle timers anew. */
    resetIdleTimeout(): void;

    /** The same as {@link SDK.resetIdleTimeout}, under another name. */
    resetTimer(): void;

    /**
     * Reconnects the event stream now, with a new reconnection window;
     * EVENT_STREAM_CONNECTED tells of success. Throws ACS-318 unless the stream has failed.
     */
    retryConnection(): void;

    /** Sets the least level of log lines on the console. Throws ACS-303 for an unknown one. */
    setLogLevel(level: LogLevel): void;

    /**
     * Ends the session, by default as `USER_CLOSED`; chats live on. Raises EVENT_STREAM_CLOSED,
     * then SHUTDOWN, and resolves, within 5 seconds also when the server is unreachable.
     * Engagement objects then keep their last values and reject everything with ACS-310.
     */
    shutdown(reason?: ShutdownReason): Promise<void>;

    /** The SemVer version of this build. */
    version(): string;

    /** The class of every error of the SDK. */
    readonly ACSException: typeof ACSException;
    /** The class of chats, for `instanceof`; it can not be constructed. */
    readonly Engagement: { readonly prototype: Engagement; [Symbol.hasInstance](value: unknown): value is Engagement };

    readonly EngagementDisconnectReason: Words<EngagementDisconnectReason>;
    readonly EngagementStatus: Words<EngagementStatus>;
    readonly EventStreamFailureReason: Words<EventStreamFailureReason>;
    readonly EventType: Words<EventType>;
    readonly LogLevel: Words<LogLevel>;
    readonly ParticipantType: Words<ParticipantType>;
    readonly ShutdownReason: Words<ShutdownReason>;
    readonly TextType: Words<TextType>;
  }

  /** An enumeration: each word under its own name. */
  type Words<W extends string> = { readonly [K in W]: K };

  /** Free data: keys of at most 64 characters, values of at most 256, 20 entries at most. */
  interface MappedData {
    [key: string]: string;
  }

  /** The first argument of `init`. */
  interface SDKInitParams {
    /** http or https URL of the gateway; a path is fine. ACS-301, ACS-309. */
    hostURL: string;
    /** UUID of the chat integration. ACS-307. */
    integrationId: string;
    /** The user's JWT, from your back end. ACS-308, ACS-305. */
    token: string;
    /** Application key. ACS-302. */
    appkey: string;
    /** The user's name, used only where the JWT carries none; at most 70 characters. */
    displayName?: string;
    /** Data of the session. ACS-322. */
    sessionParameters?: MappedData;
  }

  /** The second argument of `init`. A value out of range is warned of, and its default used. */
  interface Config {
    /** For how long a broken event stream is reconnected: 120 to 300 seconds, 120 by default. */
    reconnectionTimeout?: number;
    /** After which time without activity the user is warned: 300 to 3300 seconds, 300 by default; 0: never. */
    idleTimeout?: number;
    /** How long after that the session still lives: 30 to 120 seconds, 30 by default. */
    idleShutdownGraceTimeout?: number;
    /** The least level of log lines on the console, `ERROR` by default. */
    logLevel?: LogLevel;
  }

  /** What `init` resolves with. */
  interface UserContext {
    /** The user's name, if any is known. */
    displayName?: string;
    /** All ongoing chats of the user, across sessions. */
    engagements: Engagement[];
    /** The session's parameters, if there are any. */
    sessionParameters?: MappedData;
  }

  /**
   * A chat. All members are own and enumerable, and methods are bound: `{...engagement}` has
   * them all. Data members are live on the engagement itself, and values in a copy.
   */
  interface EngagementMembers {
    /** UUID of the chat. */
    readonly engagementId: string;
    /** UUID of its dialog. */
    readonly dialogId: string;
    /** `PENDING` until this session is in. */
    readonly engagementStatus: EngagementStatus;
    readonly createdAt: Date;
    readonly lastUpdatedAt: Date;
    /** Who is in; an array of your own at each read. */
    readonly participants: Participant[];
    /** The same as `participants`. */
    getParticipants(): Participant[];
    /** The participant of that id, if there is one. */
    getParticipantById(participantId: string): Participant | undefined;
    /**
     * Takes this session into the chat; resolves with the same object. User activity. Rejects
     * with ACS-315 when it is in, ACS-312 when the chat has ended, ACS-314 when the server does
     * not know it.
     */
    join(): Promise<Engagement>;
    /**
     * Takes the user out of the chat, by default as `USER_CLOSED`. User activity. Rejects with
     * ACS-313 when this session is not in, ACS-322 for an unknown reason.
     */
    disconnect(reason?: EngagementDisconnectReason): Promise<void>;
    /**
     * Sends a text of 1 to 4096 characters; resolves once the server has stored it.
     * MESSAGE_DELIVERED follows. Messages arrive in the order of the calls. User activity.
     * Rejects with ACS-322 for a wrong argument, ACS-313 when this session is not in, ACS-314
     * when the chat is gone.
     */
    sendMessage(text: string, parentMessageId?: string): Promise<Message>;
    /**
     * The chat's history up to now, standing at its newest page. The size is 1 to 50, 10 by
     * default and for anything else. Works before `join`. Rejects with ACS-316.
     */
    getMessages(pageSize?: number): Promise<PageIterator<Message>>;
  }

  /** A chat; see {@link EngagementMembers}. */
  interface Engagement extends EngagementMembers {}

  /** Someone in a chat. */
  interface Participant {
    participantId: string;
    participantType: ParticipantType;
    /** Never empty. */
    displayName: string;
  }

  /** A message: a plain object, which can be copied and cloned. */
  interface Message {
    messageId: string;
    engagementId: string;
    dialogId: string;
    /** Its place in the chat, counted from 1. */
    messageIndex: number;
    body: {
      /** `"text"` */
      elementType: string;
      elementText: {
        /** As it was written: never put it into a page as HTML unchecked. */
        text: string;
        textFormat: TextType;
      };
    };
    senderParticipant: Participant;
    receivedAt: Date;
    lastUpdatedAt: Date;
    /** The message that this one answers, if any. */
    parentMessageId?: string;
  }

  /**
   * Walks a chat's history page by page, as it was when the iterator was made. Moves run one
   * after the other. A move that fails rejects with ACS-317, and the page stays.
   *
   * Also async-iterable: `for await (const messages of iterator)` gives the items of this page
   * and of each older one.
   */
  interface PageIterator<T> {
    /** The page's items, newest first; an array of your own at each read. */
    readonly items: T[];
    /** Items on a full page. */
    getPageSize(): number;
    /** Whether there is an older page. */
    hasPrevious(): boolean;
    /** Whether there is a newer page. */
    hasNext(): boolean;
    /** Moves to the older page; resolves with the same object. */
    previous(): Promise<PageIterator<T>>;
    /** Moves to the newer page; resolves with the same object. */
    next(): Promise<PageIterator<T>>;
    [Symbol.asyncIterator](): { next(): Promise<IteratorResult<T[], undefined>> };
  }

  /** Any event. */
  interface EventPayload {
    eventDate: Date;
  }

  /** An event of one chat. */
  interface EngagementEvent extends EventPayload {
    engagementId: string;
    dialogId: string;
  }

  /** EVENT_STREAM_CONNECTED. */
  interface EventStreamConnected extends EventPayload {
    /** false only when events were lost for good; the SDK then reads again what it can. */
    resumed: boolean;
  }

  /** EVENT_STREAM_FAILED. */
  interface EventStreamFailed extends EventPayload {
    message: string;
    reason: EventStreamFailureReason;
    /** Seconds until the next attempt; 0: there is none. */
    retryAfter: number;
  }

  /** ENGAGEMENT_ERROR. */
  interface EngagementError extends EngagementEvent {
    type: string;
    title: string;
    detail?: string;
  }

  /** PARTICIPANT_ADDED and PARTICIPANT_DISCONNECTED. */
  interface ParticipantEvent extends EngagementEvent {
    participant: Participant;
  }

  /** MESSAGE_ARRIVED and MESSAGE_DELIVERED. */
  interface MessageEvent extends EngagementEvent, Message {}

  /** The payload of each event. */
  interface EventMap {
    /** `init` is over; the very object that its promise resolves with. */
    INITIALIZED: UserContext;
    /** The session has ended. */
    SHUTDOWN: EventPayload & { reason?: ShutdownReason };
    /** Three minutes before the JWT expires: set a new one. */
    TOKEN_EXPIRY_REMINDER: EventPayload & { expiryDate: Date };
    /** The JWT has expired: the SDK is disconnected until a valid one is set. */
    TOKEN_EXPIRED: { expiredDate: Date };
    /** The user did nothing; gracePeriod seconds from now the session ends. */
    IDLE_TIMEOUT_EXPIRED: EventPayload & { gracePeriod: number };
    /** The same as IDLE_TIMEOUT_EXPIRED, under another name. */
    IDLE_TIMEOUT: EventPayload & { gracePeriod: number };
    /** An attempt to connect begins. */
    EVENT_STREAM_CONNECTING: EventPayload;
    /** Events flow. */
    EVENT_STREAM_CONNECTED: EventStreamConnected;
    /** The connection broke, or an attempt failed. */
    EVENT_STREAM_FAILED: EventStreamFailed;
    /** The SDK itself let go of the connection. */
    EVENT_STREAM_CLOSED: EventPayload;
    /** The user is in the chat. */
    ENGAGEMENT_ACTIVE: EngagementEvent;
    /** The chat has ended for the user. */
    ENGAGEMENT_TERMINATED: EngagementEvent;
    /** Something is wrong with the chat. */
    ENGAGEMENT_ERROR: EngagementError;
    /** Someone came into the chat. */
    PARTICIPANT_ADDED: ParticipantEvent;
    /** Someone left the chat. */
    PARTICIPANT_DISCONNECTED: ParticipantEvent;
    /** Someone else wrote. */
    MESSAGE_ARRIVED: MessageEvent;
    /** A message of the user is delivered, from this session or another. */
    MESSAGE_DELIVERED: MessageEvent;
  }

  type EventType = Exclude<keyof EventMap, "IDLE_TIMEOUT">;
  type EngagementStatus = "PENDING" | "ACTIVE" | "TERMINATING" | "TERMINATED";
  type EngagementDisconnectReason = "USER_CLOSED" | "SYSTEM_CLOSED" | "USER_INACTIVE";
  type EventStreamFailureReason =
    | "UNAUTHORIZED" // the JWT has expired
    | "FORBIDDEN" // the JWT is refused
    | "SDK_SESSION_INVALID" // the session ended on the server
    | "SERVER_ERROR"
    | "SERVER_UNREACHABLE"
    | "UNEXPECTED_ERROR"
    | "RECONNECTION_TIMEOUT"; // retryConnection tries again
  type LogLevel = "DEBUG" | "INFO" | "WARN" | "ERROR" | "OFF";
  type ParticipantType = "CUSTOMER" | "AGENT" | "SUPERVISOR" | "BOT" | "SYSTEM";
  type ShutdownReason = "USER_CLOSED" | "USER_INACTIVE";
  type TextType = "PLAINTEXT" | "MARKDOWN" | "HTML";

  /** An error of the SDK. */
  class ACSException extends Error {
    constructor(code: string, message: string, cause?: unknown);
    readonly name: "ACSException";
    /** Such as `"ACS-310"`; compare with this, not with the message. */
    readonly code: string;
    /** What lies behind it, if anything does. */
    readonly cause?: unknown;
    /** `code: message` */
    toString(): string;
  }
}
