// Package docs holds the documents of this folder, for the demo to serve.
package docs

import "embed"

// Files are the documents, by their names.
//
//go:embed *.md
var Files embed.FS
