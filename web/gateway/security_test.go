package gateway

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// What strangers and hostile customers try, beside what auth_test.go (tokens),
// rest_test.go (isolation, origins, bodies of one call) and stream_test.go (frames,
// slow readers) have. Every environment's log is searched for tokens, secrets and texts
// when it stops.

// A correlationId is the customer's own, in an integration: whoever else uses the same
// one is neither answered with what is not theirs nor kept from making their own.
func TestKeysAreEachCustomersOwn(t *testing.T) {
	w := newEnvironment(t)
	elsewhere := func(c *Claims) { c.IntegrationID = sameAccInt }
	otherTenant := func(c *Claims) { c.Account, c.IntegrationID = otherAccount, otherInt }
	type who struct {
		name, token, integration, appkey string
		session, engagement              string
	}
	all := []*who{
		{name: "ann", token: w.token("ann"), integration: integration, appkey: appkey},
		{name: "bob", token: w.token("bob"), integration: integration, appkey: appkey},
		{name: "ann of another integration", token: w.token("ann", elsewhere), integration: sameAccInt, appkey: appkey},
		{name: "ann of another account", token: w.token("ann", otherTenant), integration: otherInt, appkey: otherKey},
	}
	seen := map[string]string{}
	mine := func(w *who, what, id string) {
		t.Helper()
		if !wire.IsUUID(id) || seen[id] != "" {
			t.Errorf("%s of %s: %q, which is %q already", what, w.name, id, seen[id])
		}
		seen[id] = what + " of " + w.name
	}
	for _, c := range all {
		post := func(path, body string) reply {
			t.Helper()
			first := w.call("POST", path, c.token, body, "appkey", c.appkey)
			if first.status != 201 {
				t.Fatalf("%s, POST %s: %d %s", c.name, path, first.status, first.body)
			}
			if again := w.call("POST", path, c.token, body, "appkey", c.appkey); again.status != 200 || string(again.body) != string(first.body) {
				t.Errorf("%s, again: %d %s", c.name, again.status, again.body)
			}
			return first
		}
		r := post("/sessions", `{"integrationId":"`+c.integration+`","correlationId":"key"}`)
		c.session = field(t, r.body, "sessionId")
		mine(c, "session", c.session)
		r = post("/engagements", `{"sessionId":"`+c.session+`","engagementParameters":{"topic":"`+c.name+`"},"correlationId":"key"}`)
		c.engagement = field(t, r.body, "engagementId")
		dialog := field(t, r.body, "dialogId")
		mine(c, "engagement", c.engagement)
		mine(c, "dialog", dialog)
		ids := `"sessionId":"` + c.session + `","dialogId":"` + dialog + `"`
		if r := w.call("POST", "/engagements/"+c.engagement+":join", c.token, `{`+ids+`,"correlationId":"key"}`, "appkey", c.appkey); r.status != 200 {
			t.Fatalf("%s: %d %s", c.name, r.status, r.body)
		}
		r = post("/engagements/"+c.engagement+"/messages", `{`+ids+`,"body":{"elementText":{"text":"secret words of `+c.name+`"}},"correlationId":"key"}`)
		mine(c, "message", field(t, r.body, "messageId"))
		if m, err := wire.DecodeMessage(r.body); err != nil || m.Body.Text != "secret words of "+c.name || m.MessageIndex != 1 {
			t.Errorf("%s wrote %s", c.name, r.body)
		}
	}
	t.Run("ids can be worked out, and open nothing", func(t *testing.T) {
		// They follow from the customer and the key. Somebody who knows both still needs the token.
		for _, of := range all {
			for _, by := range all {
				want := 404
				if of == by {
					want = 200
				}
				for _, path := range []string{"/sessions/" + of.session, "/engagements?sessionId=" + of.session} {
					if r := w.call("GET", path, by.token, "", "appkey", by.appkey); r.status != want {
						t.Errorf("%s reads %s of %s: %d", by.name, path, of.name, r.status)
					}
				}
			}
		}
	})
}

