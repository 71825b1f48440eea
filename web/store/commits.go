package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

// commit is a change of a session or engagement: the state after it, and the events of
// it. It is stored as a commitRecord.
type commit struct {
	Session    *Session
	Engagement *Engagement
	Events     []eventRecord
}

// commit reads an entry of a session or engagement. The stream has only the store's
// own entries, unless an operator or another version wrote to it: then one bad
// entry must not end the process, nor reach clients, which would fail on it at every
// resume.
func (e *entry) commit() (*commit, error) {
	version, err := e.version()
	if err != nil {
		return nil, err
	}
	k, err := decodeCommit(version, e.data)
	if err != nil {
		return nil, fmt.Errorf("store: the commit %d cannot be read", e.sequence)
	}
	owner, kind, id, err := e.names()
	if err != nil {
		return nil, err
	}
	switch {
	case kind == "s" && k.Session != nil && k.Engagement == nil && k.Session.SessionID == id && k.Session.Customer == owner:
	case kind == "e" && k.Engagement != nil && k.Session == nil && k.Engagement.EngagementID == id && k.Engagement.Customer == owner:
		k.Engagement.EventID = after(e.sequence)
	default:
		return nil, fmt.Errorf("store: the commit %d does not hold what its subject says", e.sequence)
	}
	for i := range k.Events {
		event, err := wire.DecodeEvent(k.Events[i].Event)
		if err != nil || event.Type != k.Events[i].Type {
			return nil, fmt.Errorf("store: the commit %d holds an event that cannot be read", e.sequence)
		}
	}
	return k, nil
}

// CreateSession stores a session; created is false when correlationID was used
// before by this customer in this integration, and the stored one is returned, which may have ended
// since. Without correlationID the call is not repeatable.
func (s *Store) CreateSession(ctx context.Context, c Customer, integrationID, displayName string, parameters map[string]string, correlationID string) (session Session, created bool, err error) {
	if err := c.check(); err != nil {
		return Session{}, false, err
	}
	if correlationID == "" {
		correlationID = random()
	}
	at := now()
	session = Session{
		Session: wire.Session{
			SessionID:         SessionID(c, integrationID, correlationID),
			ParticipantID:     ParticipantID(c),
			DisplayName:       displayName,
			SessionParameters: parameters,
			SessionStatus:     wire.SessionActive,
			CreatedAt:         at,
			LastUpdatedAt:     at,
		},
		Customer:      c,
		IntegrationID: integrationID,
	}
	created, err = s.create(ctx, c, sessionSubject(c, session.SessionID), &commit{Session: &session}, func(uint64) {}, func() error {
		first, _, err := s.session(ctx, c, session.SessionID)
		if err == nil {
			session = first
		}
		return err
	})
	return session, created, err
}

// create stores the first commit of a subject and calls stored with its sequence, or
// read when there is one already, as of a repeat.
func (s *Store) create(ctx context.Context, c Customer, subject string, k *commit, stored func(uint64), read func() error) (created bool, err error) {
	err = s.redo(ctx, func() error {
		sequence, err := s.store(ctx, c, subject, 0, k)
		if err == nil {
			created = true
			stored(sequence)
		}
		if !errors.Is(err, errConflict) {
			return err
		}
		// The server refuses the second while it is still writing the first, which
		// cannot be read until then; and the first may fail.
		if err = read(); errors.Is(err, ErrNotFound) {
			return errConflict
		}
		return err
	})
	return created, err
}

// ParticipantID is the id under which the customer takes part, the same in all
// their sessions.
func ParticipantID(c Customer) string { return derive("participant", c.Account, c.ID) }

func (s *Store) session(ctx context.Context, c Customer, sessionID string) (Session, uint64, error) {
	k, e, err := s.load(ctx, c, sessionID, sessionSubject)
	if err != nil {
		return Session{}, 0, err
	}
	return *k.Session, e.sequence, nil
}

// EndSession ends it and emits the event for its stream; ending an ended or unknown one is no
// error.
func (s *Store) EndSession(ctx context.Context, c Customer, sessionID string, reason wire.Reason) error {
	return s.redo(ctx, func() error {
		session, sequence, err := s.session(ctx, c, sessionID)
		if errors.Is(err, ErrNotFound) || err == nil && session.SessionStatus != wire.SessionActive {
			return nil
		}
		if err != nil {
			return err
		}
		session.SessionStatus = wire.SessionTerminated
		session.LastUpdatedAt = now()
		k := &commit{Session: &session}
		k.add(wire.Event{Type: wire.EventSessionTerminated, Date: session.LastUpdatedAt, SessionID: sessionID, Reason: reason})
		_, err = s.store(ctx, c, sessionSubject(c, sessionID), sequence, k)
		return err
	})
}

