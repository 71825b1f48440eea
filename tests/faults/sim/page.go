package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// page is one page with a client, from its load until it is left.
type page struct {
	n       int
	l       *player
	slot    int
	c       *sdk.Core
	device  *sdktest.Device
	storage *tabStorage

	// What the page keeps, as any page would. The player's goroutine and the
	// dispatcher's take turns, but for what Record.mu guards.
	chats     []string
	iterators []*Call // that resolved with a page
	asleep    bool
	left      bool
	slow      time.Duration
	react     map[sdk.EventType][]Step
	delivered map[string]int64 // newest index by chat
	words     int
	renewed   time.Duration   // when the token is or was last renewed
	reads     []time.Duration // when frames came; the reader's own
	heldUntil atomic.Int64    // a time.Duration: when the dispatcher was last held up, by sleep or by a slow handler
}

// tabStorage is a tab's sessionStorage as one page sees it: what a page that was left
// does is nothing.
type tabStorage struct {
	*sdktest.Storage
	left    bool
	refused bool // once: what no call has removed it may keep
}

func (s *tabStorage) Save(key, value string) error {
	if s.left {
		return nil
	}
	return s.Storage.Save(key, value)
}

func (s *tabStorage) Remove(key string) error {
	if s.left {
		return nil
	}
	return s.Storage.Remove(key)
}

func (l *player) newPage(slot int, storage *sdktest.Storage) *page {
	g := &page{
		l: l, slot: slot, n: len(l.record.pages), device: l.p.Device(), storage: &tabStorage{Storage: storage},
		react: map[sdk.EventType][]Step{}, delivered: map[string]int64{},
	}
	g.device.StepClock(l.clock)
	g.c = sdk.NewCore(sdk.Options{
		WallClock: g.device.WallClock,
		Transport: watched{g, g.device.Transport()},
		Storage:   g.storage,
		Deliver:   g.deliver,
		Log:       func(sdk.LogLevel, string) { g.device.Gate() },
		Random:    l.random,
	})
	l.record.pages = append(l.record.pages, g)
	return g
}

func (g *page) note(e Entry) {
	e.Page = g
	g.l.record.note(e)
}

// gate holds the dispatcher up while the device sleeps.
func (g *page) gate() {
	began := g.l.record.now()
	g.device.Gate()
	if now := g.l.record.now(); now != began {
		g.heldUntil.Store(int64(now))
	}
}

// deliver is all of the page's handlers.
func (g *page) deliver(e sdk.Event) {
	entry := Entry{What: wasRaised, Event: &e, Queued: g.l.record.now()}
	if entry.Queued == time.Duration(g.heldUntil.Load()) {
		entry.Queued = -1
	}
	g.gate()
	if e.Type == sdk.EventShutdown && !g.storage.refused {
		entry.Session, _ = g.storage.Load(sdk.StorageKey)
	}
	g.note(entry)
	if e.Type == "" || g.left {
		return
	}
	if e.Message != nil {
		g.delivered[e.EngagementID] = max(g.delivered[e.EngagementID], e.Message.MessageIndex)
	}
	if e.EngagementID != "" {
		g.know(e.EngagementID)
	}
	if d := g.slow; d > 0 {
		g.slow = 0
		g.note(Entry{What: wasSlow})
		time.Sleep(d)
		g.heldUntil.Store(int64(g.l.record.now()))
		g.note(Entry{What: wasQuick})
	}
	if list := g.react[e.Type]; len(list) > 0 {
		g.react[e.Type] = list[1:]
		s := list[0]
		s.Kind, s.Code = reactions[s.Code%len(reactions)], 0
		g.do(s)
	}
	g.habits(e)
}

