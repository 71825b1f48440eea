// Package browser tests what pages see: the built script and wasm of dist/, in Chromium,
// against the gateway's process. A file is a subject; rows_*_test.go are the rows of
// docs/surface.md, section by section.
//
// The parts are those of tests/harness: an Environment is a gateway and an origin before
// it, which serves pages/ under /t/; a FaultyOrigin's calls and event streams the test
// controls; a Tab's page reports what is delivered to it; an Agent speaks the desk's API.
// pages/fastclock.js gives a page a clock that the test sets; the SDK under it is the
// shipped one. Every wait is for an event, with a deadline.
//
// Environment: CHROMIUM names the browser; OPENCHAT_LOG=1 shows the gateway's log and the
// pages' reports as they come. Screenshots go to out/.
package browser
