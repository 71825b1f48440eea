package browser

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// TestRealms chats from pages whose other scripts change the language, before the SDK's
// script or after it. pages/realms has what such scripts do.
func TestRealms(t *testing.T) {
	harness.Needs(t, harness.ChangedRealm)
	t.Parallel()
	w := harness.Shared(t)
	for _, tt := range []struct {
		layer  string
		before bool
	}{
		{"mootools", true}, {"mootools", false},
		{"prototype", true}, {"prototype", false},
		{"wrapped", true}, {"wrapped", false},
		{"subclassed", true}, {"subclassed", false},
		{"frozen", true}, {"frozen", false},
		{"typedarray", true},
		{"gone", false},
	} {
		layer, where := `<script src="/t/realms/`+tt.layer+`.js"></script>`, "after the script"
		scripts := `<script src="/avaya-ccaas-chat-sdk.js"></script>` + layer
		if tt.before {
			where = "before the script"
			scripts = layer + `<script src="/avaya-ccaas-chat-sdk.js"></script>`
		}
		t.Run("NS-1 NS-2 NS-13 MSG-1 PAGE-2 SHUT-1 a page that changed the language: "+tt.layer+" "+where, func(t *testing.T) {
			o := hookPage(t, w, `<script src="/t/realm.js"></script>`+scripts, nil)
			b := harness.NewTab(t, "customer")
			b.Open(o.URL + "/t/own.html")
			customer := harness.NewCustomerID("realm")
			params := w.InitParams(t, customer, harness.TokenOptions{})
			params["hostURL"] = o.URL
			params["sessionParameters"] = map[string]string{"page": "a changed page"}
			text, err := json.Marshal(params)
			if err != nil {
				t.Fatal(err)
			}
			var begun string
			b.Eval(&begun, `realm.begin(%s, { logLevel: "WARN" })`, string(text))
			id, name, _ := strings.Cut(begun, " ")
			if name != "Customer "+customer {
				t.Errorf("the user is %q", name)
			}
			agent := w.NewAgent(t, "Bo "+customer)
			agent.Accept(id)
			received := func(event, text string) {
				t.Helper()
				b.Wait(text, func(list []harness.Report) bool {
					return slices.ContainsFunc(list, func(e harness.Report) bool { return e.Name == event && strings.Contains(string(e.Data), text) })
				})
			}
			for _, text := range harness.Numbered("theirs", 6) {
				agent.Send(id, text)
				received("MESSAGE_ARRIVED", text)
			}
			var said string
			if b.Eval(&said, `realm.say("mine ä 😀")`); said != "mine ä 😀" {
				t.Errorf("the promise has %q", said)
			}
			received("MESSAGE_DELIVERED", "mine")
			agent.WaitText(id, "mine ä 😀")
			var history string
			if b.Eval(&history, `realm.history()`); !strings.HasSuffix(history, strings.Join(harness.Numbered("theirs", 6), "|")+"|mine ä 😀") {
				t.Errorf("the history is %q", history)
			}
			var failure string
			b.Eval(&failure, `realm.failure(() => realm.engagement.sendMessage(""))`)
			if !strings.HasPrefix(failure, "true ACSException ACS-322: Constraint Violation Error") {
				t.Errorf("an error is %q", failure)
			}
			if b.Eval(&failure, `realm.failure((sdk) => sdk.shutdown())`); failure != "none" {
				t.Errorf("shutdown: %s", failure)
			}
			if n := harness.CountEvents(b.Reports.All(), "SHUTDOWN"); n != 1 {
				t.Errorf("SHUTDOWN came %d times", n)
			}
		})
	}
}
