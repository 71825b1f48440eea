package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"openchat/sdk/wire"
)

// No message may follow the end of its chat. Messages and commits are on different subjects,
// so a message that was on its way while the chat ended could be stored after it. Therefore
// the end takes a place among the messages first: an end mark at the index that would be
// the next message's. As with messages, the server lets only one entry have an index:
// either a message is stored before the mark, or it finds the mark and is refused. Then
// the change that ends the engagement is stored.
//
// The mark decides: a chat that has one has ended for messages, and whoever finds one whose
// engagement has not ended ends it. Append does so when it is refused, and every gateway does
// some time after it has received the mark (index.markReceived). So a process that is killed
// between the two leaves nothing half done.

// headerEnd says that an entry among the messages is an end mark.
const headerEnd = "Chat-End"

// isEnd reports whether the entry is an end mark.
func (e *entry) isEnd() bool { return e.header.Get(headerEnd) != "" }

// placeEnd stores the end mark, unless there is one. The engagement's lock is held.
func (s *Store) placeEnd(ctx context.Context, e *Engagement) error {
	c, id := e.Customer, e.EngagementID
	return s.redoAtPlace(ctx, c, id, func(p place) error {
		if p.closed {
			return nil
		}
		_, _, err := s.publish(ctx, c, messageSubject(c, id, p.newest+1), nil, 0, "", nats.Header{headerEnd: {"1"}, headerIntegration: {e.IntegrationID}})
		if err == nil {
			s.newest.put(engagementMessages(c, id), place{p.newest, true})
		}
		return err
	})
}

