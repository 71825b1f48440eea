// Fetches and compiles the wasm.

import { initFailed } from "./errors.js";
import { Date, Promise, URL, WebAssembly, document, documentProperty, listenTo } from "./realm.js";
import { isModule, isResponse, takeSource, verify } from "./source.js";

// Of a module there is no script element.
const script = PACKAGE ? null : /** @type {HTMLScriptElement | null} */ (documentProperty("currentScript"));
const { src, integrity: scriptHash } = script || /** @type {HTMLScriptElement} */ ({});
const dataURL = script && script.getAttribute("data-wasm-url");
/** Where the wasm is. It becomes absolute at the first load. */
export let wasmURL = dataURL || "avaya-ccaas-chat-sdk.wasm?v=" + BUILD;

// To check a hash the browser must have the whole file, so that compilation does not
// stream. So it is checked for pages that have the script checked, too, for a file that
// data-wasm-url names, and always for one that is not of the script's own origin. The
// build's stamp tells all others whether the file is the script's.
const hash = INTEGRITY;
let integrity = hash;
let home = PACKAGE ? "" : src || location.href;

/** What to do where the wasm is of another build. */
export const sameBuild = PACKAGE
  ? "the site has been deployed anew since this page was loaded, or a cache is stale: reload the page, and take both from the same build"
  : "take both from the same build";

// The oldest browsers that have what script and wasm use; docs/start.md says what that is.
const FLOOR = " (needs Chrome 75, Firefox 79, Safari 15 or newer)";

/**
 * Returns the error for a browser that does not take the wasm, which may be too old.
 * @param {unknown} e
 */
export const unusable = (e) => initFailed(wasmURL + " cannot be used: " + /** @type {Error} */ (e).message + FLOOR, e);

/**
 * @param {string} a
 * @param {string} b
 */
const sameOrigin = (a, b) => new URL(a).origin === new URL(b).origin;

/** @type {Promise<WebAssembly.Module> | null} */
let loading = null; // null, too, when the last load has failed
/** How the wasm came, for the log; without the URL's query, which may be a page's secret. */
export let loaded = "";

/** Returns the compiled wasm, of which only the first call, and one after a failure, begins a load. */
export const load = () => {
  if (!loading) {
    loading = fetchModule();
    loading.catch(() => {
      loading = null;
    });
  }
  return loading;
};

/**
 * Resolves when the page is shown. A prerendered page is hidden, may never be shown, and has a
 * sessionStorage of its own, which is thrown away. So it only loads the wasm, and init goes on,
 * and its time begins, when the page is shown.
 * @returns {Promise<void>}
 */
export const shown = () => new Promise((resolve) => {
  if (documentProperty("prerendering")) listenTo(document, "prerenderingchange", resolve);
  else resolve();
});

/**
 * Opens sessionStorage: the first access waits for another process, which while the wasm is on
 * its way costs no time.
 */
const touchStorage = () => {
  if (documentProperty("prerendering")) return;
  try {
    window.sessionStorage.length;
  } catch (_) {
    // A page may forbid it; the core finds that out by itself.
  }
};

const resolveURL = () => {
  if (PACKAGE) return;
  try {
    wasmURL = new URL(wasmURL, (!dataURL && src) || documentProperty("baseURI")).href;
    if (!dataURL && !scriptHash && sameOrigin(wasmURL, home)) integrity = "";
  } catch (_) {
    // The script came from where nothing lies beside it (blob:, data:).
  }
};

/**
 * Resolves with the module or the answer that the page has set; with undefined where it has set
 * a URL or nothing, and wasmURL is what to ask for. The hash is not checked only where page,
 * module and file are of one origin: whether the page has a module of another origin checked, in
 * its import map, cannot be seen.
 */
