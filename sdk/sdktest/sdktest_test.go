package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

const (
	host = "https://platform.test"
	base = host + wire.BasePath
)

// bubble runs a test with a platform in virtual time.
func bubble(t *testing.T, o sdktest.Options, fn func(t *testing.T, c *client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(o)
		defer p.Close()
		fn(t, &client{t: t, p: p, Transport: p.Transport(), token: p.Token(sdktest.Claims{Name: "Ann"})})
	})
}

// client speaks the protocol by hand.
type client struct {
	t *testing.T
	p *sdktest.Platform
	sdk.Transport
	token string
	keys  int
}

func (c *client) key() string {
	c.keys++
	return fmt.Sprint("key-", c.keys)
}

func (c *client) do(method, path string, body []byte) sdk.Response {
	c.t.Helper()
	r, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (c *client) try(method, path string, body []byte) (sdk.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return c.Do(ctx, sdk.Request{
		Method: method, URL: base + path, Authorization: "Bearer " + c.token, Appkey: "appkey", Body: body,
	})
}

func want[T any](t *testing.T, status int, r sdk.Response, decode func([]byte) (T, error)) T {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	v, err := decode(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c *client) session() wire.Session {
	c.t.Helper()
	b := wire.CreateSession{IntegrationID: c.p.Params(sdktest.Claims{}).IntegrationID, CorrelationID: c.key()}
	return want(c.t, 201, c.do("POST", "/sessions", b.Append(nil)), wire.DecodeSession)
}

func (c *client) chat(s wire.Session) wire.Engagement {
	c.t.Helper()
	b := wire.CreateEngagement{SessionID: s.SessionID, CorrelationID: c.key()}
	return want(c.t, 201, c.do("POST", "/engagements", b.Append(nil)), wire.DecodeEngagement)
}

func message(s wire.Session, e wire.Engagement, text, key string) []byte {
	b := wire.SendMessage{
		SessionID: s.SessionID, DialogID: e.DialogID, CorrelationID: key,
		Body: wire.Body{ElementType: "text", Text: text, TextFormat: wire.TextPlain},
	}
	return b.Append(nil)
}

func call(s wire.Session, e wire.Engagement) []byte {
	b := wire.EngagementCall{SessionID: s.SessionID, DialogID: e.DialogID, Reason: wire.ReasonUserClosed}
	return b.Append(nil)
}

// stream is a client's end of an event stream.
type stream struct {
	t *testing.T
	sdk.Conn
}

const (
	client1 = "c1000000-0000-4000-8000-000000000001"
	client2 = "c1000000-0000-4000-8000-000000000002"
)

func (c *client) dial(s wire.Session) *stream {
	c.t.Helper()
	conn, err := c.Dial(c.t.Context(), "wss://platform.test"+wire.BasePath+"/sessions/"+s.SessionID+"/events", wire.Subprotocol)
	if err != nil {
		c.t.Fatal(err)
	}
	return &stream{c.t, conn}
}

func (s *stream) authenticate(token, clientID string, after wire.EventID) {
	s.t.Helper()
	f := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: "appkey", ClientID: clientID, LastEventID: after}
	if err := s.Write(f.Append(nil)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) frame() wire.ServerFrame {
	s.t.Helper()
	b, err := s.Read()
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := wire.DecodeServerFrame(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// events reads n event frames and names them.
func (s *stream) events(n int) (names []string, last wire.EventID) {
	s.t.Helper()
	for range n {
		f := s.frame()
		if f.Type != wire.FrameEvent || f.ID <= last {
			s.t.Fatalf("frame %+v after id %d, want a later event", f, last)
		}
		last = f.ID
		name := string(f.Event.Type)
		switch {
		case f.Event.Message != nil:
			name += " " + f.Event.Message.Body.Text
		case f.Event.Participant.ParticipantType != "":
			name += " " + string(f.Event.Participant.ParticipantType)
		}
		names = append(names, name)
	}
	return names, last
}

func (s *stream) wantEvents(names ...string) (last wire.EventID) {
	s.t.Helper()
	got, last := s.events(len(names))
	if strings.Join(got, "\n") != strings.Join(names, "\n") {
		s.t.Fatalf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(names, "\n"))
	}
	return last
}

func (s *stream) wantClose(code int) {
	s.t.Helper()
	b, err := s.Read()
	var closed *sdk.CloseError
	if !errors.As(err, &closed) || closed.Code != code {
		s.t.Fatalf("Read: %q, %v, want close %d", b, err, code)
	}
}

func (c *client) open(s wire.Session, clientID string, after wire.EventID) (*stream, wire.ServerFrame) {
	c.t.Helper()
	st := c.dial(s)
	st.authenticate(c.token, clientID, after)
	f := st.frame()
	if f.Type != wire.FrameReady {
		c.t.Fatalf("first frame %+v, want ready", f)
	}
	return st, f
}

func TestChat(t *testing.T) {
	bubble(t, sdktest.Options{AutoBot: true}, func(t *testing.T, c *client) {
		s := c.session()
		st, ready := c.open(s, client1, 0)
		if !ready.Resumed || ready.LastEventID == 0 || ready.HeartbeatInterval != wire.HeartbeatInterval {
			t.Fatalf("ready %+v", ready)
		}
		e := c.chat(s)
		if e.EngagementStatus != wire.EngagementPending || len(e.Participants) != 0 {
			t.Fatalf("new engagement %+v", e)
		}
		st.wantEvents("ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER", "PARTICIPANT_ADDED BOT", "MESSAGES "+sdktest.Greeting)
		bo := c.p.Agent("Bo")
		if err := bo.Say(e.EngagementID, "too early"); err == nil {
			t.Fatal("an agent who is not in could speak")
		}
		for _, step := range []error{bo.Accept(e.EngagementID), bo.Accept(e.EngagementID), bo.Say(e.EngagementID, "hi")} {
			if step != nil {
				t.Fatal(step)
			}
		}
		st.wantEvents("PARTICIPANT_ADDED AGENT", "PARTICIPANT_DISCONNECTED BOT", "MESSAGES hi")

		m := want(t, 201, c.do("POST", "/engagements/"+e.EngagementID+"/messages", message(s, e, "hello", "k")), wire.DecodeMessage)
		again := want(t, 200, c.do("POST", "/engagements/"+e.EngagementID+"/messages", message(s, e, "hello", "k")), wire.DecodeMessage)
		if m != again || m.MessageIndex != 3 || m.SessionID != s.SessionID || m.SenderParticipantName != "Ann" {
			t.Fatalf("message %+v, repeated %+v", m, again)
		}
		if last := st.wantEvents("MESSAGES hello"); last != m.EventID {
			t.Fatalf("event id %d, message says %d", last, m.EventID)
		}
		list := want(t, 200, c.do("GET", "/engagements?sessionId="+s.SessionID, nil), wire.DecodeEngagements)
		if len(list) != 1 || list[0].EngagementStatus != wire.EngagementActive || list[0].NewestIndex != 3 || len(list[0].Participants) != 2 {
			t.Fatalf("engagements %+v", list)
		}
		r := want(t, 200, c.do("POST", "/engagements/"+e.EngagementID+":disconnect", call(s, e)), wire.DecodeEngagement)
		if r.EngagementStatus != wire.EngagementTerminated {
			t.Fatalf("after disconnect %+v", r)
		}
		st.wantEvents("PARTICIPANT_DISCONNECTED AGENT", "PARTICIPANT_DISCONNECTED CUSTOMER", "ENGAGEMENT_TERMINATED")
		want(t, 409, c.do("POST", "/engagements/"+e.EngagementID+":join", call(s, e)), wire.DecodeProblem)

		if r := c.do("DELETE", "/sessions/"+s.SessionID+"?reason=USER_CLOSED", nil); r.Status != 204 {
			t.Fatalf("delete: %d", r.Status)
		}
		st.wantEvents("SESSION_TERMINATED")
		st.wantClose(wire.CloseSessionGone)
		if r := c.do("GET", "/sessions/"+s.SessionID, nil); r.Status != 404 {
			t.Fatalf("get after delete: %d", r.Status)
		}
		c.dial(s).Close(1000, "")
	})
}

func TestIdempotency(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		b := wire.CreateSession{IntegrationID: c.p.Params(sdktest.Claims{}).IntegrationID, CorrelationID: "same"}
		// The answer is lost after the platform acted: the repetition finds what it made.
		c.p.OnRequest(func(x *sdktest.Exchange) {
			if x.N == 1 {
				x.LoseAnswer()
			}
		})
		if _, err := c.try("POST", "/sessions", b.Append(nil)); !errors.Is(err, sdktest.ErrLost) {
			t.Fatalf("lost answer: %v", err)
		}
		s := want(t, 200, c.do("POST", "/sessions", b.Append(nil)), wire.DecodeSession)
		if n := len(c.p.Sessions()); n != 1 {
			t.Fatalf("%d sessions", n)
		}
		k := wire.CreateEngagement{SessionID: s.SessionID, CorrelationID: "same", EngagementParameters: map[string]string{"topic": "x"}}
		e := want(t, 201, c.do("POST", "/engagements", k.Append(nil)), wire.DecodeEngagement)
		if again := want(t, 200, c.do("POST", "/engagements", k.Append(nil)), wire.DecodeEngagement); again.EngagementID != e.EngagementID {
			t.Fatal("two engagements for one key")
		}
		if got := c.p.Parameters(e.EngagementID)["topic"]; got != "x" {
			t.Fatalf("topic %q", got)
		}
		calls := c.p.Requests()
		if len(calls) != 4 || calls[0].Status != 0 || !calls[0].Acted || calls[1].Status != 200 || calls[2].Path != "/engagements" {
			t.Fatalf("log %+v", calls)
		}
	})
}

func TestRefusals(t *testing.T) {
	bubble(t, sdktest.Options{RouteDelay: -1}, func(t *testing.T, c *client) {
		s := c.session()
		e := c.chat(s)
		p := c.p
		for _, tt := range []struct {
			name, token, method, path string
			body                      []byte
			status                    int
			field                     string
		}{
			{"no token", "", "GET", "/sessions/" + s.SessionID, nil, 401, ""},
			{"forged", p.Token(sdktest.Claims{Forged: true}), "GET", "/sessions/" + s.SessionID, nil, 401, ""},
			{"expired", p.Token(sdktest.Claims{TTL: -time.Second}), "GET", "/sessions/" + s.SessionID, nil, 401, ""},
			{"other integration", p.Token(sdktest.Claims{IntegrationID: client1}), "GET", "/sessions/" + s.SessionID, nil, 403, ""},
			{"other customer", p.Token(sdktest.Claims{Subject: "eve"}), "GET", "/sessions/" + s.SessionID, nil, 404, "sessionId"},
			{"other customer's chat", p.Token(sdktest.Claims{Subject: "eve"}), "GET", "/engagements/" + e.EngagementID + "/messages?dialogId=" + e.DialogID, nil, 404, "engagementId"},
			{"prefix", "jwt." + c.token, "GET", "/sessions/" + s.SessionID, nil, 200, ""},
			{"not JSON", c.token, "POST", "/sessions", []byte("{"), 400, ""},
			{"no integration", c.token, "POST", "/sessions", []byte("{}"), 400, "integrationId"},
			{"unknown integration", c.token, "POST", "/sessions", []byte(`{"integrationId":"x"}`), 404, "integrationId"},
			{"pending", c.token, "POST", "/engagements/" + e.EngagementID + "/messages", message(s, e, "x", ""), 409, "sessionId"},
			{"empty text", c.token, "POST", "/engagements/" + e.EngagementID + "/messages", message(s, e, "", ""), 400, "body.elementText.text"},
			{"long text", c.token, "POST", "/engagements/" + e.EngagementID + "/messages", message(s, e, strings.Repeat("😀", 2049), ""), 400, "body.elementText.text"},
			{"page size", c.token, "GET", "/engagements/" + e.EngagementID + "/messages?pageSize=51&dialogId=" + e.DialogID, nil, 400, "pageSize"},
			{"too large", c.token, "POST", "/sessions", make([]byte, wire.MaxBody+1), 413, ""},
			{"no such path", c.token, "GET", "/nothing", nil, 404, ""},
		} {
			c.token, tt.token = tt.token, c.token
			r := c.do(tt.method, tt.path, tt.body)
			c.token = tt.token
			if r.Status != tt.status {
				t.Errorf("%s: status %d, want %d: %s", tt.name, r.Status, tt.status, r.Body)
			}
			if tt.field != "" {
				if w, err := wire.DecodeProblem(r.Body); err != nil || !w.Has(tt.field) {
					t.Errorf("%s: %s, %v, want a violation of %s", tt.name, r.Body, err, tt.field)
				}
			}
		}
		if err := p.Activate(e.EngagementID); err != nil {
			t.Fatal(err)
		}
		want(t, 201, c.do("POST", "/engagements/"+e.EngagementID+"/messages", message(s, e, "x", "")), wire.DecodeMessage)
	})
}

func TestHistory(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		e := c.chat(s)
		time.Sleep(time.Second)
		bo := c.p.Agent("Bo")
		if err := bo.Accept(e.EngagementID); err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			if err := bo.Say(e.EngagementID, fmt.Sprint("m", i+1)); err != nil {
				t.Fatal(err)
			}
		}
		for _, tt := range []struct {
			query        string
			want         string
			older, newer bool
		}{
			{"", "m1 m2 m3 m4 m5 m6 m7", false, false},
			{"&pageSize=3", "m5 m6 m7", true, false},
			{"&pageSize=3&before=5", "m2 m3 m4", true, true},
			{"&pageSize=3&before=2", "m1", false, true},
			{"&pageSize=3&before=1", "", false, true},
			{"&pageSize=3&before=100", "m5 m6 m7", true, false},
			{"&pageSize=3&after=0", "m1 m2 m3", false, true},
			{"&pageSize=3&after=5", "m6 m7", true, false},
			{"&pageSize=3&after=7", "", true, false},
		} {
			page := want(t, 200, c.do("GET", "/engagements/"+e.EngagementID+"/messages?dialogId="+e.DialogID+tt.query, nil), wire.DecodeMessagePage)
			var got []string
			for _, m := range page.Messages {
				got = append(got, m.Body.Text)
			}
			if strings.Join(got, " ") != tt.want || page.HasOlder != tt.older || page.HasNewer != tt.newer || page.NewestIndex != 7 {
				t.Errorf("%q: %v older %v newer %v", tt.query, got, page.HasOlder, page.HasNewer)
			}
		}
	})
}

