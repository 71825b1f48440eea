// Package browser tests what pages see: the built script and wasm of dist/, in Chromium or,
// where BROWSER says firefox or webkit, in Firefox or WebKit, against the gateway's process. A file is a subject;
// TestRows… are the rows of docs/surface.md, section by section.
//
// The parts are those of tests/harness: an Environment is a gateway and an origin before
// it, which serves pages/ under /t/; a FaultyOrigin's calls and event streams the test
// controls; a Tab's page reports what is delivered to it; an Agent speaks the desk's API.
// pages/fastclock.js gives a page a clock that the test sets; the SDK under it is the
// shipped one. Every wait is for an event, with a deadline.
//
// A test speaks to the browser through its Tab alone. One that needs what an engine lacks, the
// DevTools protocol for instance, calls harness.Needs and is skipped there; why, is one table
// in tests/harness/driver.go. In Chromium the same call takes a whole browser where the engine
// alone is not enough.
//
// Environment: BROWSER names the engine, chromium, firefox or webkit; CHROMIUM, FIREFOX and
// WEBKITDRIVER name the programs; OPENCHAT_LOG=1 shows the gateway's log and the pages' reports as they come.
// Screenshots go to out/.
package browser
