package sdk_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// interleavings is how many random lives each property is tested on. PROPERTY_SEED
// replays one; PROPERTY_SEEDS=n tests n of them.
const interleavings = 500

// property runs check on random lives; a failure names the seed that replays it.
func property(t *testing.T, check func(t *testing.T, l *life)) {
	number := func(name string, otherwise uint64) uint64 {
		text := os.Getenv(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	first, n := uint64(1), number("PROPERTY_SEEDS", interleavings)
	if seed := number("PROPERTY_SEED", 0); seed != 0 {
		first, n = seed, 1
	}
	t.Logf("seeds %d to %d; PROPERTY_SEED=… replays one", first, first+n-1)
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			l := newLife(t, seed)
			defer l.p.Close()
			l.live()
			check(t, l)
			if t.Failed() {
				t.Logf("seed %d: PROPERTY_SEED=%d go test -run '%s' ./sdk", seed, seed, t.Name())
			}
			l.over = true
			l.first.end()
			l.second.end()
			synctest.Wait()
		})
	}
}

// life is a random one: a user with two tabs in one chat, an agent, and weather.
type life struct {
	t             *testing.T
	r             *rand.Rand
	p             *sdktest.Platform
	first, second *page
	id            string
	bo            *sdktest.Agent
	said          map[*page][]string // texts in the order of the sendMessage calls
	refused       map[string]bool    // texts whose promise was rejected
	stored        map[string]bool    // texts of the first page whose promise was resolved
	books         []*book
	over          bool
	before        int64 // newest index when the life began; all heard of
}

// book is an iterator, and what the page had heard of when it asked for it.
type book struct {
	stored int64           // newest index in the store when it asked
	heard  int64           // newest index that had come as an event
	mine   map[string]bool // texts this page had been told are stored
	pages  []sdk.Page
	err    error
	done   bool
}

func newLife(t *testing.T, seed uint64) *life {
	r := rand.New(rand.NewPCG(seed, 7))
	l := &life{t: t, r: r, said: map[*page][]string{}, refused: map[string]bool{}, stored: map[string]bool{}}
	l.p = sdktest.New(sdktest.Options{
		Latency:       time.Duration(1+r.IntN(60)) * time.Millisecond,
		StreamLatency: time.Duration(1+r.IntN(60)) * time.Millisecond,
		AutoBot:       r.IntN(2) == 0,
	})
	l.first = newPage(t, l.p, l.p.Storage())
	l.second = newPage(t, l.p, sdktest.NewStorage())
	return l
}