// The same customer in two integrations of an account is two customers: what is said in
// one is not on the other's streams, neither live nor resumed.
func TestIntegrationsApart(t *testing.T) {
	w := newEnvironment(t)
	here := w.chat("ann")
	there := &chat{w: w, token: w.token("ann", func(c *Claims) { c.IntegrationID = sameAccInt })}
	there.session = must(w, wire.DecodeSession, "POST", "/sessions", there.token, `{"integrationId":"`+sameAccInt+`"}`)
	first, ready := there.open(clientOne, 0)
	own, _ := here.open(clientOne, 0)
	here.say("secret words", "k")
	own.expect("1 secret words") // so the hub has had it
	there.e = must(w, wire.DecodeEngagement, "POST", "/engagements", there.token, `{"sessionId":"`+there.session.SessionID+`"}`)
	there.join()
	there.say("of the other integration", "k")
	want := []string{"ENGAGEMENT_ACTIVE", "PARTICIPANT_ADDED Name of ann", "1 of the other integration"}
	first.expect(want...)
	first.conn.CloseNow()
	again, resumed := there.open(clientOne, ready.LastEventID)
	if !resumed.Resumed {
		t.Errorf("%+v", resumed)
	}
	again.expect(want...)
	again.write(`{"type":"ping"}`)
	again.expect("pong")
	own.write(`{"type":"ping"}`)
	own.expect("pong") // and nothing of the other before it
}