const fromPage = async () => {
  const source = await takeSource();
  if (isModule(source)) return /** @type {WebAssembly.Module} */ (source);
  home = location.href;
  /** @type {string | undefined} */
  let own;
  try {
    own = new URL(locate().href, documentProperty("baseURI")).href; // Next.js gives one without an origin
  } catch (_) {
    // The bundler gives the module no URL.
  }
  if (isResponse(source)) {
    wasmURL = source.url || "the answer that was set";
  } else if (source || own) {
    try {
      wasmURL = new URL(/** @type {string} */ (source || own), documentProperty("baseURI")).href;
    } catch (e) {
      throw initFailed("what was set with setWasmURL is no URL: " + source, e);
    }
  } else {
    throw initFailed("the bundler does not tell where the package's .wasm file is: name its place with setWasmURL");
  }
  // An answer that the page has made has no URL.
  integrity = [own, isResponse(source) ? source.url : wasmURL].every((url) => !url || sameOrigin(url, home)) ? "" : hash;
  return isResponse(source) ? source : undefined;
};

/** @param {string} integrity "": whatever the file is */
const ask = (integrity) => fetch(wasmURL, { integrity, credentials: "same-origin" });

const request = async () => {
  try {
    return await ask(integrity);
  } catch (e) {
    throw await diagnose(/** @type {Error} */ (e));
  }
};

const fetchModule = async () => {
  const begun = +new Date();
  if (PACKAGE) {
    const given = await fromPage();
    if (given) return isResponse(given) ? compileGiven(given) : given;
  }
  resolveURL();
  let response = await request();
  // A redirection, or the page's service worker, may have led to another origin.
  if (!integrity && response.url && !sameOrigin(response.url, home)) {
    cancel(response);
    integrity = hash;
    response = await request();
  }
  const error = mismatch(response);
  if (error) throw error;
  loaded = wasmURL.split("?")[0] + ": status " + response.status + " after " + (+new Date() - begun) + " ms";
  return compileSafely(response);
};

/** @param {Response} response */
const compileSafely = async (response) => {
  try {
    return await compile(response);
  } catch (e) {
    throw unusable(e);
  }
};

/** @param {Response} response that the page has set */
const compileGiven = async (response) => {
  if (response.bodyUsed) throw initFailed("the answer that was set with setWasmURL has been read: set another");
  const error = mismatch(response);
  if (error) throw error;
  if (!integrity) return compileSafely(response);
  const file = await response.arrayBuffer();
  if (!await verify(file)) throw initFailed(otherFile(response));
  return WebAssembly.compile(file);
};

/** @param {Response} response */
const compile = async (response) => {
  // A compiler that streams takes this type only, and no answer of a page's own fetch.
  if (contentType(response) === "application/wasm" && WebAssembly.compileStreaming) {
    const compiled = WebAssembly.compileStreaming(response);
    touchStorage();
    try {
      return await compiled;
    } catch (e) {
      if (response.bodyUsed) throw e;
    }
  }
  return WebAssembly.compile(await response.arrayBuffer());
};

/** @param {Response} response */
const contentType = (response) => response.headers.get("Content-Type");

/** @param {Response} response which nobody reads */
const cancel = (response) => {
  if (response.body) response.body.cancel();
};

/** @param {Response} response */
const describe = (response) =>
  wasmURL + " answered status " + response.status + ", type " + (contentType(response) || "no content type");

/**
 * Returns the error for an answer that cannot be the file, which it cancels.
 * @param {Response} response
 * @param {unknown} [cause]
 */
const mismatch = (response, cause) => {
  if (response.ok && !/html/.test(/** @type {string} */ (contentType(response)))) return;
  cancel(response);
  return initFailed(describe(response) + (PACKAGE
    ? ": serve the package's .wasm file there, or name its place with setWasmURL; where the site was deployed anew since this page was loaded, reload the page"
    : ": put the .wasm file beside the script, or set data-wasm-url on its script tag"), cause);
};

/**
 * Returns the error for a request that failed. The browser says of all failures the same, so
 * this asks again, without integrity.
 * @param {Error} e
 */
const diagnose = async (e) => {
  let response;
  try {
    response = await ask("");
  } catch (_) {
    return initFailed(wasmURL + " cannot be fetched (network, CORS or Content-Security-Policy): " + e.message, e);
  }
  const error = mismatch(response, e);
  if (error) return error;
  cancel(response);
  return initFailed(otherFile(response), e);
};

/** @param {Response} response of a file whose hash is another */
const otherFile = (response) => describe(response) + ", but it is not the file of this script's build " + BUILD +
  ": " + sameBuild + (PACKAGE ? "" : ", and look for stale caches");