func (l *life) live() {
	cfg := sdk.Config{IdleTimeout: sdk.IdleDisabled}
	l.first.init(sdktest.Claims{Name: "Ann", TTL: 10 * time.Hour}, cfg)
	l.second.init(sdktest.Claims{Name: "Ann", TTL: 10 * time.Hour}, cfg)
	l.id = l.first.chat()
	if _, err := sdk.Await(l.t.Context(), func(done func([]sdk.Engagement, error)) { l.second.c.Engagements(done) }); err != nil {
		l.t.Fatal(err)
	}
	if _, err := sdk.Await(l.t.Context(), func(done func(sdk.Engagement, error)) { l.second.c.Join(l.id, done) }); err != nil {
		l.t.Fatal(err)
	}
	l.second.wait(sdk.EventEngagementActive)
	l.bo = l.p.Agent("Bo")
	l.bo.Accept(l.id)
	time.Sleep(time.Second)
	if list := l.p.Messages(l.id); len(list) > 0 {
		l.before = list[len(list)-1].MessageIndex
	}
	for _, g := range []*page{l.first, l.second} {
		g.clear()
		g.on = func(e sdk.Event) {
			switch {
			case e.Type == sdk.EventShutdown && !l.over:
				l.t.Errorf("the session was lost: %v", g.marks[max(0, len(g.marks)-20):])
			case e.Type == sdk.EventTokenExpired:
				g.c.SetJWTToken(l.p.Token(sdktest.Claims{Name: "Ann", TTL: 10 * time.Hour}))
			case e.Reason == string(sdk.FailureReconnectionTimeout):
				g.c.RetryConnection()
			}
		}
	}

	weather := rand.New(rand.NewPCG(l.r.Uint64(), 1)) // hooks run on other goroutines, one at a time
	bad := 0.02 + 0.2*l.r.Float64()
	l.p.OnRequest(func(x *sdktest.Exchange) {
		if weather.Float64() > bad {
			return
		}
		switch weather.IntN(8) {
		case 0:
			x.Lose()
		case 1:
			x.LoseAnswer()
		case 2:
			x.Delay(time.Duration(weather.IntN(12000)) * time.Millisecond)
		case 3:
			x.DelayAnswer(time.Duration(weather.IntN(12000)) * time.Millisecond)
		case 4:
			x.Refuse(503, wire.ProblemServerError, 0)
		case 5:
			x.Refuse(429, wire.ProblemTooMany, time.Duration(1+weather.IntN(3))*time.Second)
		case 6:
			x.HangAnswer()
		case 7:
			x.Respond(sdk.Response{Status: 502, Body: []byte("<html>bad gateway</html>")})
		}
	})
	l.p.OnFrame(func(f *sdktest.Frame) {
		if weather.Float64() < bad/10 {
			f.Cut = true
		} else if weather.Float64() < bad {
			f.Delay = time.Duration(weather.IntN(3000)) * time.Millisecond
		}
	})
	for n := range 40 {
		switch l.r.IntN(15) {
		case 0, 1, 2:
			for i := range 1 + l.r.IntN(3) {
				l.say(l.first, fmt.Sprintf("first %d.%d", n, i))
			}
		case 3:
			l.say(l.second, fmt.Sprintf("second %d", n))
		case 4, 5, 6:
			for i := range 1 + l.r.IntN(3) {
				l.bo.Say(l.id, fmt.Sprintf("agent %d.%d", n, i))
			}
		case 7, 8:
			l.open()
		case 9:
			l.turn()
		case 10:
			l.p.CutStreams([]int{1006, 1006, 1011, 1012, 4429}[l.r.IntN(5)])
		case 11:
			l.p.Silence()
		case 12:
			l.p.Down()
			time.Sleep(time.Duration(l.r.IntN(60)) * time.Second)
			l.p.Up()
		case 13:
			l.p.Restart(l.r.IntN(2) == 0)
		case 14:
			g := []*page{l.first, l.second}[l.r.IntN(2)]
			if err := g.c.SetJWTToken(l.p.Token(sdktest.Claims{Name: "Ann", TTL: time.Duration(1+l.r.IntN(60)) * time.Second})); err != nil {
				l.t.Error(err)
			}
		}
		if l.r.IntN(3) > 0 {
			time.Sleep(time.Duration(l.r.IntN(4000)) * time.Millisecond)
		}
	}
	l.p.OnRequest(nil)
	l.p.OnFrame(nil)
	time.Sleep(5 * time.Minute) // every bound has passed
	synctest.Wait()
}

func (l *life) say(g *page, text string) {
	l.said[g] = append(l.said[g], text)
	g.c.SendMessage(l.id, text, "", func(m sdk.Message, err error) {
		if err != nil {
			l.refused[text] = true
			return
		}
		g.marks = append(g.marks, "sent "+m.MessageID)
		if g == l.first {
			l.stored[text] = true
		}
	})
	g.marks = append(g.marks, "called")
}

// open asks for an iterator on the first page, whose events tell what it had heard.
func (l *life) open() {
	b := &book{heard: l.before}
	if list := l.p.Messages(l.id); len(list) > 0 {
		b.stored = list[len(list)-1].MessageIndex
	}
	synctest.Wait()
	for _, e := range l.first.events {
		if e.Message != nil {
			b.heard = max(b.heard, e.Message.MessageIndex)
		}
	}
	b.mine = maps.Clone(l.stored)
	l.books = append(l.books, b)
	l.first.c.Messages(l.id, 1+l.r.IntN(12), func(p sdk.Page, err error) {
		b.err, b.done = err, true
		b.pages = append(b.pages, p)
	})
}

// turn moves a random iterator to a random side.
func (l *life) turn() {
	if len(l.books) == 0 {
		return
	}
	b := l.books[l.r.IntN(len(l.books))]
	if b.err != nil || len(b.pages) == 0 {
		return
	}
	at, to := b.pages[len(b.pages)-1].Cursor, sdk.Direction(l.r.IntN(2))
	l.first.c.Turn(at, to, func(p sdk.Page, err error) {
		if err == nil {
			b.pages = append(b.pages, p)
		}
	})
}

