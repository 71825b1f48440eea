package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"openchat/tests/harness"
)

// A page as they exist: it stands on the shop's own origin, has the script from the chat's
// server, and posts who its customer is as the platform's public API has it, with lists, to
// another origin's getJWT.
func TestExistingPagesSignIn(t *testing.T) {
	t.Parallel()
	harness.Shared(t) // has built it
	shop := httptest.NewServer(nil)
	t.Cleanup(shop.Close)
	w := &harness.Environment{Gateway: &harness.Gateway{Dir: t.TempDir(), Flags: []string{"--allowed-origins", shop.URL}}}
	w.Gateway.Start(t)
	t.Cleanup(w.Gateway.Kill)
	shop.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(rw, `<!doctype html><title>The shop</title><link rel="icon" href="data:,">
<script src="%s/avaya-ccaas-chat-sdk.js" defer></script><body>`, w.Gateway.URL)
	})
	for name, identifiers := range map[string]string{
		"lists":          `{ emailAddresses: ["a@example.net"], userId: ["4711"] }`,
		"single strings": `{ emailAddresses: "a@example.net", userId: "4711" }`,
	} {
		t.Run("INIT-3 identifiers as "+name, func(t *testing.T) {
			b := harness.NewTab(t, "customer")
			b.Open(shop.URL)
			customer := harness.NewCustomerID("existing")
			var got struct {
				Status       int
				Date, Dialog string
				Delivered    string
			}
			b.Eval(&got, `(async () => {
				const sdk = window.AvayaCCaaSChatSDK;
				const chat = %s, customerId = %s;
				const answer = await fetch(chat + "/v1/getJWT", {
					method: "POST",
					headers: { "Content-Type": "application/json" },
					body: JSON.stringify({ customerId, customerName: "Ada Quill", customerIdentifiers: `+identifiers+`, verifiedCustomer: true }),
				});
				if (!answer.ok) return { status: answer.status };
				const { jwtToken, appkey } = await answer.json();
				const { integrationId } = JSON.parse(atob(jwtToken.split(".").at(-2).replaceAll("-", "+").replaceAll("_", "/")));
				const delivered = new Promise((resolve) => sdk.on("MESSAGE_DELIVERED", (m) => resolve(m.body.elementText.text)));
				const active = new Promise((resolve) => sdk.on("ENGAGEMENT_ACTIVE", resolve));
				await sdk.init({ hostURL: chat, integrationId, token: jwtToken, appkey });
				const engagement = await sdk.createEngagement({ topic: "A lamp" });
				await active;
				await engagement.sendMessage("from an existing page");
				return { status: answer.status, date: answer.headers.get("Date") ?? "", dialog: engagement.dialogId, delivered: await delivered };
			})()`, w.Gateway.URL, customer)
			if got.Status != 200 || got.Dialog == "" || got.Delivered != "from an existing page" {
				t.Errorf("the page has %+v", got)
			}
			if _, err := http.ParseTime(got.Date); err != nil {
				t.Errorf("the page reads the date %q of getJWT's answer: %v", got.Date, err)
			}
		})
	}
	t.Run("INIT-3 a refusal names the field", func(t *testing.T) {
		b := harness.NewTab(t, "customer")
		b.AllowErrors("status of 400")
		b.Open(shop.URL)
		var got struct {
			Status     int
			Violations []struct{ Field, Message string }
		}
		b.Eval(&got, `(async () => {
			const answer = await fetch(%s + "/v1/getJWT", {
				method: "POST",
				headers: { "Content-Type": "application/json" },
				body: JSON.stringify({ customerId: "ann", customerIdentifiers: { userId: ["1", "2", 4711] } }),
			});
			return answer.json();
		})()`, w.Gateway.URL)
		if got.Status != 400 || len(got.Violations) != 1 || got.Violations[0].Field != "customerIdentifiers.userId[2]" {
			t.Errorf("the page reads %+v", got)
		}
	})
}
