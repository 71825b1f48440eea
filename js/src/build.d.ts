// What js/pack sets when it bundles the script.

/** SemVer version of the build. */
declare const VERSION: string;
/** The build's stamp, which the wasm has, too. */
declare const BUILD: string;
/** The wasm's hash, as Subresource Integrity writes it. */
declare const INTEGRITY: string;
/** Whether the wasm is a snapshot of the program; false: the program starts with the page. */
declare const FROM_SNAPSHOT: boolean;
/**
 * The values of JavaScript that Go holds in the wasm, behind the fixed ones of wasm_exec.js: how
 * many references it has, and the value's path from Go's global, its text, or its number as a
 * function of Go's.
 */
declare const SNAPSHOT: readonly (readonly [references: number, what: readonly string[] | string | number])[];
/** The program's environment, which a snapshot has already. */
declare const ENVIRONMENT: Record<string, string>;
/** Whether this is for the package's modules; false: for the script of a tag. */
declare const PACKAGE: boolean;
/** Returns where the bundler, or the CDN, has the wasm beside the module. It throws where that is not known. */
declare function locate(): URL;
/** Takes what the package's modules export. */
declare function provide(exports: object): void;

/** The package's module, beside which its entry for React lies. */
declare module "chat-sdk" {
  const sdk: AvayaCCaaSChatSDK.SDK;
  export default sdk;
}
/** What the entry for React uses of React 18 and newer. */
declare module "react" {
  export function useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  export function useRef<T>(value: T): { current: T };
  export function useSyncExternalStore<T>(subscribe: (listener: () => void) => () => void, get: () => T, getOnServer: () => T): T;
}
declare namespace AvayaCCaaSChatSDK {
  /** That of js/pack/npm/exports.d.ts, of which the types of the entry for React need the name only. */
  interface ModuleConfig extends Config {}
}
