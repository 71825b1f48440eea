// The shim gives the core, which is Go in WebAssembly, the shape that pages know as
// window.AvayaCCaaSChatSDK. It has no protocol and no retries, and its one timer only begins
// the download.
//
// js/pack bundles the shipped script from this file and its modules in src: one classic script
// that does nothing where there is no document, because rendering on a server imports it, too.

import { load } from "./src/load.js";
import { ownGlobal, setTimeout } from "./src/realm.js";
import { sdk } from "./src/sdk.js";
import { inRootZone } from "./src/zone.js";

// A second script tag must not take the handlers and the session from the first.
if (!ownGlobal("AvayaCCaaSChatSDK")) {
  /** @type {{ AvayaCCaaSChatSDK: AvayaCCaaSChatSDK.SDK }} */ (window).AvayaCCaaSChatSDK = sdk;
  // Begin at once, but let the page call before that: to begin takes as long as all of the
  // above. What goes wrong is reported by init, after another try.
  inRootZone(setTimeout, () => load().catch(() => {}));
}
