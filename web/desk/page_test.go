package desk

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// fill puts n waiting chats into the view, the first has waited longest, each with about
// that many bytes of parameters.
func (f *fixture) fill(n, size int) (ids []string) {
	f.Helper()
	parameters := map[string]string{}
	for i := range (size + 255) / 256 {
		parameters[fmt.Sprint("parameter", i)] = strings.Repeat("x", min(256, size))
	}
	for i := range n {
		e := store.Engagement{
			Customer: customer(), EngagementID: uuid.NewString(), DialogID: uuid.NewString(), Status: wire.EngagementActive,
			Parameters: parameters, CreatedAt: time.UnixMilli(int64(1e12 + i)).UTC(), EventID: 1,
		}
		ids = append(ids, e.EngagementID)
		f.desk.view.put(*ours(e), nil)
	}
	return ids
}

// frame reads a frame, which must not be larger than documented.
func (c *client) frame() (f deskFrame, more bool) {
	c.Helper()
	b := c.readText()
	if len(b) > wire.MaxServerFrame {
		c.Fatalf("a frame of %d bytes; at most %d are documented", len(b), wire.MaxServerFrame)
	}
	v := decode[struct {
		deskFrame
		More bool `json:"more"`
	}](c.T, b)
	return v.deskFrame, v.More
}

// Whatever the number of chats, no frame is larger than 64 KiB; a desk that takes the first frame for all,
// and merges chat frames, gets the same chats.
func TestSnapshotIsPaged(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.SocketQueue = 64 })
	ids := f.fill(2000, 4000)
	c := f.dial()
	c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, credential))
	first, more := c.frame()
	if first.Type != "snapshot" || !more || len(first.Chats) < 10 {
		t.Fatalf("the first frame is a %s with %d chats, more: %v", first.Type, len(first.Chats), more)
	}
	known := map[string]Chat{}
	for i, chat := range first.Chats {
		if chat.EngagementID != ids[i] {
			t.Fatalf("chat %d of the first frame is not the one that has waited longest", i)
		}
		known[chat.EngagementID] = chat
	}
	// What happens meanwhile counts, and what is old does not come after it.
	changed, ended := ids[1500], ids[1600]
	change := func(id string, edit func(*store.Engagement)) {
		e, _, _ := f.desk.view.get(nil, id)
		s := e.Engagement
		edit(&s)
		s.EventID++
		f.desk.view.put(*ours(s), nil)
	}
	change(changed, func(e *store.Engagement) {
		e.Members = []store.Member{{Participant: wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}}}
	})
	change(ended, func(e *store.Engagement) { e.Status = wire.EngagementTerminated })
	for {
		fr, _ := c.frame()
		if fr.Type == "complete" {
			break
		}
		if fr.Type != "chat" {
			t.Fatalf("a %s frame came", fr.Type)
		}
		if was, ok := known[fr.Chat.EngagementID]; ok && was.LastUpdatedAt > fr.Chat.LastUpdatedAt {
			t.Fatal("an older state came after a newer one")
		}
		known[fr.Chat.EngagementID] = fr.Chat
	}
	if len(known) != len(ids) || known[changed].State != StateActive || known[ended].State != StateEnded {
		t.Errorf("known are %d chats of %d; the changed one is %s, the ended one %s", len(known), len(ids), known[changed].State, known[ended].State)
	}
	if got := f.desk.sockets.Open(); got != 1 {
		t.Errorf("%d sockets are open", got)
	}
}

// A snapshot that fits into a frame is the one frame that it always was.
func TestShortSnapshotIsOneFrame(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	f.fill(20, 100)
	c := f.dial()
	c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, credential))
	fr, more := c.frame()
	if fr.Type != "snapshot" || more || len(fr.Chats) != 20 {
		t.Errorf("a %s with %d chats, more: %v", fr.Type, len(fr.Chats), more)
	}
	c.write(`{"type":"ping"}`)
	if fr, _ := c.frame(); fr.Type != "pong" {
		t.Errorf("then a %s came", fr.Type)
	}
}

