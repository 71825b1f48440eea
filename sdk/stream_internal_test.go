package sdk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// describe names an output, with what matters of it.
func (o *streamOutput) String() string {
	switch o.kind {
	case streamEmit:
		name := strings.TrimPrefix(string(o.event.Type), "EVENT_STREAM_")
		if o.event.Reason != "" {
			name += " " + o.event.Reason
		}
		if o.event.RetryAfter > 0 {
			name += " " + o.event.RetryAfter.String()
		}
		return name
	case streamDial:
		return "dial"
	case streamDrop:
		return fmt.Sprintf("drop %d", o.code)
	case streamWrite:
		f, err := wire.DecodeClientFrame(o.frame)
		if err != nil {
			return err.Error()
		}
		s := "write " + string(f.Type)
		if f.Token != "" {
			s += " " + f.Token
		}
		if f.LastEventID != 0 {
			s += " after " + f.LastEventID.String()
		}
		return s
	case streamServerTime:
		return "server time"
	case streamAccepted:
		return "accepted " + o.token
	case streamOpened:
		return "opened " + o.token
	case streamReady:
		if o.lost {
			return "ready, lost to " + o.lastID.String()
		}
		return "ready"
	case streamTokenExpired:
		return "token expired"
	case streamTokenRefused:
		return "token refused " + o.token
	case streamSessionGone:
		return "session gone"
	case streamInitFailed:
		return "init failed " + o.err.Code.String()
	}
	return "?"
}

// streamTest drives a stream whose backoff draws a tenth of a second.
type streamTest struct {
	*testing.T
	stream
	at float64 // seconds since the test began
}

func newStreamTest(t *testing.T) *streamTest {
	st := &streamTest{T: t, stream: stream{
		window:  2 * time.Minute,
		random:  fixed(uint64(100 * time.Millisecond)),
		log:     &logger{},
		backoff: backoff{base: reconnectBase, ceiling: reconnectCeiling},
	}}
	return st
}

func (st *streamTest) now() instant { return after(st.at) }

// want compares what is to happen.
func (st *streamTest) want(want string) {
	st.Helper()
	var got []string
	out := st.take()
	for i := range out {
		got = append(got, out[i].String())
	}
	if s := strings.Join(got, ", "); s != want {
		st.Errorf("%vs: %s, want %s", st.at, s, want)
	}
}

// frameFrom takes a frame of the server.
func (st *streamTest) frameFrom(f wire.ServerFrame) *wire.ServerFrame {
	return st.frame(f.Append(nil), st.now())
}

// opens goes from idle to open.
func (st *streamTest) opens(ready wire.ServerFrame) {
	st.connect(st.now())
	st.dialed("a", st.now())
	ready.Type = wire.FrameReady
	st.frameFrom(ready)
	if st.state != streamOpen {
		st.Fatalf("state %d", st.state)
	}
	st.take()
}

func TestStreamConnects(t *testing.T) {
	st := newStreamTest(t)
	st.connect(st.now())
	st.want("CONNECTING, dial")
	st.dialed("a", st.now())
	st.want("write authenticate a")
	st.frameFrom(wire.ServerFrame{Type: wire.FrameEvent, ID: 3})
	st.want("")
	st.frameFrom(wire.ServerFrame{Type: wire.FrameReady, LastEventID: 7})
	st.want("opened a, CONNECTED, ready")
	if f := st.frameFrom(wire.ServerFrame{Type: wire.FrameEvent, ID: 9, Event: wire.Event{Type: wire.EventEngagementActive}}); f == nil || f.ID != 9 {
		t.Errorf("the event is %v", f)
	}
	if f := st.frameFrom(wire.ServerFrame{Type: wire.FrameEvent, ID: 9}); f != nil {
		t.Error("an event twice")
	}
	st.want("")
}

