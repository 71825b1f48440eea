package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

// topicErased announces the customer who has been erased.
const topicErased Topic = "openchat.erased"

// Exported is an entry of a customer as Export gives it out, in JSON one line of an export.
type Exported struct {
	// Type is session or engagement for a state with the events that led to it, message, or
	// end for the mark after the last message of an engagement.
	Type     string          `json:"type"`
	ID       string          `json:"id"`       // the sessionId or engagementId
	EventID  wire.EventID    `json:"eventId"`  // the position of the first event of the entry
	StoredAt time.Time       `json:"storedAt"` // by the server's clock
	Record   json.RawMessage `json:"record"`   // what is stored, JSON; null when there is no text
}

// Export calls fn with every entry that is kept of the customer, in the order in which they
// were stored, until fn returns an error, which it returns. An entry that cannot be read as
// JSON is given out as a base64 string. It holds a few MiB in memory, however much there is.
// What is stored after the call has begun may be missing.
func (s *Store) Export(ctx context.Context, c Customer, fn func(Exported) error) error {
	if err := c.check(); err != nil {
		return err
	}
	var failed error
	err := s.entries(ctx, customerSubject(c)+".>", jetstream.DeliverAllPolicy, false, func(e *entry) bool {
		_, kind, id, err := e.names()
		if err != nil || !e.is(c) {
			return true // of another customer with the same hash, or nobody's
		}
		out := Exported{Type: map[string]string{"s": "session", "e": "engagement", "m": "message"}[kind], ID: id, EventID: position(e.sequence, 0), StoredAt: e.stored, Record: e.data}
		switch {
		case e.isEnd():
			out.Type, out.Record = "end", json.RawMessage("null")
		case !json.Valid(e.data):
			out.Record = json.RawMessage(`"` + base64.StdEncoding.EncodeToString(e.data) + `"`)
		}
		failed = fn(out)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	return err
}

// entries calls fn with the entries of the subjects, in order, until it returns false. An
// error may come after some. With headersOnly they have no data.
func (s *Store) entries(ctx context.Context, subject string, which jetstream.DeliverPolicy, headersOnly bool, fn func(*entry) bool) error {
	return s.each(ctx, jetstream.ConsumerConfig{FilterSubjects: []string{subject}, DeliverPolicy: which, HeadersOnly: headersOnly}, fn)
}

// eraseRound is how many entries one round of Erase deletes.
const eraseRound = 10_000

// othersRead is how long other gateways have to read the end of what is to be erased. Those
// that are later only take it for a loss.
const othersRead = time.Second

// Erase deletes everything that is kept of the customer. Sessions and chats that are going on
// are ended first, so that streams close and agents see the end. An entry that is deleted is
// overwritten in its file; the servers' space that a file had before is free, not overwritten.
//
// Every deleted entry costs the writing of the file that it is in, up to 8 MiB. So Erase stops
// when the time until has come; then complete is false, and the next call goes on.
// It is false as well when the customer goes on to create things. deleted is how many entries
// are gone.
func (s *Store) Erase(ctx context.Context, c Customer, until time.Time) (deleted int, complete bool, err error) {
	if err := c.check(); err != nil {
		return 0, false, err
	}
	if err := s.endAll(ctx, c); err != nil {
		return 0, false, err
	}
	// What is deleted before a gateway has read it, it takes for a loss, and closes all streams.
	if err := s.catchUp(ctx); err != nil {
		return 0, false, err
	}
	if !s.Alone() {
		t := time.NewTimer(othersRead)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
	for {
		var list []uint64
		err := s.entries(ctx, customerSubject(c)+".>", jetstream.DeliverAllPolicy, true, func(e *entry) bool {
			list = append(list, e.sequence)
			return len(list) < eraseRound
		})
		if err != nil {
			return deleted, false, err
		}
		if len(list) == 0 {
			break
		}
		// The oldest first: the last state of a chat, which has ended, is among the last to go.
		for _, sequence := range list {
			if time.Now().After(until) {
				return deleted, false, nil
			}
			if err := s.overwrite(ctx, sequence); err != nil {
				return deleted, false, err
			}
			deleted++
		}
	}
	if err := s.disk.change(); err != nil {
		return deleted, false, err
	}
	s.forgetErased(c)
	if text, err := json.Marshal(c); err == nil {
		s.Announce(topicErased, text)
	}
	return deleted, true, nil
}

// overwrite deletes one entry and its bytes. One that is gone, perhaps by a try whose answer was lost,
// is no error.
func (s *Store) overwrite(ctx context.Context, sequence uint64) error {
	err := s.persist(ctx, func(ctx context.Context) error {
		err := s.stream.SecureDeleteMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) { // the library keeps the server's reason in the text only
			if _, reading := s.at(ctx, sequence); errors.Is(reading, ErrNotFound) {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("store: the entry %d cannot be erased: %w", sequence, err)
	}
	return nil
}

// endAll ends the sessions and the chats of the customer. One whose state cannot be read has
// no end that anybody could understand.
func (s *Store) endAll(ctx context.Context, c Customer) error {
	var sessions, engagements []string
	for _, kind := range []string{"s", "e"} {
		err := s.entries(ctx, customerSubject(c)+"."+kind+".*", jetstream.DeliverLastPerSubjectPolicy, false, func(e *entry) bool {
			k, err := e.commit()
			switch {
			case err != nil:
				s.log.Warn("an entry that cannot be read is erased without an end", "sequence", e.sequence, "error", err)
			case k.Session != nil && k.Session.SessionStatus == wire.SessionActive:
				sessions = append(sessions, k.Session.SessionID)
			case k.Engagement != nil && !k.Engagement.Ended():
				engagements = append(engagements, k.Engagement.EngagementID)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	for _, id := range engagements {
		release, err := s.lockEngagement(ctx, id)
		if err != nil {
			return err
		}
		err = s.finish(ctx, c, id)
		release()
		if err != nil {
			return err
		}
	}
	for _, id := range sessions {
		if err := s.EndSession(ctx, c, id, wire.ReasonSystemClosed); err != nil {
			return err
		}
	}
	return nil
}

// forgetErased takes a customer who has been erased out of what is in memory, and lets the
// followers know. They stay in the cache of places: a message on its way still finds there
// that its chat has ended.
func (s *Store) forgetErased(c Customer) {
	f, x := s.follow, s.ongoing
	f.ring.forget(c)
	x.mu.Lock()
	for id, i := range x.chats[c] {
		if i.bad != nil {
			x.remove(c, id)
		}
	}
	x.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.call(&Entry{Customer: c, Erased: true})
}

// followErased receives what other gateways erase, while the connection lasts.
func (s *Store) followErased() error {
	if s.Alone() {
		return nil
	}
	_, err := s.nc.Subscribe(string(topicErased), func(m *nats.Msg) {
		var c Customer
		if json.Unmarshal(m.Data, &c) == nil && c.check() == nil {
			s.forgetErased(c)
		}
	})
	return err
}

// forget takes the customer's entries out. Their places stay counted until they are dropped.
func (r *ring) forget(c Customer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byCustomer[c]) == 0 {
		return
	}
	delete(r.byCustomer, c)
	for i := r.head; i < len(r.kept); i++ {
		if e := r.kept[i].entry; e.Customer == c {
			r.kept[i].entry = &Entry{Last: e.Last} // nobody's
		}
	}
}

// forget takes the place out: what comes under those subjects is new.
func (n *newestCache) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e, ok := n.byID[id]; ok {
		delete(n.byID, id)
		n.order.Remove(e)
	}
}
