package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// field reads a string member of a JSON object.
func field(t testing.TB, body []byte, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	s, _ := m[name].(string)
	return s
}

func TestSessions(t *testing.T) {
	w := newEnvironment(t)
	ann := w.token("ann")
	create := func(body string) reply { return w.call("POST", "/sessions", ann, body) }
	first := create(`{"integrationId":"` + integration + `","displayName":"ignored","sessionParameters":{"a":"b"},"correlationId":"k","unknown":[{}]}`)
	s, err := wire.DecodeSession(first.body)
	if first.status != http.StatusCreated || err != nil || !wire.IsUUID(s.SessionID) || !wire.IsUUID(s.ParticipantID) || s.SessionParameters["a"] != "b" || s.SessionStatus != wire.SessionActive {
		t.Fatalf("%d %s", first.status, first.body)
	}
	t.Run("INIT-5 the token's name goes before the page's", func(t *testing.T) {
		if s.DisplayName != "Name of ann" {
			t.Errorf("%s", s.DisplayName)
		}
		r := w.call("POST", "/sessions", w.token("nameless", func(c *Claims) { c.CustomerName = "" }), `{"integrationId":"`+integration+`","displayName":"Given"}`)
		if field(t, r.body, "displayName") != "Given" {
			t.Errorf("%s", r.body)
		}
	})
	t.Run("repeated", func(t *testing.T) {
		if again := create(`{"integrationId":"` + integration + `","correlationId":"k"}`); again.status != http.StatusOK || string(again.body) != string(first.body) {
			t.Errorf("%d %s", again.status, again.body)
		}
		other := w.call("POST", "/sessions", w.token("bob"), `{"integrationId":"`+integration+`","correlationId":"k"}`)
		if other.status != http.StatusCreated || field(t, other.body, "sessionId") == s.SessionID {
			t.Errorf("another customer's same key: %d %s", other.status, other.body)
		}
		without := create(`{"integrationId":"` + integration + `","correlationId":null}`)
		if without.status != http.StatusCreated || field(t, without.body, "participantId") != s.ParticipantID {
			t.Errorf("%d %s", without.status, without.body)
		}
	})
	t.Run("INIT-2 INIT-5 bounds", func(t *testing.T) {
		long := strings.Repeat("x", 300)
		var many []string
		for i := range 21 {
			many = append(many, fmt.Sprintf(`"%d":""`, i))
		}
		for _, c := range []struct {
			name, body, field string
			status            int
		}{
			{"no integration", `{}`, "integrationId", 400},
			{"another integration", `{"integrationId":"` + otherInt + `"}`, "integrationId", 404},
			{"another of the same account", `{"integrationId":"` + sameAccInt + `"}`, "integrationId", 404},
			{"long name", `{"integrationId":"` + integration + `","displayName":"` + long + `"}`, "displayName", 400},
			{"long key", `{"integrationId":"` + integration + `","sessionParameters":{"` + long + `":""}}`, "sessionParameters", 400},
			{"empty key", `{"integrationId":"` + integration + `","sessionParameters":{"":"x"}}`, "sessionParameters", 400},
			{"long value", `{"integrationId":"` + integration + `","sessionParameters":{"k":"` + long + `"}}`, "sessionParameters", 400},
			{"many", `{"integrationId":"` + integration + `","sessionParameters":{` + strings.Join(many, ",") + `}}`, "sessionParameters", 400},
			{"long correlationId", `{"integrationId":"` + integration + `","correlationId":"` + long + `"}`, "correlationId", 400},
		} {
			r := create(c.body)
			p := r.problem()
			if r.status != c.status || !p.Has(c.field) {
				t.Errorf("%s: %d %s", c.name, r.status, r.body)
			}
			if c.status == 400 && !strings.HasSuffix(p.Type, "#constraint-violation") {
				t.Errorf("%s: %s", c.name, p.Type)
			}
		}
	})
	t.Run("bodies", func(t *testing.T) {
		for _, c := range []struct {
			name, body string
			status     int
		}{
			{"none", "", 400},
			{"not JSON", "{", 400},
			{"an array", "[]", 400},
			{"twice the same name", `{"integrationId":"a","integrationId":"b"}`, 400},
			{"trailing text", `{} {}`, 400},
			{"not UTF-8", "{\"integrationId\":\"\xff\"}", 400},
			{"deep", `{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400},
			{"large", `{"x":"` + strings.Repeat("x", wire.MaxBody) + `"}`, 413},
		} {
			r := create(c.body)
			if p := r.problem(); r.status != c.status || !strings.HasSuffix(p.Type, "#bad-request") {
				t.Errorf("%s: %d %s", c.name, r.status, r.body)
			}
		}
		if r := w.call("POST", "/sessions", "", `{"x":"`+strings.Repeat("x", wire.MaxBody)+`"}`); r.status != 401 {
			t.Errorf("a stranger's large body: %d", r.status)
		}
		if r := create(`{"integrationId":"` + integration + `","x":"` + strings.Repeat(`[\"`, 100) + `"}`); r.status != 201 {
			t.Errorf("brackets in text: %d", r.status)
		}
	})
	t.Run("GET and DELETE", func(t *testing.T) {
		path := "/sessions/" + s.SessionID
		if r := w.call("GET", path, ann, ""); r.status != 200 || string(r.body) != string(first.body) {
			t.Errorf("%d %s", r.status, r.body)
		}
		if r := w.call("GET", "/sessions/"+strings.ToUpper(s.SessionID), ann, ""); r.status != 200 {
			t.Errorf("in capitals: %d %s", r.status, r.body)
		}
		if r := w.call("DELETE", path+"?reason=BORED", ann, ""); r.status != 400 {
			t.Errorf("%d %s", r.status, r.body)
		}
		bob := w.token("bob")
		if r := w.call("DELETE", path, bob, ""); r.status != 204 {
			t.Errorf("another customer: %d %s", r.status, r.body)
		}
		if r := w.call("GET", path, ann, ""); r.status != 200 {
			t.Errorf("another customer has ended it: %d", r.status)
		}
		for range 2 {
			if r := w.call("DELETE", path+"?reason=USER_INACTIVE", ann, ""); r.status != 204 || len(r.body) != 0 {
				t.Errorf("%d %s", r.status, r.body)
			}
		}
		if r := w.call("GET", path, ann, ""); r.status != 404 || !ptr(r.problem()).Has("sessionId") {
			t.Errorf("ended: %d %s", r.status, r.body)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		for _, c := range [][2]string{{"GET", "/"}, {"GET", "/sessions"}, {"PUT", "/sessions"}, {"POST", "/engagements/" + unknownID}, {"POST", "/engagements/" + unknownID + ":dance"}} {
			if r := w.call(c[0], c[1], ann, ""); r.status != 404 || r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s %s: %d %s", c[0], c[1], r.status, r.body)
			}
		}
		if r := w.request("GET", "/healthz", "", ""); r.status != 200 {
			t.Errorf("health: %d %s", r.status, r.body)
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestEngagements(t *testing.T) {
	w := newEnvironment(t)
	c := w.session("ann")
	create := func(body string) reply { return w.call("POST", "/engagements", c.token, body) }
	r := create(`{"sessionId":"` + c.session.SessionID + `","engagementParameters":{"topic":"tea"},"correlationId":"k"}`)
	e, err := wire.DecodeEngagement(r.body)
	if r.status != 201 || err != nil || e.EngagementStatus != wire.EngagementPending || len(e.Participants) != 0 || e.NewestIndex != 0 || e.EventID == 0 || !wire.IsUUID(e.EngagementID) || !wire.IsUUID(e.DialogID) {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if again := create(`{"sessionId":"` + c.session.SessionID + `","correlationId":"k"}`); again.status != 200 || string(again.body) != string(r.body) {
		t.Errorf("again: %d %s", again.status, again.body)
	}
	for name, body := range map[string]string{
		"sessionId":            `{}`,
		"engagementParameters": `{"sessionId":"` + c.session.SessionID + `","engagementParameters":{"":""}}`,
		"correlationId":        `{"sessionId":"` + c.session.SessionID + `","correlationId":"` + strings.Repeat("x", 257) + `"}`,
	} {
		if r := create(body); r.status != 400 || !ptr(r.problem()).Has(name) {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	if r := create(`{"sessionId":"` + unknownID + `"}`); r.status != 404 || !ptr(r.problem()).Has("sessionId") {
		t.Errorf("%d %s", r.status, r.body)
	}

	c.e = e
	act := func(verb, extra string) reply {
		return w.call("POST", "/engagements/"+e.EngagementID+":"+verb, c.token, `{`+c.ids()+extra+`}`)
	}
	second := w.session("ann")
	second.e = e
	list := func(c *chat) []string {
		t.Helper()
		r := w.call("GET", "/engagements?sessionId="+c.session.SessionID, c.token, "")
		var got []struct{ EngagementID, EngagementStatus string }
		if err := json.Unmarshal(r.body, &got); err != nil || r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		var out []string
		for _, g := range got {
			out = append(out, g.EngagementID+" "+g.EngagementStatus)
		}
		return out
	}
	if r := w.call("POST", "/engagements/"+e.EngagementID+"/messages", c.token, c.body("early", "early")); r.status != 409 || !ptr(r.problem()).Has("sessionId") {
		t.Errorf("message before joining: %d %s", r.status, r.body)
	}
	if r := act("disconnect", ""); r.status != 409 || !ptr(r.problem()).Has("sessionId") {
		t.Errorf("disconnecting before joining: %d %s", r.status, r.body)
	}
	for range 2 {
		r := act("join", "")
		joined, _ := wire.DecodeEngagement(r.body)
		if r.status != 200 || joined.EngagementStatus != wire.EngagementActive || len(joined.Participants) != 1 || joined.Participants[0].ParticipantID != c.session.ParticipantID || joined.Participants[0].DisplayName != "Name of ann" {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	t.Run("NS-5 ENG-3 listed with each session's own status", func(t *testing.T) {
		if got := fmt.Sprint(list(c)); got != "["+e.EngagementID+" ACTIVE]" {
			t.Error(got)
		}
		if got := fmt.Sprint(list(second)); got != "["+e.EngagementID+" PENDING]" {
			t.Error(got)
		}
		if r := w.call("GET", "/engagements", c.token, ""); r.status != 400 || !ptr(r.problem()).Has("sessionId") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("bounds", func(t *testing.T) {
		for _, x := range []struct {
			path, body, field string
			status            int
		}{
			{e.EngagementID + ":join", `{}`, "sessionId", 400},
			{e.EngagementID + ":join", `{"sessionId":"` + c.session.SessionID + `"}`, "dialogId", 400},
			{e.EngagementID + ":join", `{"sessionId":"` + c.session.SessionID + `","dialogId":"` + unknownID + `"}`, "dialogId", 400},
			{e.EngagementID + ":join", `{"sessionId":"` + unknownID + `","dialogId":"` + e.DialogID + `"}`, "sessionId", 404},
			{unknownID + ":join", `{` + c.ids() + `}`, "engagementId", 404},
			{"*:join", `{` + c.ids() + `}`, "engagementId", 404},
			{e.EngagementID + ":disconnect", `{` + c.ids() + `,"reason":"BORED"}`, "reason", 400},
		} {
			if r := w.call("POST", "/engagements/"+x.path, c.token, x.body); r.status != x.status || !ptr(r.problem()).Has(x.field) {
				t.Errorf("%s %s: %d %s", x.path, x.body, r.status, r.body)
			}
		}
	})
	m := c.say("secret words", "m")
	for range 2 {
		r := act("disconnect", `,"reason":"USER_CLOSED"`)
		ended, _ := wire.DecodeEngagement(r.body)
		if r.status != 200 || ended.EngagementStatus != wire.EngagementTerminated || ended.NewestIndex != 1 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	if got := list(c); len(got) != 0 {
		t.Error(got)
	}
	t.Run("ENG-4 join after the end", func(t *testing.T) {
		if r := act("join", ""); r.status != 409 || !ptr(r.problem()).Has("engagementId") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("MSG-4 a repeat after the end", func(t *testing.T) {
		path := "/engagements/" + e.EngagementID + "/messages"
		r := w.call("POST", path, c.token, c.body("secret words", "m"))
		if again, _ := wire.DecodeMessage(r.body); r.status != 200 || again != m {
			t.Errorf("%d %s", r.status, r.body)
		}
		if r := w.call("POST", path, c.token, c.body("new", "n")); r.status != 409 || !ptr(r.problem()).Has("engagementId") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestMessages(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	path := "/engagements/" + c.e.EngagementID + "/messages"
	first := c.say("secret words", "k")
	if first.MessageIndex != 1 || first.Body.TextFormat != wire.TextPlain || first.Body.ElementType != "text" || first.SenderParticipantID != c.session.ParticipantID || first.SenderParticipantType != wire.ParticipantCustomer || first.SessionID != c.session.SessionID || first.CorrelationID != "k" || first.EventID == 0 {
		t.Errorf("%+v", first)
	}
	t.Run("MSG-4 repeated at once and later", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				r := w.call("POST", path, c.token, c.body("secret words", "same"))
				if m, _ := wire.DecodeMessage(r.body); r.status > 201 || m.MessageIndex != 2 {
					t.Errorf("%d %s", r.status, r.body)
				}
			})
		}
		wg.Wait()
		if r := w.call("POST", path, c.token, c.body("other", "k")); r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		} else if m, _ := wire.DecodeMessage(r.body); m != first {
			t.Errorf("%+v", m)
		}
	})
	t.Run("MSG-1 bounds", func(t *testing.T) {
		message := func(body, more string) string { return `{` + c.ids() + `,"body":` + body + more + `}` }
		for _, x := range []struct {
			name, body, field string
			status            int
		}{
			{"no body", `{` + c.ids() + `}`, "body.elementText.text", 400},
			{"empty", message(`{"elementText":{"text":""}}`, ""), "body.elementText.text", 400},
			{"4097", message(`{"elementText":{"text":"`+strings.Repeat("x", 4097)+`"}}`, ""), "body.elementText.text", 400},
			{"2049 pairs", message(`{"elementText":{"text":"`+strings.Repeat("😀", 2049)+`"}}`, ""), "body.elementText.text", 400},
			{"format", message(`{"elementText":{"text":"x","textFormat":"RTF"}}`, ""), "body.elementText.textFormat", 400},
			{"element", message(`{"elementType":"image","elementText":{"text":"x"}}`, ""), "body.elementType", 400},
			{"parent", message(`{"elementText":{"text":"x"}}`, `,"parentMessageId":"x"`), "parentMessageId", 400},
			{"key", message(`{"elementText":{"text":"x"}}`, `,"correlationId":"`+strings.Repeat("x", 257)+`"`), "correlationId", 400},
			{"dialog", `{"sessionId":"` + c.session.SessionID + `","dialogId":"` + unknownID + `","body":{"elementText":{"text":"x"}}}`, "dialogId", 400},
			{"4096", message(`{"elementText":{"text":"`+strings.Repeat("x", 4096)+`"}}`, ""), "", 201},
			{"2048 pairs", message(`{"elementText":{"text":"`+strings.Repeat("😀", 2048)+`","textFormat":"MARKDOWN"}}`, `,"parentMessageId":"`+first.MessageID+`"`), "", 201},
		} {
			if r := w.call("POST", path, c.token, x.body); r.status != x.status || x.field != "" && !ptr(r.problem()).Has(x.field) {
				t.Errorf("%s: %d %s", x.name, r.status, r.body)
			}
		}
	})
	t.Run("MSG-1 not this session's", func(t *testing.T) {
		second := w.session("ann")
		second.e = c.e
		if r := w.call("POST", path, c.token, second.body("x", "x")); r.status != 409 || !ptr(r.problem()).Has("sessionId") {
			t.Errorf("%d %s", r.status, r.body)
		}
		second.join()
		if m := second.say("from the other tab", "y"); m.SenderParticipantID != first.SenderParticipantID || m.SessionID == first.SessionID {
			t.Errorf("%+v", m)
		}
	})
	for i := range 20 {
		c.say("more", "more "+strconv.Itoa(i))
	}
	newest := c.say("last", "last").MessageIndex
	t.Run("PAGE-1 pages", func(t *testing.T) {
		get := func(query string) wire.MessagePage {
			t.Helper()
			return must(w, wire.DecodeMessagePage, "GET", path+"?dialogId="+c.e.DialogID+query, c.token, "")
		}
		for _, x := range []struct {
			query        string
			low, high    int64
			older, newer bool
		}{
			{"", newest - 9, newest, true, false},
			{"&pageSize=3", newest - 2, newest, true, false},
			{"&pageSize=50", 1, newest, false, false},
			{"&before=4", 1, 3, false, true},
			{"&after=2&pageSize=2", 3, 4, true, true},
			{"&after=0&pageSize=2", 1, 2, false, true},
			{"&after=" + fmt.Sprint(newest), 0, 0, true, false},
		} {
			p := get(x.query)
			var low, high int64
			if n := len(p.Messages); n > 0 {
				low, high = p.Messages[0].MessageIndex, p.Messages[n-1].MessageIndex
			}
			if low != x.low || high != x.high || p.HasOlder != x.older || p.HasNewer != x.newer || p.NewestIndex != newest {
				t.Errorf("%s: %d–%d %v %v %d", x.query, low, high, p.HasOlder, p.HasNewer, p.NewestIndex)
			}
		}
		if p := get("&pageSize=50"); p.Messages[0] != first {
			t.Errorf("%+v, not %+v", p.Messages[0], first)
		}
		for _, x := range []struct{ query, field string }{
			{"&pageSize=0", "pageSize"}, {"&pageSize=51", "pageSize"}, {"&pageSize=x", "pageSize"},
			{"&before=0", "before"}, {"&before=-1", "before"}, {"&after=-1", "after"}, {"&after=1&before=5", "after"},
		} {
			if r := w.call("GET", path+"?dialogId="+c.e.DialogID+x.query, c.token, ""); r.status != 400 || !ptr(r.problem()).Has(x.field) {
				t.Errorf("%s: %d %s", x.query, r.status, r.body)
			}
		}
		if r := w.call("GET", path, c.token, ""); r.status != 400 || !ptr(r.problem()).Has("dialogId") {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

// Whatever another customer names, the answer is the same as for what does not exist.
func TestIsolation(t *testing.T) {
	w := newEnvironment(t)
	ann := w.chat("ann")
	ann.say("secret words", "k")
	bob := w.chat("bob")
	for name, token := range map[string]string{
		"another customer":              bob.token,
		"the same id, another account":  w.token("ann", func(c *Claims) { c.Account, c.IntegrationID = otherAccount, otherInt }),
		"the same, another integration": w.token("ann", func(c *Claims) { c.IntegrationID = sameAccInt }),
		"the same id in capitals":       w.token("ANN"),
	} {
		key := appkey
		if strings.Contains(name, "account") {
			key = otherKey
		}
		for _, c := range []struct{ method, path, body, field string }{
			{"GET", "/sessions/%s", "", "sessionId"},
			{"GET", "/engagements?sessionId=%s", "", "sessionId"},
			{"POST", "/engagements", `{"sessionId":"%s"}`, "sessionId"},
			{"POST", "/engagements/%e:join", `{"sessionId":"%s","dialogId":"%d"}`, "sessionId"},
			{"POST", "/engagements/%e:disconnect", `{"sessionId":"%s","dialogId":"%d"}`, "sessionId"},
			{"POST", "/engagements/%e/messages", `{"sessionId":"%s","dialogId":"%d","body":{"elementText":{"text":"x"}},"correlationId":"k"}`, "sessionId"},
			{"GET", "/engagements/%e/messages?dialogId=%d", "", "engagementId"},
		} {
			fill := func(s string, chat *chat) string {
				return strings.NewReplacer("%s", chat.session.SessionID, "%e", chat.e.EngagementID, "%d", chat.e.DialogID).Replace(s)
			}
			got := w.call(c.method, fill(c.path, ann), token, fill(c.body, ann), "appkey", key)
			nowhere := &chat{session: wire.Session{SessionID: unknownID}, e: wire.Engagement{EngagementID: unknownID, DialogID: unknownID}}
			missing := w.call(c.method, fill(c.path, nowhere), token, fill(c.body, nowhere), "appkey", key)
			got.header.Del("Date")
			missing.header.Del("Date")
			if got.status != 404 || !ptr(got.problem()).Has(c.field) || string(got.body) != string(missing.body) || !reflect.DeepEqual(got.header, missing.header) {
				t.Errorf("%s, %s %s: %d %s, and for what does not exist %s", name, c.method, c.path, got.status, got.body, missing.body)
			}
		}
		ends := map[string]string{}
		for what, id := range map[string]string{"another's session": ann.session.SessionID, "none": unknownID, "no id": "x"} {
			s := w.dial(id)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: key, ClientID: clientOne})
			_, _, err := s.conn.Read(w.ctx())
			if websocket.CloseStatus(err) != wire.CloseSessionGone {
				t.Errorf("%s, stream of %s: %v", name, what, err)
			}
			ends[what] = fmt.Sprint(err)
		}
		if ends["another's session"] != ends["none"] || ends["no id"] != ends["none"] {
			t.Errorf("%s: the streams end differently: %v", name, ends)
		}
		there := w.call("DELETE", "/sessions/"+ann.session.SessionID, token, "", "appkey", key)
		nowhere := w.call("DELETE", "/sessions/"+unknownID, token, "", "appkey", key)
		there.header.Del("Date")
		nowhere.header.Del("Date")
		if there.status != 204 || !reflect.DeepEqual(there, nowhere) {
			t.Errorf("%s: ending another's session: %+v; ending none: %+v", name, there, nowhere)
		}
	}
	if r := w.call("GET", "/sessions/"+ann.session.SessionID, ann.token, ""); r.status != 200 {
		t.Errorf("somebody else has ended it: %d", r.status)
	}
	// With a session of their own, the engagement is what does not exist.
	for _, verb := range []string{":join", ":disconnect", "/messages"} {
		body := fmt.Sprintf(`{"sessionId":%q,"dialogId":%q,"body":{"elementText":{"text":"x"}},"correlationId":"k"}`, bob.session.SessionID, ann.e.DialogID)
		if r := w.call("POST", "/engagements/"+ann.e.EngagementID+verb, bob.token, body); r.status != 404 || !ptr(r.problem()).Has("engagementId") {
			t.Errorf("%s: %d %s", verb, r.status, r.body)
		}
	}
}

func TestOrigins(t *testing.T) {
	w := newEnvironment(t)
	open := newEnvironment(t, func(c *Config) { c.AllowedOrigins = []string{"*"} })
	path := wire.BasePath + "/sessions/" + unknownID
	own := w.http.URL
	for _, c := range []struct {
		w       *environment
		origin  string
		allowed bool
	}{
		{w, "", true},
		{w, allowedOrigin, true},
		{w, "HTTPS://Shop.Example", true},
		{w, own, true},
		{w, "null", false},
		{w, "https://evil.example", false},
		{w, "http://shop.example", false},
		{w, "https://shop.example:8443", false},
		{w, "https://shop.example.evil.example", false},
		{w, "https://evil.example/https://shop.example", false},
		{w, "://", false},
		{w, "https://notshop.example", false},
		{w, "https://sub.shop.example", false},
		{w, "https://shop.example.", false},
		{w, "https://shop.example:443", true}, // its own port
		{w, "http://shop.example:443", false},
		{w, "https://shop.example/", false},
		{w, "https://shop.example@evil.example", false},
		{w, "https://evil.example#https://shop.example", false},
		{w, "https://shop.example, https://evil.example", false},
		{w, "file://", false},
		{w, "shop.example", false},
		{w, "ftp" + own[len("http"):], false},
		{w, own + "/", false},
		{w, strings.Replace(own, "://", "://x@", 1), false},
		{w, own + "0", false},
		{w, "http://localhost", false},
		{open, "https://evil.example", true},
		{open, "null", true},
	} {
		t.Run("origin "+c.origin, func(t *testing.T) {
			want, allow := 404, c.origin
			if !c.allowed {
				want, allow = 403, ""
			}
			r := c.w.request("GET", path, c.w.token("ann"), "", "Origin", c.origin)
			if r.status != want || r.header.Get("Access-Control-Allow-Origin") != allow || r.header.Get("Vary") != "Origin" || r.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%d %v", r.status, r.header)
			}
			if c.origin == "" {
				return
			}
			r = c.w.request("OPTIONS", path, "", "", "Origin", c.origin, "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "appkey,authorization,content-type")
			if want = 204; !c.allowed {
				want = 403
			}
			if r.status != want || r.header.Get("Access-Control-Allow-Origin") != allow {
				t.Errorf("preflight: %d %v", r.status, r.header)
			}
			r.header.Del("Date")
			exact := http.Header{
				"Access-Control-Allow-Origin": {c.origin}, "Access-Control-Expose-Headers": {"Date, Retry-After"},
				"Access-Control-Allow-Methods": {"GET, POST, DELETE"}, "Access-Control-Allow-Headers": {"authorization, appkey, content-type"}, "Access-Control-Max-Age": {"7200"},
				"Cache-Control": {"no-store"},
				"Vary":          {"Origin", "Access-Control-Request-Method, Access-Control-Request-Headers"},
			}
			if c.allowed && !reflect.DeepEqual(r.header, exact) {
				t.Errorf("preflight: %v", r.header)
			}
			client, res, err := c.w.tryDial(unknownID, wire.Subprotocol, "Origin", c.origin)
			if (err == nil) != c.allowed {
				t.Errorf("stream: %v", err)
			}
			if err == nil {
				client.conn.CloseNow()
			} else if res == nil || res.StatusCode != 403 {
				t.Errorf("stream: %v", res)
			}
		})
	}
}

func TestRate(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.RequestRate, c.RequestBurst = 0.01, 3 })
	ann, bob := w.token("ann"), w.token("bob")
	for i := range 5 {
		r := w.call("GET", "/sessions/"+unknownID, ann, "")
		if want := map[bool]int{true: 404, false: 429}[i < 3]; r.status != want {
			t.Fatalf("call %d: %d %s", i, r.status, r.body)
		}
		if r.status == 429 {
			after, err := strconv.Atoi(r.header.Get("Retry-After"))
			if p := r.problem(); err != nil || after < 1 || after > 100 || !strings.HasSuffix(p.Type, "#too-many-requests") {
				t.Errorf("%v %s", r.header, r.body)
			}
		}
	}
	if r := w.call("GET", "/sessions/"+unknownID, bob, ""); r.status != 404 {
		t.Errorf("another customer: %d", r.status)
	}
	for i := range 5 {
		s := w.dial(unknownID)
		s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: ann, Appkey: appkey, ClientID: clientOne})
		s.closed(map[bool]int{true: wire.CloseSessionGone, false: wire.CloseTooMuch}[i < 3])
	}
}

// What a call costs the gateway grows with its answer, so long answers use up the rate as several calls do.
func TestLongAnswersCountAsSeveralCalls(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.RequestRate, c.RequestBurst = 0.001, 60 })
	pages := func(customer, text string) (served int) {
		c := w.chat(customer)
		for i := range 40 {
			c.say(text, strconv.Itoa(i))
		}
		for ; served < 20; served++ {
			r := w.call("GET", "/engagements/"+c.e.EngagementID+"/messages?pageSize=50&dialogId="+c.e.DialogID, c.token, "")
			if r.status == http.StatusTooManyRequests {
				break
			}
			if r.status != http.StatusOK {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
		return served
	}
	short, long := pages("ann", "few words"), pages("bob", strings.Repeat("long words ", wire.MaxText/11))
	if long == 0 || long*3 > short {
		t.Errorf("%d pages of long messages were answered, and %d of short ones", long, short)
	}
}

// Each refused call costs the gateway about as much as one that is answered, so a customer who repeats
// it as fast as it is refused is answered late: one connection then asks once in a HoldTime.
func TestCustomerWhoGoesOnWhileRefusedIsAnsweredLate(t *testing.T) {
	for name, edit := range map[string]func(*Config){
		"rate":              func(c *Config) { c.RequestRate, c.RequestBurst = 0.001, 1 },
		"calls in progress": func(c *Config) { c.Quotas = Quotas{CustomerCalls: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnvironment(t, edit)
			ann, bob := w.token("ann"), w.token("bob")
			path := "/sessions/" + unknownID
			if name == "rate" {
				w.call("GET", path, ann, "").is(t, 404)
			} else {
				// A call that stays in progress, because its body does not come to its end.
				conn := w.raw(t)
				fmt.Fprintf(conn, "POST %s/sessions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\n%s: %s\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n", wire.BasePath, ann, wire.HeaderAppkey, appkey)
				if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
					t.Fatalf("%q, %v", line, err) // it is read, so it is in progress
				}
			}
			late := time.Duration(0)
			for n := 0; late < httpapi.HoldTime && n < 200; n++ {
				begun := time.Now()
				w.call("GET", path, ann, "").is(t, 429)
				late = time.Since(begun)
			}
			if late < httpapi.HoldTime {
				t.Errorf("after 200 refusals the next is answered after %v", late)
			}
			w.call("GET", path, bob, "").is(t, 404)
		})
	}
}

// Browsers remember that a page may call (preflights) only for calls that may be answered
// from their cache, so it is the answers that forbid that.
func TestNothingIsCached(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.RequestRate, c.RequestBurst = 1, 60 })
	c := w.chat("ann")
	seen := map[int]bool{}
	checkUncached := func(what string, r reply) {
		t.Helper()
		seen[r.status] = true
		if got := r.header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: %d with Cache-Control %q", what, r.status, got)
		}
	}
	message := `{"body":{"elementType":"text","elementText":{"text":"hi"}},` + c.ids() + `}`
	e, s := "/engagements/"+c.e.EngagementID, "/sessions/"+c.session.SessionID
	for _, x := range []struct{ method, path, token, body string }{
		{"POST", "/sessions", c.token, `{"integrationId":"` + integration + `"}`},
		{"POST", "/sessions", c.token, `{`},
		{"POST", "/sessions", c.token, strings.Repeat(" ", wire.MaxBody+1)},
		{"POST", "/sessions", "no.valid.token", `{}`},
		{"GET", s, c.token, ""},
		{"GET", "/sessions/" + c.e.EngagementID, c.token, ""},
		{"GET", "/engagements", c.token, ""},
		{"GET", "/engagements", "", ""},
		{"POST", "/engagements", c.token, `{"sessionId":"` + c.session.SessionID + `"}`},
		{"POST", e + ":join", c.token, `{` + c.ids() + `}`},
		{"POST", e + "/messages", c.token, message},
		{"GET", e + "/messages?pageSize=1", c.token, ""},
		{"GET", e + "/messages?pageSize=nonsense", c.token, ""},
		{"POST", e + ":disconnect", c.token, `{` + c.ids() + `}`},
		{"POST", e + "/messages", c.token, message},
		{"PUT", e, c.token, ""},
		{"GET", "//engagements", c.token, ""},
		{"GET", s + "/events", c.token, ""},
		{"OPTIONS", "/engagements", "", ""},
		{"DELETE", s, c.token, ""},
	} {
		checkUncached(x.method+" "+x.path, w.call(x.method, x.path, x.token, x.body))
	}
	checkUncached("a page of another origin", w.call("GET", "/engagements", c.token, "", "Origin", "https://evil.example"))
	checkUncached("an event stream without an upgrade", w.call("GET", s+"/events", c.token, "", "Sec-WebSocket-Protocol", wire.Subprotocol))
	checkUncached("health", w.request("GET", "/healthz", "", ""))
	checkUncached("no call", w.request("GET", "/nothing", "", ""))
	for range 60 {
		checkUncached("one of many", w.call("GET", "/engagements", c.token, ""))
	}
	w.g.drain.Leave()
	checkUncached("going away", w.call("GET", "/engagements", c.token, ""))
	for _, status := range []int{200, 201, 204, 400, 401, 403, 404, 409, 413, 429, 503} {
		if !seen[status] {
			t.Errorf("no answer had status %d", status)
		}
	}
}
