package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// eventText says in few words what an event frame holds.
func eventText(f wire.ServerFrame) string {
	e := f.Event
	switch {
	case f.Type != wire.FrameEvent:
		return string(f.Type)
	case e.Message != nil:
		return fmt.Sprintf("%d %s", e.Message.MessageIndex, e.Message.Body.Text)
	case e.Participant.ParticipantID != "":
		return fmt.Sprintf("%s %s", e.Type, e.Participant.DisplayName)
	}
	return string(e.Type)
}

func (c *client) expect(want ...string) (last wire.EventID) {
	c.w.t.Helper()
	for _, w := range want {
		f := c.read()
		if got := eventText(f); got != w {
			c.w.t.Errorf("%q came, not %q", got, w)
		}
		if f.Type == wire.FrameEvent {
			if f.ID <= last {
				c.w.t.Errorf("%v after %v", f.ID, last)
			}
			last = f.ID
		}
	}
	return last
}

func TestStream(t *testing.T) {
	w := newEnvironment(t)
	ann := w.session("ann")
	second := w.session("ann")
	bob := w.chat("bob")
	one, ready := ann.open(clientOne, 0)
	if !ready.Resumed || ready.HeartbeatInterval != wire.HeartbeatInterval || ready.LastEventID == 0 {
		t.Errorf("%+v", ready)
	}
	two, _ := second.open(clientTwo, 0)

	ann.e = must(w, wire.DecodeEngagement, "POST", "/engagements", ann.token, `{"sessionId":"`+ann.session.SessionID+`","correlationId":"creation"}`)
	ann.join()
	bob.say("not for ann", "b")
	t.Run("EV-13 the session that enters gets the event, no other", func(t *testing.T) {
		f := one.read()
		if eventText(f) != "ENGAGEMENT_ACTIVE" || f.Event.CorrelationID != "creation" || f.Event.EngagementID != ann.e.EngagementID || f.Event.DialogID != ann.e.DialogID || f.Event.SessionID != ann.session.SessionID || f.Event.Date.IsZero() {
			t.Errorf("%+v", f)
		}
		if f.ID <= ready.LastEventID {
			t.Errorf("%v is not after %v", f.ID, ready.LastEventID)
		}
		one.expect("PARTICIPANT_ADDED Name of ann")
	})
	stored := ann.say("secret words", "m")
	for _, s := range []*client{one, two} {
		f := s.read()
		if eventText(f) != "1 secret words" || f.ID != stored.EventID {
			t.Errorf("%+v", f)
		}
		f.Event.Message.EventID = f.ID
		if *f.Event.Message != stored {
			t.Errorf("the event has %+v, the answer %+v", *f.Event.Message, stored)
		}
	}
	two.write(`{"type":"ping"}`)
	two.expect("pong")
	two.write(`{"type":"something new","x":[]}`)
	two.write(`{"type":"ping"}`)
	two.expect("pong")
	second.e = ann.e
	second.join()
	two.expect("ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED Name of ann")
	if r := w.call("POST", "/engagements/"+ann.e.EngagementID+":disconnect", ann.token, `{`+ann.ids()+`,"correlationId":"end"}`); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	for _, s := range []*client{one, two} {
		s.expect("PARTICIPANT_DISCONNECTED Name of ann", "ENGAGEMENT_TERMINATED")
	}
	t.Run("SHUT-3 the session's end", func(t *testing.T) {
		if r := w.call("DELETE", "/sessions/"+ann.session.SessionID, ann.token, ""); r.status != 204 {
			t.Fatal(r.status)
		}
		got := one.closed(wire.CloseSessionGone)
		if len(got) != 1 || eventText(got[0]) != "SESSION_TERMINATED" || got[0].Event.Reason != wire.ReasonUserClosed || got[0].Event.SessionID != ann.session.SessionID {
			t.Errorf("%+v", got)
		}
		again := w.dial(ann.session.SessionID)
		again.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: ann.token, Appkey: appkey, ClientID: clientOne})
		again.closed(wire.CloseSessionGone)
		two.write(`{"type":"ping"}`)
		two.expect("pong")
	})
}