// Each close code in each situation.
func TestStreamClosed(t *testing.T) {
	lost := func(reason string) string { return "drop 4000, FAILED " + reason + " 1s" }
	for _, test := range []struct {
		code    int
		reason  string
		initial bool
		token   string // that is to be used
		want    string
	}{
		{code: 1006, want: lost("SERVER_UNREACHABLE")},
		{code: wire.CloseGoingAway, want: lost("SERVER_ERROR")},
		{code: wire.CloseServerError, want: lost("SERVER_ERROR")},
		{code: wire.CloseTooMuch, want: lost("SERVER_ERROR")},
		{code: wire.CloseSuperseded, want: lost("SERVER_ERROR")},
		{code: wire.CloseSessionGone, want: "session gone"},
		{code: wire.CloseSessionGone, initial: true, want: "session gone"},
		{code: wire.CloseTokenExpired, want: "token expired"},
		{code: wire.CloseTokenExpired, token: "b", want: lost("UNAUTHORIZED")},
		{code: wire.CloseTokenExpired, initial: true, want: "init failed ACS-305"},
		{code: wire.CloseTokenRefused, want: "token refused a"},
		{code: wire.CloseTokenRefused, token: "b", want: lost("FORBIDDEN")},
		{code: wire.CloseTokenRefused, initial: true, want: "init failed ACS-305"},
		{code: wire.CloseTokenRefused, reason: "appkey unknown", want: lost("FORBIDDEN")},
		{code: wire.CloseTokenRefused, reason: "appkey unknown", initial: true, want: "init failed ACS-302"},
	} {
		t.Run(fmt.Sprint(test.code, test.reason, test.initial, test.token), func(t *testing.T) {
			st := newStreamTest(t)
			st.initial = test.initial
			st.opens(wire.ServerFrame{})
			token := "a"
			if test.token != "" {
				token = test.token
			}
			st.closed(&CloseError{test.code, test.reason}, token, st.now())
			st.want(test.want)
		})
	}
}

func TestStreamReconnects(t *testing.T) {
	t.Run("until the window is over", func(t *testing.T) {
		st := newStreamTest(t)
		st.opens(wire.ServerFrame{})
		st.at = 1
		st.closed(&CloseError{Code: 1006}, "a", st.now())
		st.want("drop 4000, FAILED SERVER_UNREACHABLE 1s")
		st.at = 1.1
		if st.nextTimer() != st.now() {
			t.Errorf("the next attempt is at %v", st.nextTimer())
		}
		st.handleTimers(st.now())
		st.want("CONNECTING, dial")
		st.at += connectTimeout.Seconds()
		st.handleTimers(st.now())
		st.want("drop 4000, FAILED SERVER_UNREACHABLE 1s")
		st.at = 120.99
		st.handleTimers(st.now())
		st.want("CONNECTING, dial")
		st.at = 121
		st.closed(&CloseError{Code: 1006}, "a", st.now())
		st.want("drop 4000, drop 4000, FAILED RECONNECTION_TIMEOUT")
		if st.nextTimer() != 0 {
			t.Error("a timer after it has given up")
		}
		if err := st.retryConnection(st.now()); err != nil {
			t.Error(err)
		}
		st.want("drop 4000, CONNECTING, dial")
	})
	t.Run("from where it was, and says what was lost", func(t *testing.T) {
		st := newStreamTest(t)
		st.initial = true
		st.opens(wire.ServerFrame{LastEventID: 7})
		st.initial = false
		st.closed(&CloseError{Code: 1006}, "a", st.now())
		st.at = 1
		st.handleTimers(st.now())
		st.take()
		st.dialed("a", st.now())
		st.want("write authenticate a after 7")
		st.frameFrom(wire.ServerFrame{Type: wire.FrameReady, LastEventID: 12})
		st.want("opened a, CONNECTED, ready, lost to 12")
		st.hold()
		st.release(12, st.now())
		if st.lastID != 12 || st.held {
			t.Errorf("at %v, held %v", st.lastID, st.held)
		}
	})
	t.Run("with growing delays after refusals, unless a call has shown that the token is good", func(t *testing.T) {
		st := newStreamTest(t)
		for i, want := range []string{"1s", "2s", "4s", "8s"} {
			st.opens(wire.ServerFrame{})
			st.closed(&CloseError{Code: wire.CloseTokenRefused}, "a", st.now())
			st.want("token refused a")
			st.tokenRefused(false, st.now())
			st.want("drop 4000, FAILED FORBIDDEN " + want)
			st.at += float64(uint(1) << i)
		}
		refused := st.refusedAt
		if st.tokenWorked(refused-time.Second, st.now()) || st.nextTimer() == refused+maxRefusalWait {
			t.Error("a call that was sent before counts")
		}
		st.tokenWorked(refused+time.Second, st.now())
		if st.nextTimer() != refused+maxRefusalWait {
			t.Errorf("the next attempt is after %v", st.nextTimer()-refused)
		}
	})
	t.Run("at once with the token before", func(t *testing.T) {
		st := newStreamTest(t)
		st.opens(wire.ServerFrame{})
		st.closed(&CloseError{Code: wire.CloseTokenRefused}, "a", st.now())
		st.take()
		st.tokenRefused(true, st.now())
		st.at = 0.1
		if st.nextTimer() != st.now() {
			t.Errorf("the next attempt is at %v", st.nextTimer())
		}
	})
	t.Run("with a new token after one has expired", func(t *testing.T) {
		st := newStreamTest(t)
		st.opens(wire.ServerFrame{})
		st.tokenExpired(st.now())
		st.want("drop 4000, FAILED UNAUTHORIZED")
		if err := st.retryConnection(st.now()); err == nil || err.Code != CodeTokenInvalid {
			t.Errorf("retryConnection: %v", err)
		}
		st.wake(WakeOnline, st.now())
		st.want("")
		st.setToken("b", st.now())
		st.want("drop 4000, CONNECTING, dial")
	})
}

