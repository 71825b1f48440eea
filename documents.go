// Package openchat holds the repository's documents, for the demo to serve. It stands at the top
// level because what is embedded must lie below the file that embeds it.
package openchat

import "embed"

// Documents are the documents, by their paths in the repository.
//
//go:embed README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md LICENSE docs/*.md tests/BENCH.md tests/CONFORMANCE.md web/pages/README.md
var Documents embed.FS
