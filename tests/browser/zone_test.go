package browser

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// TestZones chats from a page that works in a zone of zone.js, as Angular's pages do. What
// the SDK does is no work of the page's zone, and handlers run in the zone of their on.
func TestZones(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	if out, err := exec.Command("../setup/zone.sh").CombinedOutput(); err != nil {
		t.Fatalf("tests/setup/zone.sh: %v\n%s", err, out)
	}
	const zone, script = `<script src="/t/zone.umd.js"></script>`, `<script src="/avaya-ccaas-chat-sdk.js"></script>`
	for where, scripts := range map[string]string{"before": zone + script, "after": script + zone} {
		t.Run("NS-1 NS-2 SHUT-1 a page in a zone, zone.js "+where+" the script", func(t *testing.T) {
			o := hookPage(t, w, scripts+`<script src="/t/zone.js"></script>`, func(rw http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/t/zone.umd.js" {
					return false
				}
				http.ServeFile(rw, r, "zone/node_modules/zone.js/bundles/zone.umd.min.js")
				return true
			})
			b := harness.NewTab(t, "customer")
			b.Open(o.URL + "/t/own.html")
			customer := harness.NewCustomerID("zone")
			params := w.InitParams(t, customer, harness.TokenOptions{})
			params["hostURL"] = o.URL

			type result struct{ Value, Zone string }
			call := func(f string, args ...any) string {
				t.Helper()
				var r result
				// The zone's promise is not the language's: the debugger would not wait for it.
				if b.Eval(&r, `(async () => await app.call(`+f+`))()`, args...); r.Zone != "app" {
					t.Errorf("NS-1 after the promise of %s the page is in zone %q", f, r.Zone)
				}
				return r.Value
			}
			// stable asks when the page's own calls are over, and the chat goes on.
			stable := func(when string) {
				t.Helper()
				var r struct {
					Pending   bool
					Scheduled []string
				}
				if b.Eval(&r, `app.tasks()`); r.Pending || len(r.Scheduled) > 0 {
					t.Errorf("NS-1 %s the zone has pending macrotasks: %v; it was given %q", when, r.Pending, r.Scheduled)
				}
			}
			received := func(event, text, in string) {
				t.Helper()
				b.Wait(event+" "+text, func(list []harness.Report) bool {
					i := slices.IndexFunc(list, func(e harness.Report) bool { return e.Name == event && strings.Contains(string(e.Data), text) })
					if i < 0 {
						return false
					}
					if data := decode[result](t, list[i]); data.Zone != in {
						t.Errorf("NS-2 the handler of %s ran in zone %q, want %q", event, data.Zone, in)
					}
					return true
				})
			}
			call(`(sdk) => sdk.init(%s).then(() => "")`, params)
			received("INITIALIZED", "", "app")
			stable("after init")
			id := call(`(sdk) => sdk.createEngagement().then((e) => (window.engagement = e).engagementId)`)
			received("PARTICIPANT_ADDED", "", "<root>")
			agent := w.NewAgent(t, "Bo "+customer)
			agent.Accept(id)
			agent.Send(id, "to the page")
			received("MESSAGE_ARRIVED", "to the page", "app")
			call(`() => engagement.sendMessage("from the page").then((m) => m.messageId)`)
			received("MESSAGE_DELIVERED", "from the page", "other")
			agent.WaitText(id, "from the page")
			b.Eval(nil, `void app.tell((sdk) => sdk.resetIdleTimeout())`)
			call(`() => engagement.getMessages().then((page) => String(page.items.length))`)
			stable("while the chat goes on")
			b.Eval(nil, `void app.hear("MESSAGE_ARRIVED")`)
			agent.Send(id, "to the other zone")
			received("MESSAGE_ARRIVED", "to the other zone", "other")
			call(`(sdk) => sdk.shutdown().then(() => "")`)
			stable("after shutdown")
			call(`(sdk) => sdk.init(%s).then(() => "")`, params)
			stable("after a second init")
		})
	}
}
