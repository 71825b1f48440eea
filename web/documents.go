package main

import (
	"net/http"
	"strings"

	"openchat/docs"
	"openchat/web/documents"
)

// documentsPath is where the demo serves the documents.
const documentsPath = "/docs/"

// documentsHeaders is what the documents' pages may do: show themselves. They have no scripts.
var documentsHeaders = headers{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-cache",
}

// addDocuments serves the documents.
func addDocuments(mux *http.ServeMux) error {
	pages, err := documents.Pages(docs.Files)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for name, content := range pages {
		files[documentsPath+name] = content
	}
	handler := servePages(files, func(string) headers { return documentsHeaders })
	mux.Handle(strings.TrimSuffix(documentsPath, "/"), handler)
	mux.Handle(documentsPath, handler)
	return nil
}