// The agent's own chats are in the first frame.
func TestSnapshotBeginsWithOwnChats(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	ids := f.fill(500, 4000)
	bo := newAgent("Bo")
	own := ids[400]
	e, _, _ := f.desk.view.get(nil, own)
	s := e.Engagement
	s.EventID++
	s.Members = []store.Member{{Participant: wire.Participant{ParticipantID: bo.id, ParticipantType: wire.ParticipantAgent, DisplayName: bo.name}}}
	f.desk.view.put(*ours(s), nil)
	chats := f.dial().authenticateWith(fmt.Sprintf(`"credential":%q,"agentId":%q`, credential, bo.id))
	if len(chats) == 0 || chats[0].EngagementID != own || chats[1].EngagementID != ids[0] {
		t.Error("the first chat is not the agent's own, or the second not the one that has waited longest")
	}
}

// largest is a chat with everything at its bound.
func largest() *engagement {
	worst := strings.Repeat("\x01", 256) // 6 bytes each in JSON
	e := store.Engagement{
		Customer: customer(), CustomerName: worst[:wire.MaxDisplayName], EngagementID: uuid.NewString(), DialogID: uuid.NewString(),
		Status: wire.EngagementActive, Parameters: map[string]string{"topic": worst}, CreatedAt: time.Now(), LastUpdatedAt: time.Now(), EventID: 1,
	}
	for i := range wire.MaxParameters - 1 {
		e.Parameters[worst[:wire.MaxParameterKey-2]+fmt.Sprintf("%02d", i)] = worst[:wire.MaxParameterValue]
	}
	for i := range maxStaff + 2 {
		p := wire.Participant{ParticipantID: uuid.NewString(), ParticipantType: wire.ParticipantSupervisor, DisplayName: strings.Repeat("€", wire.MaxDisplayName)}
		if i == 0 {
			p.ParticipantType, p.DisplayName = wire.ParticipantCustomer, worst[:wire.MaxDisplayName]
		}
		e.Members = append(e.Members, store.Member{Participant: p})
	}
	now := ours(e)
	now.AwaySince, now.Requeued, now.WaitingSince = time.Now(), true, time.Now()
	return now
}

// One chat fits into a frame in any case.
func TestLargestChatFits(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	for range 3 {
		f.desk.view.put(*largest(), nil)
	}
	c := f.dial()
	c.write(fmt.Sprintf(`{"type":"authenticate","credential":%q}`, credential))
	if fr, more := c.frame(); fr.Type != "snapshot" || len(fr.Chats) != 1 || !more {
		t.Errorf("a %s with %d chats, more: %v", fr.Type, len(fr.Chats), more)
	}
	for _, want := range []string{"chat", "chat", "complete"} {
		if fr, _ := c.frame(); fr.Type != want {
			t.Errorf("a %s came, not a %s", fr.Type, want)
		}
	}
}

// A desk that reads slowly holds memory up to a bound in bytes, and is closed then.
func TestSlowDeskIsCutByBytes(t *testing.T) {
	f := newFixture(t, newStore(t), func(c *Config) { c.SocketQueue, c.SocketBytes = 1e6, 256<<10 })
	e := f.waiting("Cleo")
	slow := f.dial()
	slow.authenticate()
	text := strings.Repeat("€", wire.MaxText)
	var most int64
	for i := range int64(3000) {
		f.desk.view.message(accountA, &wire.Message{EngagementID: e.EngagementID, MessageIndex: 3 + i, Body: wire.Body{ElementType: "text", Text: text}}, nil)
		f.desk.view.mu.Lock()
		for s := range f.desk.view.sockets {
			if n := int64(len(s.queue)) * int64(len(text)); n > most {
				most = n
			}
		}
		f.desk.view.mu.Unlock()
	}
	if most > 300<<10 {
		t.Errorf("%d KiB waited for one slow desk; its bound is 256 KiB", most>>10)
	}
	slow.closed(websocket.StatusCode(wire.CloseTooMuch))
}