func TestStreamFrames(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.AuthTimeout, c.FrameRate, c.FrameBurst = 300*time.Millisecond, 0.01, 5 })
	c := w.session("ann")
	auth := string((&wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientOne}).Append(nil))
	for _, x := range []struct {
		name   string
		frames []string
		code   int
	}{
		{"nothing", nil, wire.CloseAuthTimeout},
		{"not JSON", []string{"{"}, wire.CloseMalformed},
		{"not an object", []string{"1"}, wire.CloseMalformed},
		{"not authenticate", []string{`{"type":"ping"}`}, wire.CloseMalformed},
		{"no token", []string{`{"type":"authenticate"}`}, wire.CloseTokenRefused},
		{"clientId", []string{strings.Replace(auth, clientOne, "x", 1)}, wire.CloseMalformed},
		{"lastEventId", []string{strings.Replace(auth, "{", `{"lastEventId":"x",`, 1)}, wire.CloseMalformed},
		{"large", []string{`{"type":"` + strings.Repeat("x", wire.MaxClientFrame) + `"}`}, wire.CloseMalformed},
		{"malformed later", []string{auth, "x"}, wire.CloseMalformed},
		{"too many", []string{auth, `{"type":"pong"}`, `{"type":"pong"}`, `{"type":"pong"}`, `{"type":"pong"}`, `{"type":"pong"}`}, wire.CloseTooMuch},
		{"another customer's token", []string{auth, strings.Replace(auth, c.token, w.token("bob"), 1)}, wire.CloseTokenRefused},
		{"another integration's token", []string{auth, strings.Replace(auth, c.token, w.token("ann", func(c *Claims) { c.IntegrationID = sameAccInt }), 1)}, wire.CloseTokenRefused},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := w.dial(c.session.SessionID)
			for _, f := range x.frames {
				s.write(f)
			}
			s.closed(x.code)
		})
	}
	t.Run("binary", func(t *testing.T) {
		s := w.dial(c.session.SessionID)
		if err := s.conn.Write(w.ctx(), websocket.MessageBinary, []byte(auth)); err != nil {
			t.Fatal(err)
		}
		s.closed(wire.CloseMalformed)
	})
	t.Run("without the subprotocol", func(t *testing.T) {
		if _, res, err := w.tryDial(c.session.SessionID, "chat"); err == nil || res.StatusCode != 400 {
			t.Errorf("%v %v", res, err)
		}
	})
	t.Run("not a WebSocket", func(t *testing.T) {
		if r := w.call("GET", "/sessions/"+c.session.SessionID+"/events", c.token, ""); r.status != 400 {
			t.Errorf("%d %s", r.status, r.body)
		}
		if r := w.call("GET", "/sessions/"+c.session.SessionID+"/events", c.token, "", "Sec-WebSocket-Protocol", wire.Subprotocol); r.status != http.StatusUpgradeRequired {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
}

func TestStreamLimits(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.MaxStreams, c.MaxStreamsPerCustomer = 4, 2 })
	ann := w.session("ann")
	ann.open(clientOne, 0)
	w.session("ann").open(clientOne, 0)
	third := w.session("ann")
	s := w.dial(third.session.SessionID)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: third.token, Appkey: appkey, ClientID: clientOne})
	s.closed(wire.CloseTooMuch)
	w.awaitStreams(2)
	bob := w.session("bob")
	bob.open(clientOne, 0)
	w.dial(bob.session.SessionID)
	if _, res, err := w.tryDial(bob.session.SessionID, wire.Subprotocol); err == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%v %v", res, err)
	}
}

// The stream is opened and lost again and again while messages are stored: each comes
// once and in order.
func TestResume(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	const n = 300
	said := make(chan struct{})
	go func() {
		defer close(said)
		for i := range n {
			c.say("x", strconv.Itoa(i))
		}
	}()
	s, ready := c.open(clientOne, c.e.EventID)
	if !ready.Resumed || ready.LastEventID != c.e.EventID {
		t.Errorf("%+v", ready)
	}
	var last wire.EventID
	for i := int64(1); i <= n; i++ {
		f := s.read()
		if f.Event.Message == nil || f.Event.Message.MessageIndex != i || f.ID <= last {
			t.Fatalf("message %d: %+v", i, f)
		}
		last = f.ID
		if i%37 == 0 {
			s.conn.CloseNow()
			if s, ready = c.open(clientOne, last); !ready.Resumed || ready.LastEventID != last {
				t.Fatalf("%+v", ready)
			}
		}
	}
	<-said
	s.write(`{"type":"ping"}`)
	s.expect("pong")
}