// finish ends the engagement, which has an end mark. The engagement's lock is held.
func (s *Store) finish(ctx context.Context, c Customer, engagementID string) error {
	_, err := s.changeLocked(ctx, c, engagementID, func(e *Engagement) ([]wire.Event, bool, error) {
		events := e.Terminate()
		return events, len(events) > 0, nil
	})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// finishAfter is how long after an end mark its engagement must have ended; else the
// process that has placed it is counted as gone. While that one lives, it tries for as long.
const finishAfter = maxWait

// markReceived has the engagement ended, should its end not come.
func (x *index) markReceived(c Customer, engagementID string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closing[engagementID] != nil {
		return
	}
	wait := x.s.cfg.finishAfter
	if wait == 0 {
		wait = finishAfter
	}
	x.closing[engagementID] = time.AfterFunc(wait, func() {
		x.mu.Lock()
		delete(x.closing, engagementID)
		x.mu.Unlock()
		ctx, cancel := context.WithTimeout(x.s.ctx, maxWait)
		defer cancel()
		release, err := x.s.lockEngagement(ctx, engagementID)
		if err == nil {
			err = x.s.finish(ctx, c, engagementID)
			release()
		}
		if err != nil && x.s.ctx.Err() == nil {
			x.s.log.Warn("a chat whose end was begun could not be ended, trying again", "engagementId", engagementID, "error", err)
			x.markReceived(c, engagementID)
		}
	})
}

// endReceived notes that the engagement has ended. x.mu is held.
func (x *index) endReceived(engagementID string) {
	if t := x.closing[engagementID]; t != nil {
		t.Stop()
		delete(x.closing, engagementID)
	}
}

// find returns the entry of the message with that id, else ErrNotFound. It is known for
// MinAge. What it costs does not depend on the length of the chat: the server knows the ids of
// the messages as keys, and answers with the sequence whoever stores one of them again. The
// entry that asks must not be stored when the key is unknown, so it expects what cannot be:
// of the expectations, one that the server checks after the key.
func (s *Store) find(ctx context.Context, c Customer, engagementID, messageID string) (*entry, error) {
	expect := jetstream.WithExpectLastMsgID("none") // message ids are UUIDs
	if s.replicated {
		expect = jetstream.WithExpectLastSequencePerSubject(1 << 62)
	}
	var sequence uint64
	err := s.persist(ctx, func(ctx context.Context) error {
		m := &nats.Msg{Subject: messageSubject(c, engagementID, 0), Header: nats.Header{headerCustomer: {customerHeader(c)}}}
		ack, err := s.js.PublishMsg(ctx, m, jetstream.WithMsgID(messageID), expect, jetstream.WithRetryAttempts(0))
		var api *jetstream.APIError
		switch {
		case errors.As(err, &api) && api.ErrorCode == wrongLastMsgID:
			return ErrNotFound
		case err == nil && !ack.Duplicate:
			return fmt.Errorf("store: the server has stored the entry %d, which was only to ask for a message", ack.Sequence)
		case err == nil:
			sequence = ack.Sequence
		}
		return err
	})
	if errors.Is(err, errConflict) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.at(ctx, sequence)
}

const wrongLastMsgID jetstream.ErrorCode = 10070

// Sent returns the message that this sender stored under that correlationId, else
// ErrNotFound. It is for a repeat that may not be stored any more, where Append
// cannot be asked. It finds messages for as long as a correlationId holds, MinAge, at the same cost
// however long the chat is.
func (s *Store) Sent(ctx context.Context, c Customer, engagementID, participantID, correlationID string) (wire.Message, error) {
	if correlationID == "" || c.check() != nil || !wire.IsUUID(engagementID) {
		return wire.Message{}, ErrNotFound
	}
	e, err := s.find(ctx, c, engagementID, messageID(c, engagementID, participantID, correlationID))
	if err != nil {
		return wire.Message{}, err
	}
	return e.message(c)
}

// place is how far an engagement's messages go.
type place struct {
	newest int64 // index of the newest message, 0 for none
	closed bool  // the end mark stands after it
}

// place reads how far an engagement's messages go.
func (s *Store) place(ctx context.Context, c Customer, engagementID string) (place, error) {
	all := engagementMessages(c, engagementID)
	// From what is remembered, which is at most a little behind, single subjects lead
	// to the newest: the server's search by wildcard costs more the longer the chat.
	if p, ok := s.newest.get(all); ok {
		for range 4 {
			if p.closed {
				return p, nil
			}
			e, err := s.last(ctx, messageSubject(c, engagementID, p.newest+1))
			switch {
			case errors.Is(err, ErrNotFound) || err == nil && !e.is(c):
				return p, nil
			case err != nil:
				return place{}, err
			case e.isEnd():
				p.closed = true
			default:
				p.newest++
			}
			s.newest.put(all, p)
		}
		if p.closed {
			return p, nil
		}
	}
	e, err := s.last(ctx, all)
	if errors.Is(err, ErrNotFound) || err == nil && !e.is(c) {
		return place{}, nil
	}
	if err != nil {
		return place{}, err
	}
	p := place{newest: indexOf(e.subject)}
	if e.isEnd() {
		p = place{p.newest - 1, true}
	}
	s.newest.put(all, p)
	return p, nil
}

// redoAtPlace is redo for an attempt to store the next entry among an engagement's messages.
// The first attempt is made with what is remembered of their place, which costs no read and
// may be behind; the others are made with what is stored.
func (s *Store) redoAtPlace(ctx context.Context, c Customer, engagementID string, attempt func(place) error) error {
	p, remembered := s.newest.get(engagementMessages(c, engagementID))
	return s.redo(ctx, func() error {
		if !remembered {
			var err error
			if p, err = s.place(ctx, c, engagementID); err != nil {
				return err
			}
		}
		remembered = false
		return attempt(p)
	})
}

// NewestIndex returns the index of the newest message, 0 for none.
func (s *Store) NewestIndex(ctx context.Context, c Customer, engagementID string) (int64, error) {
	if c.check() != nil || !wire.IsUUID(engagementID) {
		return 0, nil
	}
	p, err := s.place(ctx, c, engagementID)
	return p.newest, err
}

func messageSubject(c Customer, engagementID string, index int64) string {
	return customerSubject(c) + ".m." + engagementID + "." + strconv.FormatInt(index, 10)
}
