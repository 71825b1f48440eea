package desk

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// Whoever does not have the credential, and only almost has it, gets the same answer.
func TestCredential(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	e := f.waiting("Cleo")
	status, header, refusal := f.call("GET", "/engagements", "", "Authorization", "")
	if status != 401 || header.Get("WWW-Authenticate") != "Bearer" {
		t.Fatalf("%d %v", status, header)
	}
	for name, wrong := range map[string]string{
		"empty":              "Bearer ",
		"a letter less":      "Bearer " + credential[:len(credential)-1],
		"without the first":  "Bearer " + credential[1:],
		"a letter more":      "Bearer " + credential + "x",
		"twice":              "Bearer " + credential + credential,
		"in capitals":        "Bearer " + strings.ToUpper(credential),
		"quoted":             `Bearer "` + credential + `"`,
		"not Bearer":         "Basic " + credential,
		"bare":               credential,
		"20 KB":              "Bearer " + strings.Repeat("x", 20_000),
		"a customer's token": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
	} {
		t.Run(name, func(t *testing.T) {
			for _, x := range [][2]string{
				{"GET", "/engagements"}, {"GET", "/engagements/" + e.EngagementID}, {"GET", "/engagements/" + e.EngagementID + "/messages"},
				{"POST", "/engagements/" + e.EngagementID + ":accept"}, {"POST", "/engagements/" + e.EngagementID + ":end"}, {"PUT", "/nowhere"}, {"GET", "/engagements/../.."},
			} {
				status, h, b := f.call(x[0], x[1], `{"agentId":"x"}`, "Authorization", wrong)
				h.Del("Date")
				header.Del("Date")
				if status != 401 || string(b) != string(refusal) || fmt.Sprint(h) != fmt.Sprint(header) {
					t.Errorf("%s %s: %d %v %s", x[0], x[1], status, h, b)
				}
			}
			secret := strings.TrimPrefix(wrong, "Bearer ")
			if secret == credential || len(secret) > wire.MaxClientFrame/2 {
				return // in a frame it is right, or too long
			}
			c := f.dial()
			c.write(string(encode(clientFrame{Type: "authenticate", Credential: secret})))
			c.closed(wire.CloseTokenRefused)
		})
	}
	// More than one blank, and the scheme in any case, are as RFC 9110 has them.
	for _, right := range []string{"Bearer  " + credential, "bearer " + credential} {
		if status, _, b := f.call("GET", "/engagements", "", "Authorization", right); status != 200 {
			t.Errorf("%q: %d %s", right, status, b)
		}
	}
	if log := f.logs.String(); strings.Contains(log, credential[1:]) || strings.Contains(log, "eyJ") || strings.Contains(log, "Cleo") {
		t.Errorf("the log tells what it must not:\n%s", log)
	}
}

// An agent's id is nobody else's: not the bot's, not the system's, not the customer's.
func TestAgentIsNobodyElse(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	e := f.waiting("Cleo")
	for _, id := range []string{BotID, SystemID, strings.ToUpper(BotID), store.ParticipantID(e.Customer)} {
		for _, verb := range []string{":accept", ":supervise"} {
			f.refused(400, "constraint-violation", "agentId", "POST", "/engagements/"+e.EngagementID+verb, fmt.Sprintf(`{"agentId":%q,"agentName":"x"}`, id))
		}
	}
	bo := newAgent("Bo")
	want[Chat](f, 200, "POST", "/engagements/"+e.EngagementID+":accept", bo.json())
	// The bot is out now; its id is still not free.
	f.refused(400, "constraint-violation", "agentId", "POST", "/engagements/"+e.EngagementID+":supervise", fmt.Sprintf(`{"agentId":%q,"agentName":"x"}`, BotID))
	f.refused(400, "constraint-violation", "agentId", "POST", "/engagements/"+e.EngagementID+"/messages", fmt.Sprintf(`{"agentId":%q,"text":"x"}`, SystemID))
}

func TestWaitingDesks(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.MaxWaiting = 2 })
	f.dial().authenticate() // counts no more
	one := f.dial()
	f.dial()
	if _, res, err := websocket.Dial(t.Context(), f.url+BasePath+"/events", &websocket.DialOptions{Subprotocols: []string{Subprotocol}}); err == nil || res == nil || res.StatusCode != 429 {
		t.Errorf("a third stranger: %v, %v", res, err)
	}
	one.authenticate()
	f.dial().authenticate()
}

// What no WebSocket library sends, before it has authenticated.
func TestHostileSockets(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	upgrade := func(t *testing.T) (net.Conn, *bufio.Reader) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(limit))
		fmt.Fprintf(conn, "GET %s/events HTTP/1.1\r\nHost: desk\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", BasePath, Subprotocol)
		r := bufio.NewReader(conn)
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
			t.Fatalf("%v %v", res, err)
		}
		return conn, r
	}
	// closedWith reads frames, all of them short, up to the close frame's code.
	closedWith := func(r io.Reader) int {
		for {
			head := make([]byte, 2)
			if _, err := io.ReadFull(r, head); err != nil {
				return -1
			}
			payload := make([]byte, head[1]&0x7f)
			if _, err := io.ReadFull(r, payload); err != nil {
				return -1
			}
			if head[0]&0x0f == 8 && len(payload) >= 2 {
				return int(binary.BigEndian.Uint16(payload))
			}
		}
	}
	const ping = "\x89\x81\x00\x00\x00\x00x"
	for name, x := range map[string]struct {
		bytes string
		code  int
	}{
		"100 pings of WebSocket's own": {strings.Repeat(ping, 100), wire.CloseTooMuch},
		"binary":                       {"\x82\x82\x00\x00\x00\x00{}", wire.CloseMalformed},
		"not UTF-8":                    {"\x81\x81\x00\x00\x00\x00\xff", wire.CloseMalformed},
		"an exabyte announced":         {"\x81\xff\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat(" ", 3*wire.MaxClientFrame), int(websocket.StatusMessageTooBig)},
		"not masked":                   {"\x81\x02{}", -1},
	} {
		t.Run(name, func(t *testing.T) {
			conn, r := upgrade(t)
			_, _ = io.WriteString(conn, x.bytes)
			if got := closedWith(r); got != x.code {
				t.Errorf("closed with %d, not %d", got, x.code)
			}
		})
	}
	t.Run("a frame of an exabyte, byte by byte, after a mistake", func(t *testing.T) {
		conn, r := upgrade(t)
		_, _ = io.WriteString(conn, "\x81\x82\x00\x00\x00\x00[]\x81\xff\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		if got := closedWith(r); got != wire.CloseMalformed {
			t.Errorf("closed with %d", got)
		}
		begun := time.Now()
		for {
			if _, err := io.WriteString(conn, " "); err != nil {
				break
			}
			<-time.After(20 * time.Millisecond)
		}
		if d := time.Since(begun); d > 12*time.Second {
			t.Errorf("it was let go after %v", d)
		}
	})
}
