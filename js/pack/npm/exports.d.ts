/**
 * What the wasm can be loaded from: its URL, an answer of `fetch`, or the compiled module. A
 * relative URL is relative to the page's base URL.
 */
export type WasmSource = string | URL | Response | (WebAssembly.Module & object);

/** The second argument of a module's `init`. */
export interface ModuleConfig extends Config {
  /** What the wasm is loaded from, as {@link ModuleSDK.setWasmURL} sets it. */
  wasmURL?: WasmSource | PromiseLike<WasmSource> | undefined;
}

/**
 * The SDK as a module: what the script for a tag has as `window.AvayaCCaaSChatSDK`, and what
 * only a module needs. To import it changes nothing: no global is made, and nothing is loaded
 * until `preload` or `init`. It may be imported on a server, where `init` and `preload` reject
 * with ACS-311.
 */
export interface ModuleSDK extends Omit<SDK, "init"> {
  /** The same as {@link SDK.init}, whose `config` may also name the wasm. */
  init(params: SDKInitParams, config?: ModuleConfig): Promise<UserContext>;

  /**
   * Sets what the wasm is loaded from; null or undefined: the file `avaya-ccaas-chat-sdk.wasm`
   * beside the module, where bundlers put it by themselves. It counts for the next load: once the
   * wasm has been loaded it changes nothing.
   *
   * The file's hash is checked unless page, module and file are of one origin; so is that of a
   * `Response` with a URL. A compiled module, and a `Response` that the page has made, are only
   * compared by the build's stamp.
   */
  setWasmURL(source: WasmSource | PromiseLike<WasmSource> | null | undefined): void;

  /**
   * Begins to load the wasm, which `init` otherwise does, and resolves when it has been compiled.
   * Rejects with ACS-311, and `init` then tries again.
   */
  preload(): Promise<void>;
}

declare const sdk: Readonly<ModuleSDK>;
/** The SDK as one object, frozen. */
export default sdk;

/** See {@link ModuleSDK.init}. */
export declare const init: ModuleSDK["init"];
/** See {@link SDK.on}. */
export declare const on: ModuleSDK["on"];
/** See {@link SDK.off}. */
export declare const off: ModuleSDK["off"];
/** See {@link SDK.createEngagement}. */
export declare const createEngagement: ModuleSDK["createEngagement"];
/** See {@link SDK.getEngagements}. */
export declare const getEngagements: ModuleSDK["getEngagements"];
/** See {@link SDK.getEngagementById}. */
export declare const getEngagementById: ModuleSDK["getEngagementById"];
/** See {@link SDK.setJwtToken}. */
export declare const setJwtToken: ModuleSDK["setJwtToken"];
/** See {@link SDK.resetIdleTimeout}. */
export declare const resetIdleTimeout: ModuleSDK["resetIdleTimeout"];
/** See {@link SDK.resetTimer}. */
export declare const resetTimer: ModuleSDK["resetTimer"];
/** See {@link SDK.retryConnection}. */
export declare const retryConnection: ModuleSDK["retryConnection"];
/** See {@link SDK.setLogLevel}. */
export declare const setLogLevel: ModuleSDK["setLogLevel"];
/** See {@link SDK.shutdown}. */
export declare const shutdown: ModuleSDK["shutdown"];
/** See {@link SDK.version}. */
export declare const version: ModuleSDK["version"];
/** See {@link ModuleSDK.setWasmURL}. */
export declare const setWasmURL: ModuleSDK["setWasmURL"];
/** See {@link ModuleSDK.preload}. */
export declare const preload: ModuleSDK["preload"];
/** The class of every error of the SDK, for `instanceof`. */
export declare const ACSException: ACSExceptionClass;
/** The class of chats, for `instanceof`. */
export declare const Engagement: EngagementClass;
/** Why the user leaves a chat, by name. */
export declare const EngagementDisconnectReason: Words<EngagementDisconnectReason>;
/** States of a chat, by name. */
export declare const EngagementStatus: Words<EngagementStatus>;
/** Why the event stream failed, by name. */
export declare const EventStreamFailureReason: Words<EventStreamFailureReason>;
/** Events, by name. */
export declare const EventType: Words<EventType>;
/** Log levels, by name. */
export declare const LogLevel: Words<LogLevel>;
/** Kinds of participants, by name. */
export declare const ParticipantType: Words<ParticipantType>;
/** Why the session ended, by name. */
export declare const ShutdownReason: Words<ShutdownReason>;
/** Formats of a message's text, by name. */
export declare const TextType: Words<TextType>;