// CreateEngagement stores a PENDING engagement without members.
func (s *Store) CreateEngagement(ctx context.Context, session Session, parameters map[string]string, correlationID string) (e Engagement, created bool, err error) {
	c := session.Customer
	if err := c.check(); err != nil {
		return Engagement{}, false, err
	}
	if correlationID == "" {
		correlationID = random()
	}
	at := now()
	e = Engagement{
		Customer:      c,
		CustomerName:  session.DisplayName,
		EngagementID:  EngagementID(c, session.IntegrationID, correlationID),
		DialogID:      derive("dialog", c.Account, c.ID, session.IntegrationID, correlationID),
		IntegrationID: session.IntegrationID,
		Status:        wire.EngagementPending,
		Parameters:    parameters,
		SessionID:     session.SessionID,
		CorrelationID: correlationID,
		CreatedAt:     at,
		LastUpdatedAt: at,
	}
	created, err = s.create(ctx, c, engagementSubject(c, e.EngagementID), &commit{Engagement: &e}, func(sequence uint64) {
		e.EventID = after(sequence)
		s.newest.forget(engagementMessages(c, e.EngagementID)) // of one that was erased
	}, func() error {
		first, err := s.Engagement(ctx, c, e.EngagementID)
		if err == nil {
			e = first
		}
		return err
	})
	return e, created, err
}

// Engagement returns one, ended or not, else ErrNotFound.
func (s *Store) Engagement(ctx context.Context, c Customer, engagementID string) (Engagement, error) {
	e, _, err := s.engagement(ctx, c, engagementID)
	return e, err
}

func (s *Store) engagement(ctx context.Context, c Customer, engagementID string) (Engagement, uint64, error) {
	k, e, err := s.load(ctx, c, engagementID, engagementSubject)
	if err != nil {
		return Engagement{}, 0, err
	}
	return *k.Engagement, e.sequence, nil
}

// engagement reads the state out of an engagement's commit.
func (e *entry) engagement() (*Engagement, error) {
	k, err := e.commit()
	if err != nil {
		return nil, err
	}
	if k.Engagement == nil {
		return nil, fmt.Errorf("store: the commit %d holds no engagement", e.sequence)
	}
	return k.Engagement, nil
}

// Update reads the engagement, lets change edit it and return the events of
// the edit, and stores state and events as one, if nothing else changed it
// meanwhile; else it starts over, and gives up with ErrBusy after many rounds.
// change may run several times. No events: nothing is stored. An error of change is
// returned as it is. The store fills in the events' EngagementID, DialogID and Date,
// and LastUpdatedAt. A change holds at most MaxEvents events, and an engagement
// MaxMembers members.
func (s *Store) Update(ctx context.Context, c Customer, engagementID string, change func(*Engagement) ([]wire.Event, error)) (Engagement, error) {
	return s.change(ctx, c, engagementID, func(e *Engagement) ([]wire.Event, bool, error) {
		events, err := change(e)
		return events, len(events) > 0, err
	})
}

// Note is Update for a change without an event: customers do not learn of it, and
// LastUpdatedAt stays. change returns false when there is nothing to store.
func (s *Store) Note(ctx context.Context, c Customer, engagementID string, change func(*Engagement) bool) (Engagement, error) {
	return s.change(ctx, c, engagementID, func(e *Engagement) ([]wire.Event, bool, error) {
		return nil, change(e), nil
	})
}

// change is Update and Note; edit says whether there is something to store.
func (s *Store) change(ctx context.Context, c Customer, engagementID string, edit func(*Engagement) (events []wire.Event, changed bool, err error)) (Engagement, error) {
	release, err := s.lockEngagement(ctx, engagementID)
	if err != nil {
		return Engagement{}, err
	}
	defer release()
	return s.changeLocked(ctx, c, engagementID, edit)
}

func (s *Store) changeLocked(ctx context.Context, c Customer, engagementID string, edit func(*Engagement) (events []wire.Event, changed bool, err error)) (Engagement, error) {
	var e Engagement
	marked, declined := false, false
	err := s.redo(ctx, func() error {
		var sequence uint64
		var err error
		e, sequence, err = s.engagement(ctx, c, engagementID)
		if err != nil {
			return err
		}
		dialogID, wasEnded := e.DialogID, e.Ended()
		events, changed, err := edit(&e)
		if err != nil || !changed {
			declined = marked && !wasEnded
			return err
		}
		if len(events) > MaxEvents || len(e.Members) > MaxMembers {
			return fmt.Errorf("store: a change with %d events and %d members is too large; at most %d and %d", len(events), len(e.Members), MaxEvents, MaxMembers)
		}
		// What names it is not for edit to change.
		e.Customer, e.EngagementID, e.DialogID = c, engagementID, dialogID
		if e.Ended() && !wasEnded {
			if err := s.placeEnd(ctx, &e); err != nil {
				return err
			}
			marked = true
		}
		if len(events) > 0 {
			e.LastUpdatedAt = now()
		}
		e.EventID = 0
		k := &commit{Engagement: &e}
		for _, event := range events {
			event.EngagementID, event.DialogID = engagementID, dialogID
			if event.Date.IsZero() {
				event.Date = e.LastUpdatedAt
			}
			k.add(event)
		}
		sequence, err = s.store(ctx, c, engagementSubject(c, engagementID), sequence, k)
		e.EventID = after(sequence)
		return err
	})
	if declined {
		// Another's change came between the end mark and the end, and with it there was
		// nothing to end any more. But the mark stands.
		if err := s.finish(ctx, c, engagementID); err != nil {
			return Engagement{}, err
		}
	}
	return e, err
}