func TestResumeAfterRestart(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	// From the join on, whether or not the gateway has followed the store up to it.
	s, _ := c.open(clientOne, c.e.EventID)
	c.say("1", "1")
	last := s.expect("1 1")
	c.say("2", "2")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.closed(wire.CloseGoingAway)
	}()
	w.stop()
	<-closed
	w.start()
	c.say("3", "3")
	t.Run("STREAM-3 nothing missing, nothing double", func(t *testing.T) {
		s, ready := c.open(clientOne, last)
		if !ready.Resumed {
			t.Errorf("%+v", ready)
		}
		s.expect("2 2", "3 3")
		c.say("4", "4")
		s.expect("4 4")
		s.write(`{"type":"ping"}`)
		s.expect("pong")
	})
	t.Run("MSG-4 the keys hold", func(t *testing.T) {
		r := w.call("POST", "/engagements/"+c.e.EngagementID+"/messages", c.token, c.body("2", "2"))
		if m, _ := wire.DecodeMessage(r.body); r.status != 200 || m.MessageIndex != 2 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("STREAM-7 a position that is not known", func(t *testing.T) {
		s, ready := c.open(clientOne, last+1_000_000)
		if ready.Resumed || ready.LastEventID == 0 || ready.LastEventID > last+1_000_000 {
			t.Errorf("%+v", ready)
		}
		c.say("5", "5")
		if id := s.expect("5 5"); id <= ready.LastEventID {
			t.Errorf("%v is not after %v", id, ready.LastEventID)
		}
	})
}

// A long replay goes through a short queue, and what happens meanwhile comes after.
func TestResumeLong(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.QueueFrames = 16 })
	c := w.chat("ann")
	for i := range 200 {
		c.say(strings.Repeat("x", 1000), strconv.Itoa(i))
	}
	s, _ := c.open(clientOne, c.e.EventID)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { c.say("during", "during") })
	for i := int64(1); i <= 201; i++ {
		if f := s.read(); f.Event.Message == nil || f.Event.Message.MessageIndex != i {
			t.Fatalf("message %d: %+v", i, f)
		}
	}
}

func TestTakeover(t *testing.T) {
	w := newEnvironment(t)
	c := w.session("ann")
	t.Run("by the same client", func(t *testing.T) {
		older, _ := c.open(clientOne, 0)
		newer, _ := c.open(clientOne, 0)
		older.closed(wire.CloseSuperseded)
		newer.write(`{"type":"ping"}`)
		newer.expect("pong")
		newer.conn.Close(websocket.StatusNormalClosure, "")
	})
	t.Run("SES-4 by another while the older lives", func(t *testing.T) {
		older, _ := c.open(clientOne, 0)
		newer := w.dial(c.session.SessionID)
		newer.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientTwo})
		if f, err := older.tryRead(); err != nil || f.Type != wire.FramePing {
			t.Fatalf("%+v %v", f, err)
		}
		older.write(`{"type":"pong"}`)
		newer.closed(wire.CloseSuperseded)
		older.write(`{"type":"ping"}`)
		older.expect("pong")
		older.conn.Close(websocket.StatusNormalClosure, "")
	})
	t.Run("SES-4 by another while the older is dead", func(t *testing.T) {
		older, _ := c.open(clientOne, 0) // does not read, so does not answer
		newer, _ := c.open(clientTwo, 0)
		newer.write(`{"type":"ping"}`)
		newer.expect("pong")
		older.closed(wire.CloseSuperseded)
		newer.conn.Close(websocket.StatusNormalClosure, "")
	})
	t.Run("many at once", func(t *testing.T) {
		const n = 8
		type end struct {
			s    *client
			code websocket.StatusCode
		}
		ready := make(chan *client, n)
		ended := make(chan end, n)
		var wg sync.WaitGroup
		for i := range n {
			s := w.dial(c.session.SessionID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: fmt.Sprintf("%08d-1111-4111-8111-111111111111", i)})
			wg.Go(func() {
				for {
					f, err := s.tryRead()
					if err != nil {
						ended <- end{s, websocket.CloseStatus(err)}
						return
					}
					switch f.Type {
					case wire.FrameReady:
						ready <- s
					case wire.FramePing:
						s.write(`{"type":"pong"}`)
					}
				}
			})
		}
		winner := <-ready
		for range n - 1 {
			if e := <-ended; e.code != wire.CloseSuperseded || e.s == winner {
				t.Errorf("closed with %d, the winner %v", e.code, e.s == winner)
			}
		}
		winner.conn.CloseNow()
		wg.Wait()
		if len(ready) != 0 {
			t.Errorf("%d more were ready", len(ready))
		}
	})
}

