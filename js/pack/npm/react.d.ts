/**
 * Resolves with what `init` needs, with a new token at each call. It asks your back end, and is
 * called when the session opens and whenever a new token is needed.
 */
export type ChatAccount = () => AvayaCCaaSChatSDK.SDKInitParams | PromiseLike<AvayaCCaaSChatSDK.SDKInitParams>;

/** What went wrong. Errors of the SDK have a `code`; others are of the page's own functions. */
export type ChatError = Error & { readonly code?: AvayaCCaaSChatSDK.ErrorCode };

/**
 * `opening`: there is no session yet; `open`: there is one; `closed`: it has ended, by inactivity, by
 * the server or by the page's own `shutdown`; `failed`: it could not be opened.
 */
export type ChatSessionStatus = "opening" | "open" | "closed" | "failed";

/** The session, as {@link useChatSession} shows it. */
export interface ChatSession {
  /** Whether there is a session. */
  readonly status: ChatSessionStatus;
  /**
   * Why the session could not be opened; while it is open, why there is no new token, for which
   * `account` is called again after 2 to 60 seconds.
   */
  readonly error: ChatError | undefined;
  /** Why there is no connection at the moment; undefined: there is one. */
  readonly failure: AvayaCCaaSChatSDK.EventStreamFailed | undefined;
  /** What `init` resolved with. */
  readonly user: AvayaCCaaSChatSDK.UserContext | undefined;
  /** Opens the session again after it has ended or failed; else it does nothing. */
  reopen(): void;
}

/** The chat, as {@link useEngagement} shows it. */
export interface ChatEngagement {
  /** The customer's ongoing chat, or the one that was started last; undefined: there is none. */
  readonly engagement: AvayaCCaaSChatSDK.Engagement | undefined;
  /** The chat's status: `PENDING` until this session is in. */
  readonly status: AvayaCCaaSChatSDK.EngagementStatus | undefined;
  /** Who is in the chat. */
  readonly participants: readonly AvayaCCaaSChatSDK.Participant[];
  /** Why the ongoing chat could not be joined: see `retry`. */
  readonly error: ChatError | undefined;
  /** Starts a chat, which is then the one that the hooks show. It rejects as `createEngagement` does. */
  start(engagementParameters?: AvayaCCaaSChatSDK.MappedData): Promise<AvayaCCaaSChatSDK.Engagement>;
  /**
   * Joins the chat and reads its newest messages again, where one of these has failed: while there is an
   * `error`, here or of {@link useMessages}, and the session is open. Else it does nothing. What fails
   * again is in `error` again.
   */
  retry(): void;
}

/** The messages of the chat, as {@link useMessages} shows them. */
export interface ChatMessages {
  /** The messages in their order: the newest 50 of the history, what came since, and what `loadOlder` has added. */
  readonly messages: readonly AvayaCCaaSChatSDK.Message[];
  /** Whether the history has older messages than these. */
  readonly hasOlder: boolean;
  /** Why the history could not be read: {@link ChatEngagement.retry} reads it again. */
  readonly error: ChatError | undefined;
  /** Sends a text, as the chat's `sendMessage` does; rejects with ACS-313 where there is no chat. */
  send(text: string, parentMessageId?: string): Promise<AvayaCCaaSChatSDK.Message>;
  /** Adds up to 50 older messages, if there are any; rejects with ACS-317. */
  loadOlder(): Promise<void>;
}

/**
 * Opens the session while a component that gives an account is mounted, and shows its state. All
 * components share one session: the first that is mounted opens it, the last that is unmounted
 * closes it. A chat that is going on is joined.
 *
 * Without an account it shows the session that another component holds open. A component that
 * is to hold the session of another customer needs another `key`.
 *
 * @param account may be another function at each rendering: the newest is called
 * @param config the second argument of `init`, as it is when the session opens
 */
export declare function useChatSession(account?: ChatAccount | null | false, config?: AvayaCCaaSChatSDK.ModuleConfig): ChatSession;

/** Shows the chat: the customer's ongoing one, or the one that was started last. */
export declare function useEngagement(): ChatEngagement;

/** Shows the chat's messages. */
export declare function useMessages(): ChatMessages;
