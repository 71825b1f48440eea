package main

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"openchat/web/pages"
)

// deskPath is where the pages of the agents' desk are: all that they need is below it, but for
// the desk's API.
const deskPath = "/desk/"

// deskHeaders is what the pages of the desk may do: run their own files, and talk to this
// origin.
var deskHeaders = isolated("script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'")

// deskConfig is what the desk's page learns of its server before anybody signs in.
type deskConfig struct {
	// Credential signs the page in by itself. Only the demo hands one out.
	Credential string `json:"credential,omitzero"`
}

// pageHandler serves the pages.
func pageHandler() (http.Handler, error) {
	return pageFiles(pages.Files, func(path string) headers {
		if strings.HasPrefix(path+"/", deskPath) {
			return deskHeaders
		}
		return pageHeaders
	})
}

// addDeskPages serves the pages of the agents' desk where --desk-pages or the demo asks for them.
func (p *process) addDeskPages(mux *http.ServeMux) error {
	if !p.deskPages && !p.demo {
		return nil
	}
	handler, err := pageHandler()
	if err != nil {
		return err
	}
	var config deskConfig
	if p.demo {
		config.Credential = p.deskAccess.Credentials[0].Secret
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	mux.Handle(strings.TrimSuffix(deskPath, "/"), handler)
	mux.Handle(deskPath, handler)
	mux.HandleFunc(deskPath+"config.json", serveConfig(text))
	return nil
}

// serveConfig answers with JSON that a page reads at its start.
func serveConfig(text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !reading(w, r) {
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		_, _ = w.Write(text) // an error means that the browser has gone
	}
}
