package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// section returns the text of a document between a heading and the next one of its level.
func section(t *testing.T, document, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + document)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", document, heading)
	}
	before, _, _ := strings.Cut(after, "\n## ")
	return before
}

// The policies of docs/security.md, as they are printed but for their hosts: a page chats under each.
func TestDocumentedPolicies(t *testing.T) {
	t.Parallel()
	w := harness.NewEnvironment(t, "--allowed-origins", "*")
	policies := regexp.MustCompile("(?s)```text\n(.*?)\n```").FindAllStringSubmatch(section(t, "docs/security.md", "Content Security Policy"), -1)
	if len(policies) != 3 {
		t.Fatalf("docs/security.md has %d policies", len(policies))
	}
	tag := allSamples(t)["docs/security.md html 1"]
	if !strings.Contains(tag, ` integrity="sha384-…"`) || !strings.Contains(tag, "https://cdn.example.com/") {
		t.Fatalf("docs/security.md has the script tag %q", tag)
	}
	var info struct{ SHA384 map[string]string }
	text, err := os.ReadFile("../../dist/build-info.json")
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	const script = "avaya-ccaas-chat-sdk.js"
	tag = strings.Replace(tag, "sha384-…", info.SHA384[script], 1)
	for _, tt := range []struct {
		name         string
		gateway, cdn bool // whether they are of other origins than the page
		tag, nonce   string
		without      string // what is left out of the policy
		code         string
	}{
		{name: "one origin", tag: `<script src="/` + script + `"></script>`},
		{name: "the gateway elsewhere", gateway: true, tag: `<script src="https://chat.example.com/` + script + `"></script>`},
		{name: "a CDN, with integrity and a nonce", gateway: true, cdn: true, tag: tag, nonce: ` nonce="r4nd0m"`},
		{name: "without wasm-unsafe-eval", tag: `<script src="/` + script + `"></script>`, without: " 'wasm-unsafe-eval'", code: "ACS-311"},
		{name: "a CDN that connect-src does not name", gateway: true, cdn: true, tag: tag, nonce: ` nonce="r4nd0m"`, without: "connect-src 'self' https://cdn.example.com", code: "ACS-311"},
	} {
		t.Run("NS-1 INIT-9 "+tt.name, func(t *testing.T) {
			page := w.NewOrigin(t)
			gateway, cdn, policy := page, page, policies[0][1]
			if tt.gateway {
				gateway, policy = w.NewOrigin(t), policies[1][1]
			}
			if tt.cdn {
				cdn, policy = w.NewOrigin(t), policies[2][1]
			}
			if !strings.Contains(policy, tt.without) {
				t.Fatalf("the policy has no %s: %s", tt.without, policy)
			}
			if tt.without != "" {
				policy = strings.Replace(policy, tt.without, map[bool]string{true: "connect-src 'self'"}[strings.HasPrefix(tt.without, "connect-src")], 1)
			}
			here := strings.NewReplacer(
				"https://chat.example.com", gateway.URL, "wss://chat.example.com", strings.Replace(gateway.URL, "http", "ws", 1),
				"https://cdn.example.com", cdn.URL, "wss://shop.example.com", strings.Replace(page.URL, "http", "ws", 1))
			page.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/t/own.html" {
					return false
				}
				rw.Header().Set("Content-Security-Policy", here.Replace(policy))
				rw.Header().Set("Content-Type", "text/html; charset=utf-8")
				fmt.Fprintf(rw, `<!doctype html><html lang="en"><meta charset="utf-8"><title>A page with a policy</title><link rel="icon" href="/t/icon.svg"><body>%s<script src="/t/page.js" defer%s></script>`,
					here.Replace(tt.tag), tt.nonce)
				return true
			})
			b := harness.NewTab(t, "customer")
			if tt.code != "" {
				b.AllowErrors(`Content.Security.Policy|Failed to fetch|policy violated|connect-src|violates`)
			}
			b.Open(page.URL + "/t/own.html")
			params := w.InitParams(t, harness.NewCustomerID("policy"), harness.TokenOptions{})
			params["hostURL"] = gateway.URL
			var r struct {
				Error *struct{ Code, Message string }
			}
			b.Eval(&r, `t.init(%s)`, params)
			if tt.code != "" {
				if r.Error == nil || r.Error.Code != tt.code {
					t.Errorf("init: %+v, want %s", r.Error, tt.code)
				}
				return
			}
			if r.Error != nil {
				t.Fatalf("init: %+v", r.Error)
			}
			id := harness.CreateEngagement(b)
			b.WaitEvent("MESSAGE_ARRIVED", nil)
			harness.SendTexts(b, id, "under the policy")
		})
	}
}