func TestResume(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		st, _ := c.open(s, client1, 0)
		e := c.chat(s)
		last := st.wantEvents("ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER")
		c.p.Restart(true)
		st.wantClose(1006)
		bo := c.p.Agent("Bo")
		bo.Accept(e.EngagementID)
		bo.Say(e.EngagementID, "missed")
		st, ready := c.open(s, client1, last)
		if !ready.Resumed || ready.LastEventID != last {
			t.Fatalf("ready %+v", ready)
		}
		last = st.wantEvents("PARTICIPANT_ADDED AGENT", "MESSAGES missed")
		bo.Say(e.EngagementID, "live")
		last = max(last, st.wantEvents("MESSAGES live"))

		c.p.Restart(false)
		st.wantClose(1006)
		st, ready = c.open(s, client1, last)
		if ready.Resumed || ready.LastEventID <= last {
			t.Fatalf("ready after a loss: %+v", ready)
		}
		c.p.CutStreams(wire.CloseServiceRestart)
		st.wantClose(wire.CloseServiceRestart)
		if _, ready = c.open(s, client1, ready.LastEventID); !ready.Resumed {
			t.Fatalf("ready after a cut: %+v", ready)
		}
	})
}

func TestSecondSession(t *testing.T) {
	bubble(t, sdktest.Options{AutoBot: true}, func(t *testing.T, c *client) {
		s1 := c.session()
		st1, _ := c.open(s1, client1, 0)
		e := c.chat(s1)
		st1.events(4)
		s2 := c.session()
		st2, _ := c.open(s2, client2, 0)
		list := want(t, 200, c.do("GET", "/engagements?sessionId="+s2.SessionID, nil), wire.DecodeEngagements)
		if len(list) != 1 || list[0].EngagementStatus != wire.EngagementPending {
			t.Fatalf("engagements of the second session: %+v", list)
		}
		j := want(t, 200, c.do("POST", "/engagements/"+e.EngagementID+":join", call(s2, e)), wire.DecodeEngagement)
		if j.EngagementStatus != wire.EngagementActive || j.NewestIndex != 1 || j.EventID <= c.p.Messages(e.EngagementID)[0].EventID {
			t.Fatalf("joined %+v", j)
		}
		st2.wantEvents("ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER", "PARTICIPANT_ADDED BOT")
		c.do("POST", "/engagements/"+e.EngagementID+"/messages", message(s2, e, "both", "k"))
		st1.wantEvents("MESSAGES both") // and nothing of the second session's joining
		st2.wantEvents("MESSAGES both")
		if err := c.p.Agent("Bo").End(e.EngagementID); err != nil {
			t.Fatal(err)
		}
		for _, st := range []*stream{st1, st2} {
			st.wantEvents("PARTICIPANT_DISCONNECTED BOT", "PARTICIPANT_DISCONNECTED CUSTOMER", "ENGAGEMENT_TERMINATED")
		}
	})
}

