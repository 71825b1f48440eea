package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// create asks for a chat of the session, with parameters of size bytes in all.
func (c *chat) create(key string, size int) reply {
	c.w.t.Helper()
	parameters := ""
	for i := 0; size > 0; i++ {
		n := min(size, wire.MaxParameterValue)
		parameters += fmt.Sprintf(`,"%02d":%q`, i, strings.Repeat("x", n-2))
		size -= n
	}
	return c.w.call("POST", "/engagements", c.token, fmt.Sprintf(`{"sessionId":%q,"engagementParameters":{%s},"correlationId":%q}`, c.session.SessionID, strings.TrimPrefix(parameters, ","), key))
}

// refusedBy checks that an answer is a quota's refusal, which says which one, what is
// possible and, with 429, when.
func (r reply) refusedBy(t *testing.T, status int, quota, detail string) {
	t.Helper()
	p := r.problem()
	if r.status != status || !p.Has(quota) || !strings.Contains(p.Detail, detail) {
		t.Errorf("%d %s instead of %d of %s with %q", r.status, r.body, status, quota, detail)
	}
	if after, err := strconv.Atoi(r.header.Get("Retry-After")); status == 429 && (err != nil || after < 1 || after > 3600) {
		t.Errorf("%s: Retry-After is %q", quota, r.header.Get("Retry-After"))
	}
}

func (r reply) is(t *testing.T, status int) {
	t.Helper()
	if r.status != status {
		t.Errorf("%d %s instead of %d", r.status, r.body, status)
	}
}

func TestOngoingChats(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.Quotas.CustomerChats, c.Quotas.AccountChats = 3, 5 })
	ann, bob := w.session("ann"), w.session("bob")
	var first reply
	for i := range 3 {
		r := ann.create(fmt.Sprint("key ", i), 0)
		r.is(t, 201)
		if i == 0 {
			first = r
		}
	}
	ann.create("one more", 0).refusedBy(t, 409, quotaOngoing, "3 ongoing chats")
	again := ann.create("key 0", 0)
	if again.status != 200 || string(again.body) != string(first.body) {
		t.Errorf("a repeat: %d %s instead of %s", again.status, again.body, first.body)
	}
	bob.create("1", 0).is(t, 201)
	bob.create("2", 0).is(t, 201)
	bob.create("3", 0).refusedBy(t, 429, quotaOngoing, "account")
	if e, err := wire.DecodeEngagement(first.body); err != nil {
		t.Fatal(err)
	} else {
		ann.e = e
	}
	ann.join()
	w.call("POST", "/engagements/"+ann.e.EngagementID+":disconnect", ann.token, `{`+ann.ids()+`}`).is(t, 200)
	bob.create("3", 0).is(t, 201)
}

func TestChatsPerHour(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.Quotas.CustomerChatsPerHour, c.Quotas.AccountChatsPerHour = 3, 5 })
	ann, bob := w.session("ann"), w.session("bob")
	for i := range 3 {
		for _, status := range []int{201, 200, 200} { // repeats do not count
			ann.create(fmt.Sprint("key ", i), 0).is(t, status)
		}
	}
	r := ann.create("one more", 0)
	r.refusedBy(t, 429, quotaChats, "3 chats an hour")
	if r.header.Get("Retry-After") < "1190" || r.header.Get("Retry-After") > "1200" {
		t.Errorf("Retry-After: %s, where the next is possible in 20 minutes", r.header.Get("Retry-After"))
	}
	ann.create("key 0", 0).is(t, 200)
	bob.create("1", 0).is(t, 201)
	bob.create("2", 0).is(t, 201)
	bob.create("3", 0).refusedBy(t, 429, quotaChats, "account")
	bob.create("2", 0).is(t, 200)
}

// What is refused because the account has used its quota is not taken from the customer's own.
func TestWhatAnAccountIsRefusedCostsItsCustomersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHourly(quotaChats, "create %d chats")
		h.set(2, 1)
		ann, bob := store.Customer{Account: account, ID: "ann"}, store.Customer{Account: account, ID: "bob"}
		if err := h.take(ann, 1); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if h.take(bob, 1) == nil {
				t.Fatal("the account may have more than its quota")
			}
		}
		h.set(2, 100)
		time.Sleep(2 * time.Minute) // in which the account gets what it needs, and bob a fifteenth of a chat
		for range 2 {
			if err := h.take(bob, 1); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSessionsPerHour(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.Quotas.CustomerSessionsPerHour, c.Quotas.AccountSessionsPerHour = 2, 3 })
	create := func(token, key string) reply {
		return w.call("POST", "/sessions", token, `{"integrationId":"`+integration+`","correlationId":"`+key+`"}`)
	}
	ann, bob := w.token("ann"), w.token("bob")
	create(ann, "1").is(t, 201)
	create(ann, "2").is(t, 201)
	create(ann, "3").refusedBy(t, 429, quotaSessions, "2 sessions an hour")
	create(ann, "2").is(t, 200)
	create(bob, "1").is(t, 201)
	create(bob, "2").refusedBy(t, 429, quotaSessions, "account")
}

