// Package types holds avaya-ccaas-chat-sdk.d.ts against a compiler and against the
// built SDK.
//
// good.ts uses every member and every event's payload as a strict page does; bad.ts is
// a list of wrong uses. declared.mjs asks the compiler what is declared, built.js looks
// at what the built script gives a page in Chromium; neither may have what the other
// lacks. samples.mjs holds the samples of the documents against the types, with given.d.ts;
// reference.mjs reads the comments of which docs/reference.md is made.
//
// TypeScript comes from npm, at test time only, in the version that package.json pins:
// tests/setup/typescript.sh installs it where it is missing.
package types