func TestAuthenticate(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		for _, tt := range []struct {
			name string
			send func(st *stream)
			code int
		}{
			{"nothing", func(st *stream) {}, wire.CloseAuthTimeout},
			{"not JSON", func(st *stream) { st.Write([]byte("x")) }, wire.CloseMalformed},
			{"ping first", func(st *stream) { st.Write([]byte(`{"type":"ping"}`)) }, wire.CloseMalformed},
			{"expired", func(st *stream) { st.authenticate(c.p.Token(sdktest.Claims{TTL: -1}), client1, 0) }, wire.CloseTokenExpired},
			{"forged", func(st *stream) { st.authenticate(c.p.Token(sdktest.Claims{Forged: true}), client1, 0) }, wire.CloseTokenRefused},
			{"other customer", func(st *stream) { st.authenticate(c.p.Token(sdktest.Claims{Subject: "eve"}), client1, 0) }, wire.CloseSessionGone},
		} {
			start := time.Now()
			st := c.dial(s)
			tt.send(st)
			st.wantClose(tt.code)
			if tt.code == wire.CloseAuthTimeout && time.Since(start) < wire.AuthTimeout {
				t.Errorf("%s: closed after %v", tt.name, time.Since(start))
			}
		}

		// In place, and at its end.
		c.token = c.p.Token(sdktest.Claims{TTL: time.Minute})
		st, _ := c.open(s, client1, 0)
		time.Sleep(30 * time.Second)
		for f := wire.FramePing; f != wire.FrameAuthenticated; {
			st.Write([]byte(`{"type":"pong"}`))
			st.authenticate(c.p.Token(sdktest.Claims{TTL: 10 * time.Minute}), "", 0)
			f = st.frame().Type
		}
		start := time.Now()
		for {
			if _, err := st.Read(); err != nil {
				break
			}
			st.Write([]byte(`{"type":"pong"}`))
		}
		if d := time.Since(start); d < 9*time.Minute || d > 10*time.Minute+time.Second {
			t.Errorf("closed %v after the new token", d)
		}
		st.wantClose(wire.CloseTokenExpired)
	})
}

