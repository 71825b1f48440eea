// The entry of the package's modules: the SDK as the script for a tag has it, and what only a
// module needs. js/pack puts it into a function, which gives it provide and locate.
//
// To import it changes nothing, in a page as on a server, where only enumerations, classes and
// the version are of use: there init says that it needs a page.

import { initFailed } from "./src/errors.js";
import { load } from "./src/load.js";
import { Promise, assign, document, freeze } from "./src/realm.js";
import { sdk } from "./src/sdk.js";
import { setSource } from "./src/source.js";
import { inRootZone } from "./src/zone.js";

const noPage = () => initFailed("there is no page: call init in a browser, not where a server renders");

provide(freeze(assign({}, sdk, {
  /**
   * @param {any} params
   * @param {any} config
   */
  init(params, config) {
    if (!document) return Promise.reject(noPage());
    if (config && config.wasmURL !== undefined) {
      setSource(config.wasmURL);
      config = assign({}, config);
      delete config.wasmURL; // which the core does not know
    }
    return sdk.init(params, config);
  },
  setWasmURL: setSource,
  preload: () => (document ? inRootZone(load).then(() => {}) : Promise.reject(noPage())),
})));