// habits are what this user's pages always do.
func (g *page) habits(e sdk.Event) {
	l, life := g.l, g.l.life
	if l.calm {
		return
	}
	renew := func(after time.Duration) {
		// A token that is too short already, by a clock that is wrong, is not renewed
		// without end in one instant: with Clocks the SDK sees to that.
		if now := l.record.now(); g.renewed > 0 && now-g.renewed < 5*time.Second && !life.Clocks {
			after += 5 * time.Second
		}
		g.renewed = l.record.now() + after
		l.planStep(g, after, Step{Step: sdktest.Step{Kind: doToken, For: life.TokenTTL}})
	}
	switch e.Type {
	case sdk.EventInitialized:
		g.chats = nil
		if len(e.User.Engagements) == 0 {
			l.planStep(g, time.Second, Step{Step: sdktest.Step{Kind: doCreate}})
		}
		for _, n := range e.User.Engagements {
			g.know(n.EngagementID)
			if n.EngagementStatus == wire.EngagementPending {
				l.planStep(g, time.Second, Step{Step: sdktest.Step{Kind: doJoin}})
			}
		}
	case sdk.EventTokenExpiryReminder:
		if life.AtReminder {
			renew(life.RenewAfter)
		}
	case sdk.EventTokenExpired:
		if !life.AtReminder {
			renew(life.RenewAfter)
		} else { // it was tried, and did not work out
			renew(30 * time.Second)
		}
	case sdk.EventStreamFailed:
		switch {
		case e.Reason == string(sdk.FailureForbidden) && !life.Deaf:
			renew(life.RenewAfter)
		case e.Reason == string(sdk.FailureReconnectionTimeout) && life.RetryAfter >= 0:
			l.planStep(g, life.RetryAfter, Step{Step: sdktest.Step{Kind: doRetry}})
		}
	case sdk.EventShutdown:
		if life.AgainAfter >= 0 {
			l.planStep(g, life.AgainAfter, Step{Step: sdktest.Step{Kind: doInit}})
		}
	}
}

func (g *page) know(chat string) {
	for _, c := range g.chats {
		if c == chat {
			return
		}
	}
	g.chats = append(g.chats, chat)
}

// chat is the pick-th that the page knows of, newest first, now and then none.
func (g *page) chat(pick int) string {
	if len(g.chats) == 0 || pick == 7 && len(g.chats) > 2 {
		return "e0000000-0000-4000-8000-00000000dead"
	}
	return g.chats[len(g.chats)-1-pick%min(3, len(g.chats))]
}

// begin notes a call; the function that it returns notes its end.
func (g *page) begin(c *Call) (settled func(error)) {
	c.Page = g
	g.mark(c)
	g.note(Entry{What: wasCalled, Call: c})
	return func(err error) {
		g.gate()
		c.Err = asError(err)
		g.note(Entry{What: wasSettled, Call: c})
	}
}

// mark finds out what is in flight to the page when c acts: decided and queued by the
// client, and not yet delivered. A call that is always refused settles through the same
// queue, so what precedes its refusal was decided before it. The client does what has
// become due before it takes the next command; therefore the second of two such calls
// counts, which nothing that is due at this instant can follow.
func (g *page) mark(c *Call) {
	g.c.Messages("", 1, 0, nil)
	g.c.Messages("", 1, 0, func(_ sdk.Page, err error) {
		g.gate()
		c.Behind = g.l.record.length()
		c.Gone = errors.Is(err, &sdk.Error{Code: sdk.CodeNotInitialized})
	})
}