// Whatever the body of whatever call: an exact refusal, and nothing is made.
func TestHostileBodies(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	paths := []string{
		"/sessions", "/engagements", "/engagements/" + c.e.EngagementID + ":join",
		"/engagements/" + c.e.EngagementID + ":disconnect", "/engagements/" + c.e.EngagementID + "/messages",
	}
	sound := func(more string) string {
		return fmt.Sprintf(`{%s"integrationId":%q,%s,"body":{"elementText":{"text":"secret words"}}}`, more, integration, c.ids())
	}
	for _, x := range []struct {
		name, body string
		status     int
		headers    []string
	}{
		{"none", "", 400, nil},
		{"1 MB", sound(`"x":"` + strings.Repeat("x", 1<<20) + `",`), 413, nil},
		{"1 MB of white space", strings.Repeat(" ", 1<<20) + sound(""), 413, nil},
		{"one byte too many", sound("") + strings.Repeat(" ", wire.MaxBody+1-len(sound(""))), 413, nil},
		{"10,000 levels", sound(`"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `,`), 400, nil},
		{"10,000 levels, never closed", strings.Repeat(`{"x":`, 10000), 400, nil},
		{"17 levels", sound(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `,`), 400, nil},
		{"not UTF-8", sound("\"x\":\"\xff\","), 400, nil},
		{"UTF-8 of a surrogate", sound("\"x\":\"\xed\xa0\x80\","), 400, nil},
		{"half a surrogate pair, escaped", sound(`"x":"\ud800",`), 400, nil},
		{"UTF-16", "\xff\xfe{\x00}\x00", 400, nil},
		{"a byte order mark", "\ufeff" + sound(""), 400, nil},
		{"a bare NUL", sound("\"x\":\"\x00\","), 400, nil},
		{"the same name twice", sound(`"x":1,"x":2,`), 400, nil},
		{"the same name twice, deep inside", sound(`"x":{"y":[{"z":1,"z":2}]},`), 400, nil},
		{"two objects", sound("") + sound(""), 400, nil},
		{"an array", "[" + sound("") + "]", 400, nil},
		{"null", "null", 400, nil},
		{"a form", "integrationId=" + integration, 400, []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00", 400, []string{"Content-Encoding", "gzip"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			for _, path := range paths {
				r := w.call("POST", path, c.token, x.body, x.headers...)
				p := r.problem()
				if r.status != x.status || p.Status != x.status || r.header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %d %s", path, r.status, r.body)
				}
				if strings.Contains(string(r.body), "secret") || len(r.body) > 600 {
					t.Errorf("%s: the answer quotes the body: %s", path, r.body)
				}
			}
		})
	}
	if r := w.call("GET", "/engagements/"+c.e.EngagementID+"/messages?dialogId="+c.e.DialogID, c.token, ""); r.status != 200 || !strings.Contains(string(r.body), `"newestIndex":0`) {
		t.Errorf("something was made: %d %s", r.status, r.body)
	}
	t.Run("the type that a body claims does not matter", func(t *testing.T) {
		for i, kind := range []string{"application/json", "text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16", ""} {
			r := w.call("POST", "/engagements/"+c.e.EngagementID+"/messages", c.token, c.body("x", fmt.Sprint(i)), "Content-Type", kind)
			if r.status != 201 {
				t.Errorf("%q: %d %s", kind, r.status, r.body)
			}
		}
	})
}

// exchange sends raw bytes and reads one answer, or its absence.
func (w *environment) exchange(t *testing.T, text string) (*http.Response, string) {
	t.Helper()
	conn := w.raw(t)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// raw is a TCP connection to the gateway.
func (w *environment) raw(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Methods and paths that no client of ours sends.
func TestHostileRequests(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	base := wire.BasePath
	credentials := "Authorization: Bearer " + c.token + "\r\nappkey: " + appkey + "\r\n"
	for _, x := range []struct {
		line   string // of the request, without the version
		status int
	}{
		{"GET " + base + "/sessions/" + c.session.SessionID, 200},
		{"HEAD " + base + "/sessions/" + c.session.SessionID, 200},
		{"PUT " + base + "/sessions/" + c.session.SessionID, 404},
		{"PATCH " + base + "/sessions/" + c.session.SessionID, 404},
		{"TRACE " + base + "/sessions/" + c.session.SessionID, 404},
		{"BREW " + base + "/sessions/" + c.session.SessionID, 404},
		{"get " + base + "/sessions/" + c.session.SessionID, 404},
		{"CONNECT 127.0.0.1:22", 404},
		{"GET " + base + "/../../../../../etc/passwd", 307},
		{"GET " + base + "/sessions/../sessions/" + c.session.SessionID, 307},
		{"GET " + base + "//sessions/" + c.session.SessionID, 307},
		{"GET //evil.example/../..", 307},
		{"GET " + base + "/sessions/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404},
		{"GET " + base + "/sessions/..%2f" + c.session.SessionID, 404},
		{"GET " + base + "/sessions/..%5c..%5cetc", 404},
		{"GET " + base + "/sessions/" + c.session.SessionID + "%00", 404},
		{"GET " + base + "/sessions/%00", 404},
		{"GET " + base + "/sessions/*", 404},
		{"GET " + base + "/sessions/%3e", 404},
		{"GET " + base + "/sessions/" + strings.Repeat("a", 10000), 404},
		{"GET " + base + "/engagements?sessionId=*", 404},
		{"GET " + base + "/engagements?sessionId=" + unknownID + "&sessionId=" + c.session.SessionID, 404},
		{"GET " + base + "/engagements/*/messages?dialogId=" + c.e.DialogID, 404},
		{"GET " + base + "/engagements/" + c.e.EngagementID + ".1/messages?dialogId=" + c.e.DialogID, 404},
		{"GET " + base + "/engagements/" + c.e.EngagementID + "/messages?dialogId=%00", 400},
		{"GET " + base + "/engagements/" + c.e.EngagementID + "/messages?dialogId=" + c.e.DialogID + "&before=99999999999999999999", 400},
		{"GET " + base + "/sessions/%zz", 400},
		{"GET " + base + "/sessions/\x00", 400},
		{"DELETE " + base + "/sessions/%2e%2e?reason=USER_CLOSED", 204},
	} {
		t.Run(strings.NewReplacer(c.session.SessionID, "ID", c.e.EngagementID, "ID", c.e.DialogID, "ID").Replace(fmt.Sprintf("%.80q", x.line)), func(t *testing.T) {
			res, body := w.exchange(t, x.line+" HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"+credentials+"\r\n")
			if res.StatusCode != x.status {
				t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
			}
			if at := res.Header.Get("Location"); at != "" && (at[0] != '/' || strings.HasPrefix(at, "//")) {
				t.Errorf("it leads to %s", at)
			}
			if strings.Contains(body, "root:") || strings.Contains(body, "ssh") {
				t.Errorf("%s", body)
			}
		})
	}
	t.Run("a header that smuggles another", func(t *testing.T) {
		res, _ := w.exchange(t, "GET "+base+"/sessions/"+c.session.SessionID+" HTTP/1.1\r\nHost: gateway\r\nX: a\x00b\r\n"+credentials+"\r\n")
		if res.StatusCode != 400 {
			t.Error(res.StatusCode)
		}
	})
	t.Run("two lengths", func(t *testing.T) {
		res, _ := w.exchange(t, "POST "+base+"/sessions HTTP/1.1\r\nHost: gateway\r\nContent-Length: 2\r\nContent-Length: 40\r\n"+credentials+"\r\n{}")
		if res.StatusCode != 400 {
			t.Error(res.StatusCode)
		}
	})
}

// upgrade opens a stream by hand, to send what no WebSocket library does.
func (w *environment) upgrade(t *testing.T, sessionID string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := w.raw(t)
	fmt.Fprintf(conn, "GET %s/sessions/%s/events HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", wire.BasePath, sessionID, wire.Subprotocol)
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", res, err)
	}
	return conn, r
}

// rawFrame is a masked frame, the mask being zeros. claimed, when not 0, is the length
// that it says it has.
func rawFrame(first byte, payload string, claimed uint64) string {
	n := max(uint64(len(payload)), claimed)
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), n)
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

// WebSocket's opcodes, FIN set.
const (
	finText   = 0x81
	finBinary = 0x82
	finPing   = 0x89
	finPong   = 0x8a
	fin       = 0x80
	text      = 0x01
)

// pieces is a text frame in n pieces.
func pieces(payload string, n int) string {
	b := &strings.Builder{}
	for i := range n {
		piece := payload[i*len(payload)/n : (i+1)*len(payload)/n]
		switch i {
		case 0:
			b.WriteString(rawFrame(text, piece, 0))
		case n - 1:
			b.WriteString(rawFrame(fin, piece, 0))
		default:
			b.WriteString(rawFrame(0, piece, 0))
		}
	}
	return b.String()
}

// closedWith reads raw frames up to the close frame and returns its code, and -1 where the
// connection ends without one.
func closedWith(r *bufio.Reader) int {
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(r, head); err != nil {
			return -1
		}
		n := uint64(head[1] & 0x7f)
		switch n {
		case 126:
			two := make([]byte, 2)
			_, _ = io.ReadFull(r, two)
			n = uint64(binary.BigEndian.Uint16(two))
		case 127:
			eight := make([]byte, 8)
			_, _ = io.ReadFull(r, eight)
			n = binary.BigEndian.Uint64(eight)
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return -1
		}
		if head[0]&0x0f == 8 && n >= 2 {
			return int(binary.BigEndian.Uint16(payload))
		}
	}
}

// Frames that no client of ours sends, before and after it has authenticated.
func TestHostileFrames(t *testing.T) {
	w := newEnvironment(t)
	c := w.session("ann")
	auth := string((&wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientOne}).Append(nil))
	for _, x := range []struct {
		name  string
		bytes string
		code  int
	}{
		{"binary", rawFrame(finBinary, auth, 0), wire.CloseMalformed},
		{"16 KB and a byte", rawFrame(finText, auth+strings.Repeat(" ", wire.MaxClientFrame+1-len(auth)), 0), wire.CloseMalformed},
		{"in pieces that are too much together", rawFrame(text, strings.Repeat(" ", wire.MaxClientFrame), 0) + rawFrame(fin, auth, 0), wire.CloseMalformed},
		{"an exabyte announced", rawFrame(finText, strings.Repeat(" ", 3*wire.MaxClientFrame), 1<<60), wire.CloseMalformed},
		{"8,000 levels", rawFrame(finText, `{"type":"ping","x":`+strings.Repeat("[", 8000)+strings.Repeat("]", 8000)+`}`, 0), wire.CloseMalformed},
		{"16,000 levels, never closed", rawFrame(finText, strings.Repeat("[", 16000), 0), wire.CloseMalformed},
		{"not UTF-8", rawFrame(finText, "{\"type\":\"\xff\"}", 0), wire.CloseMalformed},
		{"NUL", rawFrame(finText, "\x00", 0), wire.CloseMalformed},
		{"nothing", rawFrame(finText, "", 0), wire.CloseMalformed},
		{"a name twice", rawFrame(finText, strings.Replace(auth, `{`, `{"type":"ping",`, 1), 0), wire.CloseMalformed},
		{"the gateway's own frame", rawFrame(finText, `{"type":"ready","resumed":true}`, 0), wire.CloseMalformed},
		{"a token in every place", rawFrame(finText, `{"type":"`+c.token+`","`+c.token+`":1}`, 0), wire.CloseMalformed},
		{"100 pongs of WebSocket's own", strings.Repeat(rawFrame(finPong, "x", 0), 100), wire.CloseTooMuch},
		{"100 empty pieces", rawFrame(text, "", 0) + strings.Repeat(rawFrame(0, "", 0), 100), wire.CloseTooMuch},
		{"a frame in 100 pieces", pieces(auth, 100), wire.CloseTooMuch},
		{"100 pings of WebSocket's own", strings.Repeat(rawFrame(finPing, "x", 0), 100), wire.CloseTooMuch},
		{"unknown opcode", rawFrame(0x83, "x", 0), int(websocket.StatusProtocolError)},
		{"reserved bits", rawFrame(finText|0x40, auth, 0), int(websocket.StatusProtocolError)},
		{"a ping that is too long", rawFrame(finPing, strings.Repeat("x", 126), 0), int(websocket.StatusProtocolError)},
		{"a piece of nothing", rawFrame(fin, "x", 0), int(websocket.StatusProtocolError)},
		{"not masked", "\x81\x02{}", -1},
	} {
		t.Run(x.name, func(t *testing.T) {
			conn, r := w.upgrade(t, c.session.SessionID)
			_, _ = io.WriteString(conn, x.bytes) // it may be closed before all is written
			if got := closedWith(r); got != x.code {
				t.Errorf("closed with %d, not %d", got, x.code)
			}
		})
	}
	var floods sync.WaitGroup
	for name, piece := range map[string]string{
		"a flood of pongs":                   rawFrame(finPong, strings.Repeat("x", 100), 0),
		"a flood of empty pieces":            rawFrame(text, "", 0) + strings.Repeat(rawFrame(0, "", 0), 100),
		"a flood of one frame of an exabyte": rawFrame(finText, "", 1<<60) + strings.Repeat(" ", 1<<20),
		"a flood of large frames":            rawFrame(finPong, "", 0) + strings.Repeat(rawFrame(finText, `{"type":"pong","x":"`+strings.Repeat("x", 16000)+`"}`, 0), 20),
	} {
		// All at once, since each takes as long as a closing handshake may.
		floods.Go(func() {
			t.Run(name, func(t *testing.T) {
				conn, r := w.upgrade(t, w.session("ann").session.SessionID)
				_, _ = io.WriteString(conn, rawFrame(finText, auth, 0))
				before := cpuTime(t)
				var sent atomic.Int64
				go func() {
					for rest := piece; ; rest = strings.TrimPrefix(piece, rawFrame(text, "", 0)) {
						n, err := io.WriteString(conn, rest)
						sent.Add(int64(n))
						if err != nil {
							return
						}
					}
				}()
				begun := time.Now()
				if got := closedWith(r); got != wire.CloseTooMuch && got != wire.CloseMalformed {
					t.Errorf("closed with %d", got)
				}
				// It ends although the client goes on.
				_, _ = io.Copy(io.Discard, r)
				if d := time.Since(begun); d > 12*time.Second {
					t.Errorf("it was let go after %v", d)
				}
				// Most of it stands in the buffers of the loopback device.
				if sent.Load() > 32<<20 {
					t.Errorf("%d MB were read", sent.Load()>>20)
				}
				t.Logf("%d KB were sent and %v of processor time used in %v", sent.Load()>>10, cpuTime(t)-before, time.Since(begun).Round(time.Millisecond))
			})
		})
	}
	floods.Wait()
	// A member that nobody reads may be deep, but not as deep as nothing honest is.
	t.Run("deep in an unknown member", func(t *testing.T) {
		s, _ := c.open(clientOne, 0)
		s.write(`{"type":"ping","x":` + strings.Repeat("[", 90) + strings.Repeat("]", 90) + `}`)
		s.expect("pong")
		s.write(`{"type":"ping","x":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `}`)
		s.closed(wire.CloseMalformed)
	})
	t.Run("a flood", func(t *testing.T) {
		s, _ := c.open(clientOne, 0)
		go func() {
			for s.conn.Write(context.Background(), websocket.MessageText, []byte(`{"type":"pong"}`)) == nil {
			}
		}()
		s.closed(wire.CloseTooMuch)
	})
}

// cpuTime is the processor time that this process has used.
func cpuTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Those who take their time. They all begin at once, since each is about seconds.
func TestStallers(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	var wg sync.WaitGroup
	for name, staller := range map[string]func(*testing.T){
		// The close handshake ends, whatever the other end does.
		"a frame of an exabyte, byte by byte": func(t *testing.T) {
			conn, r := w.upgrade(t, c.session.SessionID)
			_, _ = io.WriteString(conn, rawFrame(finText, strings.Repeat(" ", 3*wire.MaxClientFrame), 1<<60))
			if got := closedWith(r); got != wire.CloseMalformed {
				t.Errorf("closed with %d", got)
			}
			begun := time.Now()
			drip(conn, " ")
			if d := time.Since(begun); d < time.Second || d > 12*time.Second {
				t.Errorf("it was let go after %v", d)
			}
		},
		// Empty pieces count, and are no sign of life.
		"a frame in endless empty pieces": func(t *testing.T) {
			conn, r := w.upgrade(t, c.session.SessionID)
			_, _ = io.WriteString(conn, rawFrame(text, "", 0))
			go drip(conn, rawFrame(0, "", 0))
			if got := closedWith(r); got != wire.CloseTooMuch {
				t.Errorf("closed with %d", got)
			}
		},
		"an authenticate frame, byte by byte": func(t *testing.T) {
			conn, r := w.upgrade(t, c.session.SessionID)
			_, _ = io.WriteString(conn, rawFrame(finText, "", 10000))
			go drip(conn, " ")
			begun := time.Now()
			if got := closedWith(r); got != wire.CloseAuthTimeout {
				t.Errorf("closed with %d", got)
			}
			onTime(t, begun, wire.AuthTimeout)
		},
		"nothing at all": func(t *testing.T) {
			_, r := w.upgrade(t, c.session.SessionID)
			begun := time.Now()
			if got := closedWith(r); got != wire.CloseAuthTimeout {
				t.Errorf("closed with %d", got)
			}
			onTime(t, begun, wire.AuthTimeout)
		},
		"a body, byte by byte": func(t *testing.T) {
			conn := w.raw(t)
			fmt.Fprintf(conn, "POST %s/sessions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer %s\r\nappkey: %s\r\nContent-Length: 60000\r\n\r\n", wire.BasePath, c.token, appkey)
			go drip(conn, " ")
			begun := time.Now()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || res.StatusCode != 400 || !res.Close {
				t.Errorf("%v %v", res, err)
			}
			onTime(t, begun, httpapi.BodyTime)
		},
	} {
		// Not Parallel, which is bounded by the number of processors.
		wg.Go(func() { t.Run(name, staller) })
	}
	wg.Wait()
	// When all have been reported, none is counted any more.
	w.awaitStreams(0)
}

// awaitStreams waits until so many streams are counted at most. Streams end on goroutines of
// their own: a client that has read the close frame is a little ahead of them.
func (w *environment) awaitStreams(most int) {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for w.g.sockets.Open() > most {
		select {
		case <-deadline:
			w.t.Fatalf("%d streams are still counted", w.g.sockets.Open())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// drip writes piece after piece until the other end has gone.
func drip(conn net.Conn, piece string) {
	for {
		if _, err := io.WriteString(conn, piece); err != nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
}

func onTime(t *testing.T, begun time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(begun); d < want-500*time.Millisecond || d > want+5*time.Second {
		t.Errorf("it took %v, not %v", d, want)
	}
}

// Who has not authenticated is bounded for each address, and only for it.
func TestWaiting(t *testing.T) {
	for _, x := range []struct {
		name    string
		behind  bool
		address func(i int) string // X-Forwarded-For of the i-th
		room    int                // how many of 5 get in
	}{
		{"one address", false, func(int) string { return "" }, 3},
		{"a made-up header counts for nothing", false, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 3},
		{"behind a proxy, many addresses", true, func(i int) string { return fmt.Sprintf("192.0.2.%d", i) }, 5},
		{"behind a proxy, one address", true, func(int) string { return "192.0.2.7" }, 3},
		{"behind a proxy, with made-up ones before it", true, func(i int) string { return fmt.Sprintf("10.0.0.%d, 192.0.2.7", i) }, 3},
		{"behind a proxy, one IPv6 network", true, func(i int) string { return fmt.Sprintf("2001:db8::%d", i+1) }, 3},
		{"behind a proxy, many IPv6 networks", true, func(i int) string { return fmt.Sprintf("2001:db8:0:%d::1", i+1) }, 5},
		{"behind a proxy that adds the port", true, func(i int) string { return fmt.Sprintf("[2001:db8::1]:%d", 1000+i) }, 3},
		{"behind a proxy, not an address", true, func(i int) string { return fmt.Sprintf("x%d", i) }, 3},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newEnvironment(t, func(c *Config) { c.MaxWaiting, c.BehindProxy = 3, x.behind })
			var in []*client
			for i := range 5 {
				var headers []string
				if a := x.address(i); a != "" {
					headers = []string{"X-Forwarded-For", a}
				}
				s, res, err := w.tryDial(unknownID, wire.Subprotocol, headers...)
				if err == nil {
					in = append(in, s)
				} else if res == nil || res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
					t.Errorf("%v %v", res, err)
				}
			}
			if len(in) != x.room {
				t.Fatalf("%d got in, not %d", len(in), x.room)
			}
		})
	}
	t.Run("who has authenticated does not count", func(t *testing.T) {
		w := newEnvironment(t, func(c *Config) { c.MaxWaiting = 1 })
		for i := range 5 {
			w.session(fmt.Sprint("customer ", i)).open(clientOne, 0)
		}
		stranger := w.dial(unknownID)
		if _, res, err := w.tryDial(unknownID, wire.Subprotocol); err == nil || res.StatusCode != 429 {
			t.Errorf("%v %v", res, err)
		}
		stranger.conn.Close(websocket.StatusNormalClosure, "")
	})
}

// Tokens and texts put where they do not belong are not in the log either, at its most
// talkative. What else is in it, and that it is not simply silent, the end checks.
func TestSecretsOutOfPlace(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	c.say("secret words", "secret key")
	w.secrets = append(w.secrets, "secret key", "Name of ann", "secret name", "secret topic", "secret value", "evil.example", "secret identifier")
	must(w, wire.DecodeSession, "POST", "/sessions", w.token("eve", func(c *Claims) { c.CustomerName = "" }), `{"integrationId":"`+integration+`","displayName":"secret name","sessionParameters":{"k":"secret value"}}`)
	must(w, wire.DecodeEngagement, "POST", "/engagements", c.token, `{"sessionId":"`+c.session.SessionID+`","engagementParameters":{"topic":"secret topic"}}`)
	secret := strings.ReplaceAll("secret words", " ", "%20")
	for _, path := range []string{
		"/sessions/" + c.token, "/sessions/" + c.token + "/events", "/engagements/" + c.token + ":join", "/engagements/" + c.e.EngagementID + ":" + c.token,
		"/engagements/" + c.token + "/messages", "/engagements?sessionId=" + c.token, "/" + c.token, "/sessions/x?token=" + c.token,
		"/sessions/" + secret, "/engagements?sessionId=" + secret, "/engagements/" + c.e.EngagementID + "/messages?dialogId=" + secret, "/accounts/" + serverSecret + "/tokens",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
			for _, token := range []string{c.token, "", "secret words", c.token + "x"} {
				w.call(method, path, token, `{"sessionId":"secret words"}`, "User-Agent", "secret words", "Referer", "https://evil.example/"+c.token)
			}
		}
	}
	// An origin that is refused is logged, for the operator to allow; what is no origin is not.
	w.call("GET", "/sessions/x", c.token, "", "Origin", "https://refused.example")
	for _, no := range []string{"secret words", "https://evil.example/" + c.token, "https://" + c.token} {
		w.call("GET", "/sessions/x", c.token, "", "Origin", no)
	}
	w.call("GET", "/sessions/x", c.token, "", "appkey", "secret words")
	w.request("POST", "/v1/getJWT", "", `{"customerId":"secret identifier"}`)
	w.request("POST", wire.BasePath+"/accounts/"+account+"/tokens", "", `{"customerId":"x"}`, "Authorization", "Bearer "+c.token)
	for _, id := range []string{c.token, "secret%20words", c.session.SessionID} {
		for _, frame := range []string{
			"secret words", `{"type":"secret words"}`, `{"type":"authenticate","token":"secret words","appkey":"secret words"}`,
			`{"type":"authenticate","token":"` + c.token + `","appkey":"secret words"}`,
			`{"type":"authenticate","token":"` + c.token + `","appkey":"` + appkey + `","clientId":"secret words"}`,
			`{"type":"authenticate","token":"` + c.token + `","appkey":"` + appkey + `","clientId":"` + clientOne + `","lastEventId":"secret words"}`,
		} {
			s := w.dial(id)
			s.write(frame)
			if _, _, err := s.conn.Read(w.ctx()); websocket.CloseStatus(err) < 4000 {
				t.Errorf("%v", err)
			}
		}
	}
	s, _ := c.open(clientOne, 0)
	s.conn.Close(4999, "secret words")
	if text := w.log.String(); !strings.Contains(text, c.session.SessionID) || !strings.Contains(text, "engagement created") || !strings.Contains(text, `"status":404`) {
		t.Errorf("the log is empty where it should not be:\n%s", text)
	}
}

// Who has not authenticated, or asks for a session that is not theirs, leaves no line of
// their own in the log, and no id of their choice.
func TestStrangersInTheLog(t *testing.T) {
	w := newEnvironment(t)
	w.secrets = append(w.secrets, unknownID)
	ann := w.session("ann")
	w.log.Take()
	const n = 50
	for i := range n {
		s := w.dial(unknownID)
		switch i % 4 {
		case 0:
			s.write("not a frame")
			s.closed(wire.CloseMalformed)
		case 1:
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: "x", Appkey: appkey, ClientID: clientOne})
			s.closed(wire.CloseTokenRefused)
		case 2:
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: ann.token, Appkey: appkey, ClientID: clientOne})
			s.closed(wire.CloseSessionGone)
		case 3:
			s.conn.Close(websocket.StatusCode(4000+i), "words of a stranger")
		}
	}
	w.stop()
	lines := 0
	for line := range strings.Lines(w.log.String()) {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			lines++
		}
	}
	if lines > 4 { // two about streams, and two about tokens
		t.Errorf("%d streams of strangers wrote %d lines:\n%s", n, lines, w.log)
	}
	if text := w.log.String(); !strings.Contains(text, `the session does not exist: 1`) || strings.Contains(text, "words of") {
		t.Errorf("the log does not say why the streams ended:\n%s", text)
	}
}

// Both servers compare secrets as digests in constant time, or look them up by their digest,
// whose prefix nobody can choose. A clock could not show it reliably; the code does.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	for file, function := range map[string]string{"auth.go": "hasAppkey", "access.go": "find", "../desk/access.go": "find"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		calls := map[string]bool{}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != function {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if s, ok := call.Fun.(*ast.SelectorExpr); ok {
						calls[s.Sel.Name] = true
					}
				}
				return true
			})
		}
		// hasAppkey is given digests.
		if safe := function == "find" && calls["Sum256"] || function == "hasAppkey" && calls["ConstantTimeCompare"]; !safe {
			t.Errorf("%s, %s: calls %v", file, function, calls)
		}
	}
}
