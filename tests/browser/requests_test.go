package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// watched are the requests of a tab as its developer tools show them.
type watched struct {
	mu   sync.Mutex
	urls map[network.RequestID]string // of calls that have begun and not ended
	ends harness.Log[string]          // what became of the ended ones: "method URL", and why if it failed
}

// watchRequests records from now on what becomes of each call of the gateway.
func watchRequests(b *harness.Tab) *watched {
	b.T.Helper()
	harness.Needs(b.T, harness.Requests)
	w := &watched{urls: map[network.RequestID]string{}}
	chromedp.ListenTarget(b.Target().Context, func(event any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if strings.Contains(e.Request.URL, "/chat/v1/") {
				w.urls[e.RequestID] = e.Request.Method + " " + e.Request.URL
			}
		case *network.EventLoadingFinished:
			w.end(e.RequestID, "")
		case *network.EventLoadingFailed:
			w.end(e.RequestID, fmt.Sprintf(": %s, canceled: %v", e.ErrorText, e.Canceled))
		}
	})
	b.Run(network.Enable())
	return w
}

func (w *watched) end(id network.RequestID, why string) {
	if call := w.urls[id]; call != "" {
		delete(w.urls, id)
		w.ends.Add(call + why)
	}
}

// over waits until so many calls of a kind have ended, and returns the ends of all.
func (w *watched) over(t *testing.T, kind string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), harness.Timeout, errors.New("not in time"))
	defer cancel()
	list, err := w.ends.Wait(ctx, func(list []string) bool {
		found := 0
		for _, s := range list {
			if strings.HasPrefix(s, kind+" ") {
				found++
			}
		}
		return found >= n
	})
	if err != nil {
		t.Fatalf("waited for %d ends of %s: %v; there are %q", n, kind, err, list)
	}
	return list
}

// TestRequestsAcrossOrigins has a page call a gateway of another origin, where the browser
// asks for leave before a call unless it remembers it.
func TestRequestsAcrossOrigins(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	site, api := w.NewOrigin(t), w.FaultyOrigin(t)
	site.Intercept(t, harness.ServeWithoutPolicy)
	var mu sync.Mutex
	asked, made := map[string]int{}, map[string]int{} // by URL
	api.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
		// The gateway's demo takes pages of its own host only.
		r.Host = strings.TrimPrefix(site.URL, "http://")
		mu.Lock()
		defer mu.Unlock()
		if r.Method == "OPTIONS" {
			asked[r.URL.String()]++
		} else if !strings.HasSuffix(r.URL.Path, "/events") {
			made[r.Method+" "+r.URL.String()]++
		}
		return false
	})
	b := harness.NewTab(t, "customer")
	b.Open(site.URL + "/t/page.html")
	requests := watchRequests(b)
	params := w.InitParams(t, harness.NewCustomerID("cors"), harness.TokenOptions{})
	params["hostURL"] = api.URL
	const sends, lists, rounds = 11, 5, 5
	var id string
	b.JS(&id, `
		const params = %s;
		for (let i = 1; i < `+fmt.Sprint(rounds)+`; i++) {
			await sdk.init(params, {});
			await sdk.shutdown(); // whose answer has no content
		}
		await sdk.init(params, {});
		const e = await sdk.createEngagement();
		await new Promise((done) => (t.react.PARTICIPANT_ADDED = done));
		for (let i = 0; i < `+fmt.Sprint(sends)+`; i++) await e.sendMessage("message " + i);
		for (let i = 0; i < `+fmt.Sprint(lists)+`; i++) await sdk.getEngagements();
		await sdk.shutdown();
		return e.engagementId`, params)

	t.Run("MSG-4 no call that was answered is shown as canceled", func(t *testing.T) {
		requests.over(t, "POST", rounds+1+sends)
		requests.over(t, "GET", rounds+lists)
		for _, s := range requests.over(t, "DELETE", rounds) {
			if strings.Contains(s, ", canceled: ") {
				t.Errorf("%s", s)
			}
		}
	})
	t.Run("NS-1 the browser asks for leave once for each URL", func(t *testing.T) {
		mu.Lock()
		defer mu.Unlock()
		for url, n := range asked {
			if n != 1 {
				t.Errorf("%d times OPTIONS %s", n, url)
			}
		}
		base := "/api/digital/chat/v1/engagements"
		for i, s := range []string{"POST " + base + "/" + id + "/messages", "GET " + base} {
			found := 0
			for call, n := range made {
				if path, _, _ := strings.Cut(call, "?"); path == s {
					found += n
				}
			}
			if want := []int{sends, lists}[i]; found < want || len(asked) == 0 {
				t.Errorf("%d times %s, want at least %d; asked for leave: %v", found, s, want, asked)
			}
		}
	})
}

// TestRequestsPastTheCache puts a cache's permission into the answers, as a proxy before an
// older gateway may.
func TestRequestsPastTheCache(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	customer := harness.NewCustomerID("cached")
	var mu sync.Mutex
	reached := 0
	f.InterceptREST(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || !strings.HasSuffix(r.URL.Path, "/chat/v1/engagements") {
			return false
		}
		mu.Lock()
		reached++
		mu.Unlock()
		status, body, err := f.Forward(r)
		if err != nil {
			harness.AbortConnection()
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "private, max-age=600")
		rw.WriteHeader(status)
		rw.Write(body)
		return true
	})
	t.Run("NS-5 SES-1 no answer comes from the browser's cache, in this load and the next", func(t *testing.T) {
		b := harness.NewTab(t, "customer")
		for chats := range 3 {
			w.OpenPage(b, f.Origin, "page.html", customer, harness.TokenOptions{}, `{}`)
			b.Expect("NS-5", map[string]any{"before": chats, "after": chats + 1}, `
				const before = (await sdk.getEngagements()).length;
				await sdk.createEngagement();
				return { before, after: (await sdk.getEngagements()).length }`)
		}
		mu.Lock()
		defer mu.Unlock()
		// Each load lists three times: in init, and twice here.
		if reached < 9 {
			t.Errorf("%d of 9 lists reached the gateway", reached)
		}
	})
}