// do makes the page do a step. It is not called while the device sleeps.
func (g *page) do(s Step) {
	l := g.l
	switch s.Kind {
	case doInit:
		g.init(l.life.TokenTTL)
	case doShutdown:
		end := g.begin(&Call{Kind: doShutdown})
		g.c.Shutdown("", end)
	case doCreate:
		c := &Call{Kind: doCreate}
		end := g.begin(c)
		g.c.CreateEngagement(map[string]string{"subject": "a thing"}, func(e sdk.Engagement, err error) {
			c.Engagement = e
			if err == nil {
				g.know(e.EngagementID)
			}
			end(err)
		})
	case doList:
		c := &Call{Kind: doList}
		end := g.begin(c)
		g.c.Engagements(func(list []sdk.Engagement, err error) {
			c.Engagements = list
			for _, e := range list {
				g.know(e.EngagementID)
			}
			end(err)
		})
	case doLookup:
		c := &Call{Kind: doLookup, Chat: g.chat(s.Pick)}
		end := g.begin(c)
		g.c.EngagementByID(c.Chat, func(e sdk.Engagement, ok bool, err error) {
			c.Engagement, c.Found = e, ok
			end(err)
		})
	case doJoin:
		c := &Call{Kind: doJoin, Chat: g.chat(s.Pick)}
		end := g.begin(c)
		g.c.Join(c.Chat, func(e sdk.Engagement, err error) {
			c.Engagement = e
			end(err)
		})
	case doSend:
		if s.Code == 1 {
			s.Count = 1 // several who wait have no order
		}
		for range max(1, s.Count) {
			g.send(s)
		}
	case doSendBad:
		text := ""
		if s.Pick%2 == 0 {
			text = strings.Repeat("x", wire.MaxText+1)
		}
		end := g.begin(&Call{Kind: doSend, Chat: g.chat(s.Pick), Bad: true})
		g.c.SendMessage(g.chat(s.Pick), text, "", func(_ sdk.Message, err error) { end(err) })
	case doDisconnect:
		c := &Call{Kind: doDisconnect, Chat: g.chat(s.Pick)}
		end := g.begin(c)
		g.c.Disconnect(c.Chat, "", func(e sdk.Engagement, err error) {
			c.Engagement = e
			end(err)
		})
	case doHistory:
		chat := g.chat(s.Pick)
		c := &Call{Kind: doHistory, Chat: chat, Size: s.Code, Delivered: g.delivered[chat]}
		end := g.begin(c)
		g.c.Messages(chat, s.Code, c.Delivered, func(p sdk.Page, err error) {
			c.Result = p
			if err == nil {
				g.iterators = append(g.iterators, c)
			}
			end(err)
		})
	case doTurn:
		if len(g.iterators) == 0 {
			return
		}
		i := s.Pick % len(g.iterators)
		from := g.iterators[i]
		c := &Call{Kind: doTurn, Chat: from.Chat, From: &from.Result, Delivered: from.Delivered, To: sdk.Direction(s.Code)}
		end := g.begin(c)
		g.c.Turn(c.From.Cursor, c.To, func(p sdk.Page, err error) {
			c.Result = p
			if err == nil {
				g.iterators[i] = c
			}
			end(err)
		})
	case doResetIdle:
		end := g.begin(&Call{Kind: doResetIdle})
		end(g.c.ResetIdleTimeout())
	case doToken:
		err := g.token(sdktest.Claims{}, l.issue(s.For), false)
		if err != nil && l.life.Clocks && !l.calm && asError(err).Code == sdk.CodeTokenInvalid {
			l.planStep(g, 20*time.Second, s) // it is from a cache, and has expired
		}
	case doBadToken:
		switch s.Code {
		case 0:
			g.token(sdktest.Claims{Name: "Ann", TTL: -10 * time.Minute}, "", true)
		case 1:
			g.token(sdktest.Claims{Subject: "customer-2"}, "", true)
		case 2:
			g.token(sdktest.Claims{}, "not.a.token", true)
		default:
			g.token(sdktest.Claims{Name: "Ann", Forged: true}, "", false) // the platform will say so
		}
	case doRetry:
		end := g.begin(&Call{Kind: doRetry})
		end(g.c.RetryConnection())
	case doVisible:
		g.note(Entry{What: wasOnline})
		g.c.Wake(sdk.WakeVisible)
	case doOffline:
		if s.Code == 0 {
			g.device.Offline(true)
		}
		g.note(Entry{What: wasOffline})
		g.c.Wake(sdk.WakeOffline)
		l.planStep(g, s.For, Step{Step: sdktest.Step{Kind: endOffline}})
	case endOffline:
		g.device.Offline(false)
		g.note(Entry{What: wasOnline})
		g.c.Wake(sdk.WakeOnline)
	case doSlow:
		g.slow = s.For
	case doReact:
		e := sdk.EventType(s.On)
		g.react[e] = append(g.react[e], s)
	case doStorage:
		g.storage.refused = true
		g.storage.Fail(sdktest.ErrLost, sdktest.ErrLost)
		l.planStep(g, s.For, Step{Step: sdktest.Step{Kind: endStorage}})
	case endStorage:
		g.storage.Fail(nil, nil)
	}
}

// Ends of what lasts.
const (
	endOffline sdktest.Kind = "online again"
	endStorage sdktest.Kind = "storage works again"
	endSleep   sdktest.Kind = "wake up"
	endRefuse  sdktest.Kind = "tokens are taken again"
	keepTalk   sdktest.Kind = "keep talking"
)

