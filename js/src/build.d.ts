// What js/pack sets when it bundles the script.

/** SemVer version of the build. */
declare const VERSION: string;
/** The build's stamp, which the wasm has, too. */
declare const BUILD: string;
/** The wasm's hash, as Subresource Integrity writes it. */
declare const INTEGRITY: string;
/** Whether this is for the package's modules; false: for the script of a tag. */
declare const PACKAGE: boolean;
/** Returns where the bundler, or the CDN, has the wasm beside the module. It throws where that is not known. */
declare function locate(): URL;
/** Takes what the package's modules export. */
declare function provide(exports: object): void;
