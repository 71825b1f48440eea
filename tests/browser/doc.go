// Package browser drives the built artefact: the real script and wasm of dist/, in a
// real Chromium, against the real gateway process. Its tests are the journeys of a
// customer and an agent (journeys_test.go), the demo's own pages (demo_test.go), what
// happens when the wasm does not come (wasm_test.go), the rows of the surface
// (rows_*_test.go), what the browser does for their calls (requests_test.go), prerendered
// pages (prerender_test.go), the samples of the guide (guide_test.go), pages as they are written
// in the wild (wild_test.go), and whether the documents of docs/ say what the code does
// (docs_test.go).
//
// How it stands: The first test that needs them builds dist/, with build.sh, and the
// gateway, and starts the browser. A world
// (world_test.go) is a gateway process and one origin (origin_test.go), a reverse
// proxy that outlives the gateway, adds the pages of pages/ under /t/, and can answer
// any path otherwise. A line (line_test.go) is an origin whose event streams can be held,
// cut and rewritten frame by frame. pages/fastclock.js gives a page a clock that the test
// sets; the SDK under it is the shipped one. A tab (tab_test.go) is a browser tab whose page reports what it
// hears; a desk (desk_test.go) is an agent's program. Every wait is for an event,
// with a deadline.
//
// Environment: CHROMIUM names the browser; OPENCHAT_LOG=1 shows the gateway's log and the
// pages' reports as they come. Screenshots go to out/.
package browser
