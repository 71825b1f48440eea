// What js/pack sets when it bundles the script.

/** SemVer version of the build. */
declare const VERSION: string;
/** The build's stamp, which the wasm has, too. */
declare const BUILD: string;
/** The wasm's hash, as Subresource Integrity writes it. */
declare const INTEGRITY: string;