func TestStreamHeartbeat(t *testing.T) {
	st := newStreamTest(t)
	st.opens(wire.ServerFrame{HeartbeatInterval: 10 * time.Second})
	st.at = 9.9
	st.handleTimers(st.now())
	st.want("")
	st.at = 10
	st.handleTimers(st.now())
	st.want("write ping")
	st.at = 15
	st.frameFrom(wire.ServerFrame{Type: wire.FramePong})
	st.want("server time")
	st.at = 16
	st.frameFrom(wire.ServerFrame{Type: wire.FramePing})
	st.want("server time, write pong")
	st.at = 26
	st.handleTimers(st.now())
	st.want("write ping")
	st.at = 36
	st.handleTimers(st.now())
	st.want("drop 4000, FAILED SERVER_UNREACHABLE 1s")
}

func TestStreamWakes(t *testing.T) {
	for _, test := range []struct {
		name  string
		state string
		wakes []Wake
		want  string
	}{
		{"an open connection is asked for life", "open", []Wake{WakeVisible}, "write ping"},
		{"and is dropped when the page goes", "open", []Wake{WakeAway}, "FAILED SERVER_UNREACHABLE, drop 4000"},
		{"it comes back with the page", "open", []Wake{WakeAway, WakeOffline, WakeVisible}, "FAILED SERVER_UNREACHABLE, drop 4000, drop 4000, CONNECTING, dial"},
		{"a broken one is tried", "broken", []Wake{WakeOnline}, "CONNECTING, dial"},
		{"not while the browser is offline", "broken", []Wake{WakeOffline}, ""},
		{"nor reported twice when the page goes", "broken", []Wake{WakeAway}, "drop 4000"},
		{"in init the page may go", "initial", []Wake{WakeAway}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := newStreamTest(t)
			st.initial = test.state == "initial"
			st.opens(wire.ServerFrame{})
			if test.state == "broken" {
				st.closed(&CloseError{Code: 1006}, "a", st.now())
				st.take()
			}
			for _, w := range test.wakes {
				st.wake(w, st.now())
			}
			st.want(test.want)
		})
	}
}

func TestStreamTokenInPlace(t *testing.T) {
	st := newStreamTest(t)
	st.opens(wire.ServerFrame{})
	st.setToken("a", st.now())
	st.want("")
	st.setToken("b", st.now())
	st.setToken("c", st.now())
	st.want("write authenticate b, write authenticate c")
	st.frameFrom(wire.ServerFrame{Type: wire.FrameAuthenticated})
	st.want("")
	if !st.olderTokenRefused("c") {
		t.Error("a refusal now may be b's")
	}
	st.frameFrom(wire.ServerFrame{Type: wire.FrameAuthenticated})
	st.want("accepted c")
	if st.olderTokenRefused("c") {
		t.Error("a refusal now is c's")
	}
}
