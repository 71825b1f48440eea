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
var documentsHeaders = isolated("style-src 'self'; img-src 'self'")

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
