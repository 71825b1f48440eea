// What fragments of code in the documents take for granted. Whole samples declare all that they
// use, and are run by tests/browser.

/// <reference path="../../../js/avaya-ccaas-chat-sdk.d.ts" />

/** The SDK, from the global or from the package. */
declare const sdk: typeof AvayaCCaaSChatSDK;
/** A chat of the customer. */
declare const chat: AvayaCCaaSChatSDK.Engagement;
/** What the page's back end has answered. */
declare const account: AvayaCCaaSChatSDK.SDKInitParams;
/** What a single-file component of Vue exports. */
declare module "*.vue" {
  const component: import("vue").Component;
  export default component;
}
declare const hostURL: string;
declare const integrationId: string;
declare const token: string;
declare const appkey: string;
