package browser

import (
	"testing"

	"openchat/tests/harness"
)

// TestDocuments asks axe-core about the documents' pages: the list, prose with code, and tables.
// It takes minutes for the longest, and so is shown only their beginnings.
func TestDocuments(t *testing.T) {
	t.Parallel()
	needAxe(t)
	home := harness.Shared(t).Gateway.URL
	b := harness.NewTab(t, "reader")
	for _, name := range []string{"", "start.html", "reference.html", "errors.html"} {
		b.Open(home + "/docs/" + name)
		b.Eval(nil, `document.querySelectorAll("main > :nth-child(n + 40)").forEach((e) => e.remove())`)
		audit(b, "documents-"+name)
	}

	b.Open(home + "/")
	b.ClickToLoad(`a[href="/docs/"]`)
	b.WaitUntil("the list of documents", `document.title === "Documents - Chat SDK"`)
	b.ClickToLoad(`main a[href="start.html"]`)
	b.WaitUntil("a document", `location.pathname === "/docs/start.html"`)
}
