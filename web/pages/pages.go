// Package pages holds the pages that a gateway serves: the agents' desk, and the demo's
// customer page, which uses the desk's shared parts.
package pages

import "embed"

// Files is this folder: desk/ is all that the agents' desk needs, index.html the demo's
// customer page. It also holds this source file, so serve from it by kind of file.
//
//go:embed *
var Files embed.FS
