// Package demo holds the demo's pages, the customer's and the agents', for the
// process that serves them.
package demo

import "embed"

// Files is this folder: index.html is the customer's page, desk/index.html the
// agents'. It also holds this source file, so serve from it by kind of file.
//
//go:embed *
var Files embed.FS