func TestExpiry(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	short := func(d time.Duration) string { return w.token("ann", holds(d)) }
	open := func(token string) *client {
		s := w.dial(c.session.SessionID)
		s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne})
		s.expect("ready")
		return s
	}
	t.Run("JWT-2 closed when the token expires", func(t *testing.T) {
		token := short(2 * time.Second)
		claims, err := wire.ReadToken(token)
		if err != nil {
			t.Fatal(err)
		}
		s := open(token)
		s.closed(wire.CloseTokenExpired)
		if late := time.Since(claims.Expiry); late < 0 || late > 2*time.Second {
			t.Errorf("closed %v after the end", late)
		}
		if r := w.call("GET", "/sessions/"+c.session.SessionID, token, ""); r.status != 401 {
			t.Errorf("%d", r.status)
		}
	})
	t.Run("JWT-3 renewed in place", func(t *testing.T) {
		token := short(3 * time.Second)
		claims, err := wire.ReadToken(token)
		if err != nil {
			t.Fatal(err)
		}
		s := open(token)
		s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: w.token("ann"), Appkey: appkey, ClientID: clientOne})
		s.expect("authenticated")
		// The old token's end has to pass to see that it does not count any more.
		<-time.After(time.Until(claims.Expiry) + 100*time.Millisecond)
		m := c.say("after the old one's end", "k")
		s.expect(fmt.Sprintf("%d after the old one's end", m.MessageIndex))
	})
	t.Run("renewed with an expired one", func(t *testing.T) {
		token := short(time.Second)
		claims, err := wire.ReadToken(token)
		if err != nil {
			t.Fatal(err)
		}
		s := open(w.token("ann"))
		<-time.After(time.Until(claims.Expiry))
		s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne})
		s.closed(wire.CloseTokenExpired)
	})
}

func TestHeartbeat(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.HeartbeatInterval = time.Second })
	c := w.session("ann")
	t.Run("STREAM-4 a silent client is pinged, then closed", func(t *testing.T) {
		begun := time.Now()
		s, ready := c.open(clientOne, 0)
		if ready.HeartbeatInterval != time.Second {
			t.Errorf("%+v", ready)
		}
		got := s.closed(wire.CloseGoingAway)
		if len(got) != 1 || got[0].Type != wire.FramePing {
			t.Errorf("%+v", got)
		}
		if d := time.Since(begun); d < 2*time.Second || d > 4*time.Second {
			t.Errorf("closed after %v", d)
		}
	})
	t.Run("STREAM-4 one that answers stays", func(t *testing.T) {
		s, _ := c.open(clientOne, 0)
		for range 3 {
			if f, err := s.tryRead(); err != nil || f.Type != wire.FramePing {
				t.Fatalf("%+v %v", f, err)
			}
			s.write(`{"type":"pong"}`)
		}
	})
}

