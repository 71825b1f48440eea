package browser

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"openchat/tests/harness"
)

// TestRandomDiffersByPageLoad: all pages start from the same state of Go's memory, its generator
// included. What must differ between them is drawn from the browser: no two of 40 loads, in make
// soak of 200, have the key of a session in common, and no two of those that chat that of a chat or
// a message.
func TestRandomDiffersByPageLoad(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	o := w.NewOrigin(t)
	loads, chats := 40, 4
	if os.Getenv("OPENCHAT_SOAK") != "" {
		loads, chats = 200, 8
	}
	want := map[string]int{"/sessions": loads, "/engagements": chats, "/messages": chats}
	var mu sync.Mutex
	keys := map[string]map[string]bool{}
	for kind := range want {
		keys[kind] = map[string]bool{}
	}
	o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != "POST" {
			return false
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		var call struct{ CorrelationID string }
		if json.Unmarshal(body, &call) != nil || call.CorrelationID == "" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		for kind := range want {
			if strings.HasSuffix(r.URL.Path, kind) {
				keys[kind][call.CorrelationID] = true
			}
		}
		// The other loads are over with the call that makes the session.
		if len(keys["/sessions"]) > chats {
			harness.WriteProblem(rw, 401, "unauthorized", "")
			return true
		}
		return false
	})
	b := harness.NewTab(t, "customer")
	b.AllowErrors(harness.NetworkErrors)
	params := w.InitParams(t, harness.NewCustomerID("random"), harness.TokenOptions{})
	for i := range loads {
		mark := b.Mark()
		b.Open(o.URL + "/t/page.html")
		var failure string
		b.JS(&failure, `const { error } = await t.init(%s, { logLevel: "OFF" }); return error ? error.code : ""`, params)
		if i >= chats {
			if failure != "ACS-305" {
				t.Fatalf("load %d: init ended with %q", i, failure)
			}
			continue
		}
		id := harness.CreateEngagement(b)
		b.WaitNth(mark, "ENGAGEMENT_ACTIVE", 1)
		harness.SendTexts(b, id, "one")
		b.JS(nil, `await (await AvayaCCaaSChatSDK.getEngagementById(%s)).disconnect(); await AvayaCCaaSChatSDK.shutdown()`, id)
	}
	mu.Lock()
	defer mu.Unlock()
	for kind, n := range want {
		if got := len(keys[kind]); got != n {
			t.Errorf("POST …%s: %d loads had %d different keys", kind, n, got)
		}
	}
}