// polyfill is a fetch over XMLHttpRequest, as pages bring it along for old browsers: its
// answers have no stream, and nothing that is not asked for below.
const polyfill = `
	window.fetch = (url, options = {}) => new Promise((resolve, reject) => {
		window.polyfilled = (window.polyfilled || 0) + 1;
		const x = new XMLHttpRequest(), binary = /\.wasm/.test(url);
		x.open(options.method || "GET", url);
		for (const name of Object.keys(options.headers || {})) x.setRequestHeader(name, options.headers[name]);
		if (options.signal) options.signal.addEventListener("abort", () => { x.abort(); reject(new DOMException("Aborted", "AbortError")); });
		x.responseType = binary || %s ? "arraybuffer" : "text";
		x.onload = () => resolve({
			status: x.status, ok: x.status >= 200 && x.status < 300,
			headers: { get: (name) => x.getResponseHeader(name) },
			[x.responseType === "text" ? "text" : "arrayBuffer"]: () => Promise.resolve(x.response),
		});
		x.onerror = () => reject(new TypeError("Network request failed"));
		x.send(options.body);
	});`

func TestPolyfilledFetch(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	for _, c := range []struct{ name, script string }{
		{"whose answers are array buffers", fmt.Sprintf(polyfill, "true")},
		{"whose answers are texts", fmt.Sprintf(polyfill, "false")},
		{"without AbortController", fmt.Sprintf(polyfill, "true") + `delete window.AbortController; delete window.AbortSignal;`},
		{"and a Response of the page's own", fmt.Sprintf(polyfill, "true") + `window.Response = class Response {};`},
	} {
		t.Run("INIT-9 MSG-1 PAGE-1 SHUT-1 a polyfill of fetch "+c.name, func(t *testing.T) {
			b := harness.NewTab(t, "customer")
			b.OnNewDocument(c.script)
			w.OpenPage(b, w.Origin, "page.html", harness.NewCustomerID("polyfill"), harness.TokenOptions{}, `{}`)
			b.Expect("MSG-1", map[string]any{"sent": true, "stored": true, "listed": 1, "shut": "", "polyfilled": true}, `
				const added = new Promise((done) => (t.react.PARTICIPANT_ADDED = done));
				const e = await sdk.createEngagement();
				await added;
				const m = await e.sendMessage("ä€😀");
				const page = await e.getMessages(50);
				return {
					sent: m.body.elementText.text === "ä€😀", stored: page.items.some(({ messageId }) => messageId === m.messageId),
					listed: (await sdk.getEngagements()).length, shut: await code(() => sdk.shutdown()), polyfilled: polyfilled > 5,
				}`)
		})
	}
}

// TestRowsSendsWait holds the first message back at the gateway.
func TestRowsSendsWait(t *testing.T) {
	t.Parallel()
	w := harness.Shared(t)
	f := w.FaultyOrigin(t)
	s := newSurface(t, f.Origin, w.InitParams(t, harness.NewCustomerID("row-wait"), harness.TokenOptions{TTL: 10 * time.Hour}))
	s.AllowErrors(harness.NetworkErrors)
	held, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.InterceptREST(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/messages") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return false
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			var m struct {
				Body struct{ ElementText struct{ Text string } }
			}
			if json.Unmarshal(body, &m) == nil && strings.HasPrefix(m.Body.ElementText.Text, "held") {
				once.Do(func() { close(held) })
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}
		}
		return false
	})
	t.Run("MSG-1 MSG-3 500 messages of a chat may wait, the next is refused at once with ACS-322", func(t *testing.T) {
		s.at(t).want([]any{"rejects ACS-322", true, 0, "resolves"}, `await sdk.init(params, {});
			const chat = async () => { const e = await sdk.createEngagement(); while (e.engagementStatus !== "ACTIVE") await event("ENGAGEMENT_ACTIVE", names().filter((n) => n === "ENGAGEMENT_ACTIVE").length + 1); return e };
			const one = await chat(), other = await chat();
			page.one = one; page.settled = 0; page.sends = [];
			for (let i = 0; i < 500; i++) page.sends.push(outcome(() => one.sendMessage("held " + i)).then((how) => { page.settled++; return how }));
			let message; const beyond = await outcome(() => one.sendMessage("held 500").catch((e) => { message = e.message; throw e }));
			return [beyond, message.includes("500"), page.settled, await outcome(() => other.sendMessage("not of this chat"))]`)
		<-held
		close(release)
		// One is stored, so there is room for one; all others end with the session.
		s.want([]any{"resolves", "pending", "resolves", "rejects ACS-310", "rejects ACS-310"}, `
			const first = await page.sends[0]; let last = "pending"; const late = outcome(() => page.one.sendMessage("late")).then((how) => last = how); await task(); const now = last;
			const end = await outcome(() => sdk.shutdown()); return [first, now, end, await page.sends[499], await late]`)
	})
}