// Frames that wait together come as few messages as their bound allows, in order.
func TestFramesTogether(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	s, _ := c.open(clientOne, c.e.EventID) // the chat's own events are not to come between
	w.g.hub.mu.Lock()
	inside := w.g.hub.customers[store.Customer{Account: account, ID: "ann"}][c.session.SessionID]
	w.g.hub.mu.Unlock()

	var all []string
	inside.mu.Lock() // the writer sees none of them before there are all
	for i := range 300 {
		text := fmt.Sprintf(`{"type":"%d","x":"%s"}`, i, strings.Repeat("é", 250))
		if i == 200 { // exactly the bound, and so alone
			text = fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("e", wire.MaxServerFrame-len(`{"x":""}`)))
		}
		all = append(all, text)
		inside.pushLocked(&frame{text: []byte(text)})
	}
	inside.mu.Unlock()
	var got []string
	var sizes []int
	for len(got) < len(all) {
		_, text, err := s.conn.Read(w.ctx())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(text))
		got = append(got, strings.Split(string(text), wire.FrameSeparator)...)
	}
	if !slices.Equal(got, all) {
		t.Error("other frames came, or in another order")
	}
	// As many as fit, the rest of the small ones, the large one, the others.
	if len(sizes) != 4 || slices.Max(sizes) > wire.MaxServerFrame || sizes[0]+len(all[150]) < wire.MaxServerFrame {
		t.Errorf("messages of %d bytes", sizes)
	}
	// What is read may not be counted out yet; it is before the writer takes the next frame.
	s.send(wire.ClientFrame{Type: wire.FramePing})
	if _, text, err := s.conn.Read(w.ctx()); err != nil || !strings.Contains(string(text), string(wire.FramePong)) {
		t.Fatalf("%s, %v", text, err)
	}
	inside.mu.Lock()
	defer inside.mu.Unlock()
	if len(inside.queue) != 0 || inside.frames > 1 || inside.bytes > wire.MaxServerFrame {
		t.Errorf("%d frames, %d bytes are counted as waiting", inside.frames, inside.bytes)
	}
}

// A client that does not read is cut when its queue is full; it comes back and gets
// the rest. Nobody else notices.
func TestSlowReader(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.QueueFrames, c.QueueBytes = 16, 128<<10 })
	c := w.chat("ann")
	other := w.session("ann")
	fast, _ := other.open(clientTwo, c.e.EventID)

	// A small receive window, so that the sockets do not hide the slowness.
	slow := &client{w: w}
	var err error
	slow.conn, _, err = websocket.Dial(w.ctx(), w.http.URL+wire.BasePath+"/sessions/"+c.session.SessionID+"/events", &websocket.DialOptions{
		Subprotocols: []string{wire.Subprotocol},
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
			}
			return conn, err
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slow.conn.CloseNow() })
	slow.conn.SetReadLimit(wire.MaxServerFrame)
	slow.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientOne, LastEventID: c.e.EventID})
	slow.expect("ready")

	w.g.hub.mu.Lock()
	inside := w.g.hub.customers[store.Customer{Account: account, ID: "ann"}][c.session.SessionID]
	w.g.hub.mu.Unlock()
	cut := func() bool {
		inside.mu.Lock()
		defer inside.mu.Unlock()
		// What waits for it is bounded, but for the frame that was one too many.
		if inside.bytes > 128<<10+wire.MaxServerFrame || len(inside.queue) > 16+1 {
			t.Fatalf("%d bytes in %d frames wait", inside.bytes, len(inside.queue))
		}
		return inside.code == wire.CloseTooMuch
	}
	n := 0
	for ; !cut(); n++ {
		if n == 5000 {
			t.Fatal("40 MiB wait for a client that reads nothing")
		}
		c.say(strings.Repeat("é", 4096), strconv.Itoa(n))
		if f := fast.read(); f.Event.Message == nil || f.Event.Message.MessageIndex != int64(n+1) {
			t.Fatalf("the fast one got %+v as %d", f, n+1)
		}
	}
	frames := slow.closed(wire.CloseTooMuch)
	if len(frames) == 0 || len(frames) >= n {
		t.Fatalf("the slow one got %d", len(frames))
	}
	var got []int64
	for _, f := range frames {
		got = append(got, f.Event.Message.MessageIndex)
	}
	s, ready := c.open(clientOne, frames[len(frames)-1].ID)
	if !ready.Resumed {
		t.Fatalf("%+v", ready)
	}
	for len(got) < n {
		got = append(got, s.read().Event.Message.MessageIndex)
	}
	for i := range got {
		if got[i] != int64(i+1) {
			t.Fatalf("%d-th is %d", i+1, got[i])
		}
	}
	if !slices.IsSorted(got) {
		t.Error("not in order")
	}
}