func TestTakeover(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		first, _ := c.open(s, client1, 0)
		second, _ := c.open(s, client1, 0)
		first.wantClose(wire.CloseSuperseded)

		// Another client, while the older answers.
		go func() {
			for {
				if _, err := second.Read(); err != nil {
					return
				}
				second.Write([]byte(`{"type":"pong"}`))
			}
		}()
		third := c.dial(s)
		third.authenticate(c.token, client2, 0)
		third.wantClose(wire.CloseSuperseded)

		// And when it is dead.
		c.p.Silence()
		start := time.Now()
		fourth, _ := c.open(s, client2, 0)
		if d := time.Since(start); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("took over after %v", d)
		}
		second.Close(1000, "")
		fourth.Close(1000, "")
	})
}

func TestHeartbeat(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		st, _ := c.open(s, client1, 0)
		st.Write([]byte(`{"type":"ping"}`))
		if f := st.frame(); f.Type != wire.FramePong {
			t.Fatalf("%+v, want pong", f)
		}
		start := time.Now()
		for range 5 {
			if f := st.frame(); f.Type != wire.FramePing {
				t.Fatalf("%+v, want ping", f)
			}
			st.Write([]byte(`{"type":"pong"}`))
		}
		if d := time.Since(start); d < 90*time.Second || d > 105*time.Second {
			t.Errorf("five pings in %v", d)
		}
		// Who does not answer is dead after two intervals.
		start = time.Now()
		for {
			if _, err := st.Read(); err != nil {
				break
			}
		}
		st.wantClose(1006)
		if d := time.Since(start); d < 39*time.Second || d > 41*time.Second {
			t.Errorf("closed after %v of silence", d)
		}

		st, _ = c.open(s, client1, 0)
		c.p.Silence()
		time.Sleep(time.Minute)
		if c.p.Sessions()[0].Streaming {
			t.Error("a silent stream lives on")
		}
		if err := st.Write([]byte("x")); err != nil {
			t.Errorf("write into a half-open stream: %v", err)
		}
		st.Close(4000, "dead")
		st.wantClose(4000)
	})
}