func (g *page) init(ttl time.Duration) {
	p := g.l.p.Params(sdktest.Claims{})
	p.Token = g.l.issue(ttl)
	c := &Call{Kind: doInit, Token: p.Token, Expiry: expiry(p.Token)}
	end := g.begin(c)
	g.c.Init(p, g.l.life.Config, func(u sdk.UserContext, err error) {
		c.User = u
		end(err)
		if err != nil && !g.l.calm && !g.left && g.l.life.AgainAfter >= 0 && asError(err).Code != sdk.CodeAlreadyInitialized {
			g.l.planStep(g, g.l.life.AgainAfter+time.Second, Step{Step: sdktest.Step{Kind: doInit}})
		}
	})
}

func (g *page) token(claims sdktest.Claims, text string, bad bool) error {
	if text == "" {
		text = g.l.p.Token(claims)
	}
	c := &Call{Kind: doToken, Token: text, Expiry: expiry(text), Bad: bad}
	end := g.begin(c)
	err := g.c.SetJWTToken(text)
	end(err)
	return err
}

func expiry(token string) time.Time {
	claims, err := wire.ReadToken(token)
	if err != nil {
		return time.Time{}
	}
	return claims.Expiry
}

func (g *page) send(s Step) {
	g.words++
	c := &Call{Kind: doSend, Chat: g.chat(s.Pick), Text: "page " + itoa(g.n) + "." + itoa(g.words)}
	end := g.begin(c)
	call := func(done func(sdk.Message, error)) {
		g.c.SendMessage(c.Chat, c.Text, "", func(m sdk.Message, err error) {
			c.Message = m
			end(err)
			done(m, err)
		})
	}
	if s.Code == 0 {
		call(func(sdk.Message, error) {})
		return
	}
	// Somebody who does not wait for the end of it.
	ctx, cancel := context.WithTimeout(context.Background(), s.For)
	go func() {
		defer cancel()
		sdk.Await(ctx, call)
	}()
}

// watched is a transport that notes what passes.
type watched struct {
	g *page
	sdk.Transport
}

func (w watched) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	answer, err := w.Transport.Do(ctx, r)
	e := Entry{What: wasAnswered, Status: answer.Status, Session: r.Method + " " + r.URL[strings.LastIndexByte(r.URL, '/'):]}
	if err == nil && answer.Status >= 300 {
		e.Problem = problemOf(answer.Body)
	}
	w.g.note(e)
	return answer, err
}

func (w watched) Dial(ctx context.Context, url, subprotocol string) (sdk.Conn, error) {
	id := strings.TrimSuffix(url, "/events")
	w.g.note(Entry{What: wasDialed, Session: id[strings.LastIndexByte(id, '/')+1:]})
	conn, err := w.Transport.Dial(ctx, url, subprotocol)
	if err != nil {
		return nil, err
	}
	return &watchedConn{g: w.g, Conn: conn}, nil
}

type watchedConn struct {
	g *page
	sdk.Conn
	asked atomic.Int64 // when the first frame was written, a time.Duration; 0: not yet
}

func (w *watchedConn) Write(frame []byte) error {
	w.asked.CompareAndSwap(0, int64(w.g.l.record.now()))
	return w.Conn.Write(frame)
}

func (w *watchedConn) Read() ([]byte, error) {
	frame, err := w.Conn.Read()
	w.g.reads = append(w.g.reads, w.g.l.record.now())
	switch {
	case err != nil:
		code := 1006
		if e, ok := err.(*sdk.CloseError); ok {
			code = e.Code
		}
		w.g.note(Entry{What: wasClosed, Status: code})
	case strings.HasPrefix(string(frame), `{"type":"authenticated"`):
		w.g.note(Entry{What: wasTaken})
	case strings.HasPrefix(string(frame), `{"type":"ready"`):
		f, _ := wire.DecodeServerFrame(frame)
		w.g.note(Entry{What: wasReady, ID: f.LastEventID, Resumed: f.Resumed, Took: w.g.l.record.now() - time.Duration(w.asked.Load())})
	}
	return frame, err
}