// redo runs attempt until it does not meet another's change.
func (s *Store) redo(ctx context.Context, attempt func() error) error {
	for try := range 64 {
		err := attempt()
		if !errors.Is(err, errConflict) {
			return err
		}
		if err := s.pause(ctx, min(try, 5)); err != nil {
			return err
		}
	}
	return ErrBusy
}

func (k *commit) add(e wire.Event) {
	k.Events = append(k.Events, eventRecord{Type: e.Type, SessionID: e.SessionID, Event: e.Append(nil)})
}

// store publishes a commit if expected is the last sequence of its subject, else
// errConflict.
func (s *Store) store(ctx context.Context, c Customer, subject string, expected uint64, k *commit) (uint64, error) {
	data, err := k.encode()
	if err != nil {
		return 0, err
	}
	write := random()
	header := nats.Header{headerWrite: {write}}
	if k.Session != nil {
		header.Set(headerUsed, "1")
	}
	sequence, _, err := s.publish(ctx, c, subject, data, expected, "", header)
	if errors.Is(err, errConflict) {
		own, ok, ownErr := s.findOwnWrite(ctx, subject, expected, write)
		if ownErr != nil {
			return 0, ownErr
		}
		if ok {
			return own, nil
		}
	}
	return sequence, err
}

// load reads the last commit of a session or engagement.
func (s *Store) load(ctx context.Context, c Customer, id string, subject func(Customer, string) string) (*commit, *entry, error) {
	// Whatever is not an id of ours must not become part of a subject.
	if c.check() != nil || !wire.IsUUID(id) {
		return nil, nil, ErrNotFound
	}
	e, err := s.last(ctx, subject(c, id))
	if err != nil {
		return nil, nil, err
	}
	if !e.is(c) {
		return nil, nil, ErrNotFound
	}
	k, err := e.commit()
	return k, e, err
}

// lockEngagement makes this process's writers to one engagement wait for each other: cheaper
// than finding out at the server. What other processes do, the server's check finds.
func (s *Store) lockEngagement(ctx context.Context, engagementID string) (release func(), err error) {
	return s.lock(ctx, &s.stripes, engagementID)
}

// lockPages waits until no other page of the customer is read: a write waits at the server for the
// pages before it, and one customer's shall not be many.
func (s *Store) lockPages(ctx context.Context, c Customer) (release func(), err error) {
	return s.lock(ctx, &s.pages, customerSubject(c))
}

func (s *Store) lock(ctx context.Context, stripes *[256]chan struct{}, key string) (release func(), err error) {
	stripe := stripes[maphash.String(stripeSeed, key)%uint64(len(stripes))]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.ctx.Done():
		return nil, errClosed
	}
}

var stripeSeed = maphash.MakeSeed()

const allEngagements = "chat.*.*.e.*"

func customerSubject(c Customer) string {
	sum := sha256.Sum256([]byte(c.Account + "\x00" + c.ID))
	return "chat." + c.Account + "." + hex.EncodeToString(sum[:16])
}

func sessionSubject(c Customer, id string) string    { return customerSubject(c) + ".s." + id }
func engagementSubject(c Customer, id string) string { return customerSubject(c) + ".e." + id }

// check keeps out what cannot be part of a subject or header.
func (c Customer) check() error {
	if len(c.Account) < 1 || len(c.Account) > 32 {
		return fmt.Errorf("store: an account of %d characters; 1–32 are possible", len(c.Account))
	}
	for _, r := range c.Account {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
			return errors.New("store: an account may hold letters, digits, '-' and '_' only")
		}
	}
	if err := CheckCustomerID(c.ID); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// MaxCustomerID is the longest id of a customer, in characters (Unicode code points).
const MaxCustomerID = 256

// CheckCustomerID checks the id of a customer, which is any text of 1 to MaxCustomerID
// characters.
func CheckCustomerID(id string) error {
	if n := utf8.RuneCountInString(id); n == 0 || n > MaxCustomerID {
		return fmt.Errorf("a customer id of %d characters; 1–%d are possible", n, MaxCustomerID)
	}
	return nil
}

// derive makes the UUID (version 8) that belongs to those words: who repeats a call
// names the same thing.
func derive(words ...string) string {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%d:%s", len(w), w)
	}
	b := h.Sum(nil)[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	x := hex.EncodeToString(b)
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