func TestFaults(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		path := "/sessions/" + s.SessionID
		set := func(f func(x *sdktest.Exchange)) { c.p.OnRequest(f) }
		start := time.Now()
		elapsed := func() time.Duration { d := time.Since(start).Round(time.Millisecond); start = time.Now(); return d }

		set(func(x *sdktest.Exchange) { x.Refuse(429, wire.ProblemTooMany, 7*time.Second) })
		if r := c.do("GET", path, nil); r.Status != 429 || r.RetryAfter != 7*time.Second {
			t.Errorf("refused: %+v", r)
		}
		set(func(x *sdktest.Exchange) { x.Respond(sdk.Response{Status: 200, Body: []byte("<html>")}) })
		if r := c.do("GET", path, nil); string(r.Body) != "<html>" {
			t.Errorf("answered: %+v", r)
		}
		elapsed()
		set(func(x *sdktest.Exchange) { x.Delay(time.Second); x.DelayAnswer(time.Second) })
		if c.do("GET", path, nil); elapsed() != 2*time.Second+10*time.Millisecond {
			t.Error("not delayed")
		}
		set(func(x *sdktest.Exchange) { x.Lose() })
		if _, err := c.try("GET", path, nil); !errors.Is(err, sdktest.ErrLost) {
			t.Errorf("lost: %v", err)
		}
		elapsed()
		for _, hang := range []func(*sdktest.Exchange){(*sdktest.Exchange).Hang, (*sdktest.Exchange).HangAnswer} {
			set(hang)
			if _, err := c.try("GET", path, nil); !errors.Is(err, context.DeadlineExceeded) || elapsed() != 30*time.Second {
				t.Errorf("hung: %v", err)
			}
		}
		set(nil)
		c.p.Down()
		if _, err := c.try("GET", path, nil); !errors.Is(err, sdktest.ErrLost) {
			t.Errorf("down: %v", err)
		}
		c.p.Up()
		c.do("GET", path, nil)

		c.p.OnDial(func(d *sdktest.Dial) { d.Refuse = true })
		if _, err := c.Dial(t.Context(), "wss://platform.test"+wire.BasePath+path+"/events", wire.Subprotocol); err == nil {
			t.Error("a refused dial succeeded")
		}
		c.p.OnDial(func(d *sdktest.Dial) { d.Silent = true })
		st := c.dial(s)
		st.authenticate(c.token, client1, 0)
		time.Sleep(time.Minute)
		st.Close(4000, "")
		c.p.OnDial(nil)

		st, _ = c.open(s, client1, 0)
		c.p.OnFrame(func(f *sdktest.Frame) {
			if !f.FromClient {
				f.Delay = time.Second
			}
		})
		elapsed()
		c.chat(s)
		if st.wantEvents("ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED CUSTOMER"); elapsed() < time.Second {
			t.Error("frames not delayed")
		}
		c.p.SendRaw("nonsense")
		if b, err := st.Read(); string(b) != "nonsense" {
			t.Errorf("raw: %q, %v", b, err)
		}
		c.p.OnFrame(func(f *sdktest.Frame) { f.Cut = true })
		st.Write([]byte(`{"type":"ping"}`))
		st.wantClose(1006)
		c.p.OnFrame(nil)

		st, _ = c.open(s, client1, 0)
		e := c.p.Engagements()[0]
		c.p.RaiseError(e.EngagementID, "t", "title", "d")
		st.wantEvents("ENGAGEMENT_ERROR")
		c.p.EndSession(s.SessionID, wire.ReasonSystemClosed)
		st.wantEvents("SESSION_TERMINATED")
		st.wantClose(wire.CloseSessionGone)

		boom := errors.New("boom")
		store := c.p.Storage()
		store.Save("k", "v")
		other := store.Copy()
		store.Fail(boom, boom)
		if _, err := store.Load("k"); err != boom {
			t.Error("load did not fail")
		}
		if v, _ := other.Load("k"); v != "v" {
			t.Error("the copy lost what it held")
		}
	})
}