func TestProperties(t *testing.T) {
	t.Run("MSG-3 stored in the order of the calls, once", func(t *testing.T) {
		property(t, func(t *testing.T, l *life) {
			stored := map[string]int{}
			var order []string
			for _, m := range l.p.Messages(l.id) {
				stored[m.Body.Text]++
				order = append(order, m.Body.Text)
			}
			for g, said := range l.said {
				last := -1
				for _, text := range said {
					at := slices.Index(order, text)
					switch {
					case stored[text] > 1:
						t.Errorf("%q stored %d times", text, stored[text])
					case at < 0 && !l.refused[text]:
						t.Errorf("%q resolved, but is not stored", text)
					case at >= 0 && at < last:
						t.Errorf("%q of %d is out of order", text, len(l.said[g]))
					case at >= 0:
						last = at
					}
				}
			}
		})
	})

	t.Run("MSG-5 DELIVERED only after the promise has settled", func(t *testing.T) {
		property(t, func(t *testing.T, l *life) {
			mine := map[string]bool{}
			for _, text := range l.said[l.first] {
				mine[text] = !l.refused[text]
			}
			sent := map[string]bool{}
			n := 0
			for _, mark := range l.first.marks {
				if id, ok := strings.CutPrefix(mark, "sent "); ok {
					sent[id] = true
					continue
				}
				if mark == "called" {
					continue
				}
				e := l.first.events[n]
				n++
				if e.Type == sdk.EventMessageDelivered && mine[e.Message.Body.Text] && !sent[e.Message.MessageID] {
					t.Errorf("%q was delivered before its promise settled", e.Message.Body.Text)
				}
			}
		})
	})

	t.Run("MSG-6 EV-12 each message once, in order, none missing, one handler at a time", func(t *testing.T) {
		property(t, func(t *testing.T, l *life) {
			all := l.p.Messages(l.id)
			for name, g := range map[string]*page{"first": l.first, "second": l.second} {
				var got []int64
				for _, e := range g.events {
					if e.Message == nil {
						continue
					}
					got = append(got, e.Message.MessageIndex)
					want := sdk.EventMessageArrived
					if e.Message.SenderParticipant.ParticipantType == wire.ParticipantCustomer {
						want = sdk.EventMessageDelivered
					}
					if e.Type != want {
						t.Errorf("%s: %s for a message of %s", name, e.Type, e.Message.SenderParticipant.ParticipantType)
					}
				}
				var want []int64
				for _, m := range all {
					if m.MessageIndex > l.before {
						want = append(want, m.MessageIndex)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s heard %v, stored %v", name, got, want)
				}
			}
		})
	})

	t.Run("PAGE-3 an iterator is a snapshot, and meets the events without overlap or gap", func(t *testing.T) {
		property(t, func(t *testing.T, l *life) {
			byIndex := map[int64]wire.Message{}
			for _, m := range l.p.Messages(l.id) {
				byIndex[m.MessageIndex] = m
			}
			for _, b := range l.books {
				if !b.done {
					t.Error("getMessages never settled")
				}
				if b.err != nil {
					continue
				}
				// Nothing it knew of is missing on the way to the oldest.
				if p := b.pages[0]; !p.HasPrevious || len(p.Items) == p.Cursor.Size {
					for index := p.Cursor.Oldest; index <= b.heard && p.Cursor.Oldest > 0; index++ {
						if !slices.ContainsFunc(p.Items, func(m sdk.Message) bool { return m.MessageIndex == index }) {
							t.Errorf("%d had been heard of and is missing", index)
						}
					}
				} else {
					t.Errorf("a page of %d with %d items, and older ones exist", p.Cursor.Size, len(p.Items))
				}
				end := int64(0)
				if len(b.pages[0].Items) > 0 {
					end = b.pages[0].Items[0].MessageIndex
				}
				if end < b.heard {
					t.Errorf("the page had heard of %d, the snapshot ends at %d", b.heard, end)
				}
				for _, p := range b.pages {
					for i, m := range p.Items {
						switch {
						case m.MessageIndex > end:
							t.Errorf("%d is newer than the snapshot, which ends at %d", m.MessageIndex, end)
						case m.MessageIndex > b.heard && !b.mine[m.Body.Text] && !l.refused[m.Body.Text]:
							t.Errorf("%d is in the snapshot and comes as an event", m.MessageIndex)
						case i > 0 && m.MessageIndex >= p.Items[i-1].MessageIndex:
							t.Error("items are not newest first")
						case byIndex[m.MessageIndex].Body.Text != m.Body.Text:
							t.Errorf("%d is not what is stored", m.MessageIndex)
						}
					}
				}
			}
		})
	})
}