// next is the path, below BasePath, of the next page of GET /engagements; "" for none.
func next(h http.Header) string {
	link, ok := strings.CutSuffix(h.Get("Link"), `>; rel="next"`)
	if !ok {
		return ""
	}
	// Relative to the call, whose path a proxy may have changed.
	return "/engagements" + strings.TrimPrefix(link, "<")
}

func TestListIsPaged(t *testing.T) {
	f := newFixture(t, newStore(t), nil)
	ids := f.fill(1500, 1000)
	list := func(path string, header ...string) (got []string, h http.Header) {
		t.Helper()
		status, h, b := f.call("GET", path, "", header...)
		if status != 200 || len(b) > maxList {
			t.Fatalf("GET %s: %d, %d bytes", path, status, len(b))
		}
		for _, c := range decode[[]Chat](t, b) {
			got = append(got, c.EngagementID)
		}
		return got, h
	}
	for _, query := range []string{"", "?state=waiting", "?limit=70", "?state=all&limit=1000", "?limit=999", "?limit=1"} {
		var all []string
		pages := 0
		for path := "/engagements" + query; path != ""; pages++ {
			if query == "?limit=1" && pages == 3 {
				break
			}
			got, h := list(path)
			all = append(all, got...)
			path = next(h)
			if strings.Contains(query, "limit=70") && path != "" && len(got) != 70 {
				t.Fatalf("a page of %d chats", len(got))
			}
		}
		if want := ids[:min(len(ids), len(all))]; !slices.Equal(all, want) || query != "?limit=1" && len(all) != len(ids) || pages < 2 {
			t.Errorf("%q: %d chats on %d pages, or in another order", query, len(all), pages)
		}
	}
	// A chat on which a page ended may be gone.
	_, h := list("/engagements?limit=10")
	f.desk.view.drop(ids[9])
	if got, _ := list(next(h)); got[0] != ids[10] {
		t.Error("the page after a chat that is gone begins elsewhere")
	}
	// Few are one page, as before.
	if got, h := list("/engagements?state=active"); len(got) != 0 || h.Get("Link") != "" {
		t.Errorf("%d chats, Link %q", len(got), h.Get("Link"))
	}
	// A page of another origin can read the header.
	g := newFixture(t, f.store, func(c *Config) { c.AllowedOrigins = []string{"https://desk.example.com"} })
	g.fill(2, 10)
	if _, h, _ := g.call("GET", "/engagements?limit=1", "", "Origin", "https://desk.example.com"); next(h) == "" || h.Get("Access-Control-Expose-Headers") != "Date, Retry-After, Link" {
		t.Errorf("got %v", h)
	}
	for field, query := range map[string]string{
		"limit": "?limit=0", "after": "?after=x", "state": "?state=x",
	} {
		f.refused(400, "constraint-violation", field, "GET", "/engagements"+query, "")
	}
	for _, query := range []string{"?limit=1001", "?limit=-1", "?limit=1e3", "?limit=99999999999999999999"} {
		f.refused(400, "constraint-violation", "limit", "GET", "/engagements"+query, "")
	}
}

// FuzzCursor reads every text as a cursor: what is taken is written in one way only.
func FuzzCursor(f *testing.F) {
	id := uuid.NewString()
	for _, text := range []string{"0.1." + id, "2.1764383112345." + id, "1.-1." + id, "3.1." + id, "+1.1." + id, "01.1." + id, "1.1.x", "1.1", "", ".", "..", "1.99999999999999999999." + id, "1.1." + strings.ToUpper(id)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err == nil && (p.String() != text || p.group < 0 || p.group > lastGroup || !wire.IsUUID(p.id)) {
			t.Fatalf("taken: %q as %+v", text, p)
		}
		if err == nil && p.compare(p) != 0 {
			t.Fatal("a place is not itself")
		}
	})
}