// A run repeats itself exactly, though requests are made at once.
func TestRepeatable(t *testing.T) {
	run := func() (log string) {
		bubble(t, sdktest.Options{AutoBot: true}, func(t *testing.T, c *client) {
			s := c.session()
			st, _ := c.open(s, client1, 0)
			e := c.chat(s)
			st.events(4)
			done := make(chan struct{})
			for i := range 20 {
				go func() {
					c.try("POST", "/engagements/"+e.EngagementID+"/messages", message(s, e, fmt.Sprint(i), fmt.Sprint("k", i)))
					done <- struct{}{}
				}()
				synctest.Wait() // the order of the calls is the caller's business
			}
			for range 20 {
				<-done
			}
			st.events(20)
			for _, f := range c.p.Frames() {
				log += fmt.Sprintln(f.At.UnixNano(), f.Conn, f.FromClient, f.Text)
			}
		})
		return log
	}
	first := run()
	for range 5 {
		if again := run(); again != first {
			t.Fatalf("two runs differ:\n%s\n%s", first, again)
		}
	}
}

// Everything ends with the platform, whatever hangs.
func TestClose(t *testing.T) {
	bubble(t, sdktest.Options{}, func(t *testing.T, c *client) {
		s := c.session()
		st, _ := c.open(s, client1, 0)
		c.p.OnRequest((*sdktest.Exchange).Hang)
		c.p.OnDial(func(d *sdktest.Dial) { d.Hang = true })
		ended := make(chan error, 3)
		go func() { _, err := st.Read(); ended <- err }()
		go func() { _, err := c.try("GET", "/sessions/x", nil); ended <- err }()
		go func() {
			_, err := c.Dial(context.Background(), base+"/sessions/x/events", wire.Subprotocol)
			ended <- err
		}()
		synctest.Wait()
		c.p.Close()
		for range 3 {
			if err := <-ended; err == nil {
				t.Error("no error after Close")
			}
		}
	})
}