func TestBytesPerHour(t *testing.T) {
	const size = 3000
	w := newEnvironment(t, func(c *Config) {
		c.Quotas.CustomerBytesPerHour, c.Quotas.AccountBytesPerHour = 2*RecordBytes+4*size+size/2, 4*RecordBytes+5*size+size/2
	})
	ann, bob := w.chat("ann"), w.chat("bob")
	text := strings.Repeat("x", size-RecordBytes-10)
	say := func(c *chat, text, key string) reply {
		return w.call("POST", "/engagements/"+c.e.EngagementID+"/messages", c.token, c.body(text, key))
	}
	say(ann, text, "1").is(t, 201)
	say(ann, text, "2").is(t, 201)
	ann.create("parameters", size-RecordBytes-10).is(t, 201)
	say(ann, text, "3").is(t, 201)
	say(ann, text, "4").refusedBy(t, 429, quotaBytes, "bytes an hour")
	ann.create("more", size-RecordBytes-10).refusedBy(t, 429, quotaBytes, "bytes an hour")
	say(ann, text, "1").is(t, 200)
	ann.create("parameters", size-RecordBytes-10).is(t, 200)
	say(bob, text, "1").is(t, 201)
	say(bob, text, "2").refusedBy(t, 429, quotaBytes, "account")
	t.Run("an empty text counts, too", func(t *testing.T) {
		w := newEnvironment(t, func(c *Config) { c.Quotas.CustomerBytesPerHour = 5*RecordBytes + 200 })
		ann := w.chat("ann")
		for i := range 3 {
			say := w.call("POST", "/engagements/"+ann.e.EngagementID+"/messages", ann.token, ann.body("x", fmt.Sprint(i)))
			say.is(t, 201)
		}
		w.call("POST", "/engagements/"+ann.e.EngagementID+"/messages", ann.token, ann.body("x", "4")).refusedBy(t, 429, quotaBytes, "bytes an hour")
	})
}

// A call counts from its token until its answer has been written.
func TestCallsInProgress(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.Quotas.CustomerCalls = 2 })
	ann, bob := w.session("ann"), w.session("bob")
	// begin makes a call without its body, and returns when the gateway waits for that.
	begin := func() (net.Conn, *bufio.Reader) {
		conn := w.raw(t)
		fmt.Fprintf(conn, "POST %s/sessions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nappkey: %s\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", wire.BasePath, ann.token, appkey)
		r := bufio.NewReader(conn)
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusContinue {
			t.Fatalf("%v, %v", res, err)
		}
		return conn, r
	}
	get := "GET " + wire.BasePath + "/sessions/" + ann.session.SessionID
	first, answers := begin()
	begin()
	w.call("GET", "/sessions/"+ann.session.SessionID, ann.token, "").refusedBy(t, 429, quotaCalls, "2 calls in progress")
	w.call("GET", "/sessions/"+bob.session.SessionID, bob.token, "").is(t, 200)
	// On the same connection, the next call begins when the one before has ended.
	_, _ = io.WriteString(first, "{}"+get+" HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer "+ann.token+"\r\nappkey: "+appkey+"\r\n\r\n")
	for _, want := range []int{400, 200} {
		res, err := http.ReadResponse(answers, nil)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%v, %v instead of %d", res, err, want)
		}
		_, _ = io.Copy(io.Discard, res.Body)
	}
}

// However many calls a customer has in progress, two are worked on, and nothing is kept of who has none.
func TestCallsOfACustomerWaitForEachOther(t *testing.T) {
	q := newQuotas(Quotas{CustomerCalls: 8}, nil)
	ann, bob := store.Customer{Account: "ABCDEF", ID: "ann"}, store.Customer{Account: "ABCDEF", ID: "bob"}
	var ends []func()
	worked := func(c store.Customer) (n int) {
		for range 4 {
			turn, end, err := q.call(c)
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, end)
			select {
			case turn <- struct{}{}:
				n++
			default:
			}
		}
		return n
	}
	if a, b := worked(ann), worked(bob); a != atOnce || b != atOnce {
		t.Errorf("%d of ann's calls and %d of bob's are worked on, not %d", a, b, atOnce)
	}
	for _, end := range ends {
		end()
	}
	if len(q.turns) != 0 || len(q.calls) != 0 {
		t.Errorf("%d customers are remembered", len(q.turns)+len(q.calls))
	}
}
