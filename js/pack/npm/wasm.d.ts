// What a bundler makes of an import of the file that it is told to copy.

/** The file's URL, for `setWasmURL`. */
declare const url: string;
export default url;