func Example() {
	// In a test this stands inside synctest.Test, where nothing takes real time.
	p := sdktest.New(sdktest.Options{})
	defer p.Close()
	p.OnRequest(func(x *sdktest.Exchange) {
		if x.N == 1 {
			x.Refuse(503, wire.ProblemServerError, 0) // the first call fails
		}
	})
	params := p.Params(sdktest.Claims{Name: "Ann"})
	body := wire.CreateSession{IntegrationID: params.IntegrationID, CorrelationID: "1"}
	for range 2 {
		r, err := p.Transport().Do(context.Background(), sdk.Request{
			Method: "POST", URL: params.HostURL + wire.BasePath + "/sessions",
			Authorization: "Bearer " + params.Token, Appkey: params.Appkey, Body: body.Append(nil),
		})
		fmt.Println(r.Status, err)
	}
	fmt.Println(p.Sessions()[0].DisplayName)
	// Output:
	// 503 <nil>
	// 201 <nil>
	// Ann
}

// A device's wall clock can be set, which nothing else of the platform notices.
func TestDeviceClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(sdktest.Options{})
		defer p.Close()
		d := p.Device()
		d.StepClock(12 * time.Hour)
		d.StepClock(-time.Minute)
		time.Sleep(time.Second)
		if got := time.Until(d.WallClock()); got != 12*time.Hour-time.Minute {
			t.Errorf("the wall clock is %v ahead", got)
		}
	})
}

// A token that was made by a clock that is ahead is refused until its time comes.
func TestTokenAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(sdktest.Options{})
		defer p.Close()
		params := p.Params(sdktest.Claims{Ahead: 40 * time.Second})
		for _, want := range []int{401, 201} {
			body := wire.CreateSession{IntegrationID: params.IntegrationID}
			r, err := p.Transport().Do(context.Background(), sdk.Request{
				Method: "POST", URL: params.HostURL + wire.BasePath + "/sessions",
				Authorization: "Bearer " + params.Token, Appkey: params.Appkey, Body: body.Append(nil),
			})
			if err != nil || r.Status != want {
				t.Errorf("status %d, %v, want %d", r.Status, err, want)
			}
			time.Sleep(41 * time.Second)
		}
	})
}
