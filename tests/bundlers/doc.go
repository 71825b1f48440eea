// Package bundlers holds the tests of the package for npm: what checks packages finds nothing wrong
// with it, and a page that is built of it, by each bundler that pages are built with, sends a
// message to the gateway; what its hooks for React do in Chromium; and the samples of docs/start.md,
// react.md and recipes.md. They are of the package as npm packs it, in a project of its own.
//
// The folder's package.json pins what the short form needs. The others, in the folder all, run with
// make bundlers.
package bundlers
