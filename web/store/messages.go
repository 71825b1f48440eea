package store

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

// Append stores a message under the next index; created is false when its
// CorrelationID was used before, and the stored one is returned. In an engagement that has
// ended nothing is stored: then the error is ErrEnded, except for such a repeat. It does not
// check who may write: its callers do.
func (s *Store) Append(ctx context.Context, c Customer, engagementID string, m NewMessage) (stored wire.Message, created bool, err error) {
	if err := c.check(); err != nil {
		return wire.Message{}, false, err
	}
	if !wire.IsUUID(engagementID) {
		return wire.Message{}, false, ErrNotFound
	}
	e := m.Engagement
	if e == nil {
		found, err := s.Engagement(ctx, c, engagementID)
		if err != nil {
			return wire.Message{}, false, err
		}
		e = &found
	}
	release, err := s.lockEngagement(ctx, engagementID)
	if err != nil {
		return wire.Message{}, false, err
	}
	defer release()

	message := wire.Message{
		EngagementID:          engagementID,
		DialogID:              e.DialogID,
		Body:                  m.Body,
		SenderParticipantID:   m.Sender.ParticipantID,
		SenderParticipantName: m.Sender.DisplayName,
		SenderParticipantType: m.Sender.ParticipantType,
		SessionID:             m.SessionID,
		CorrelationID:         m.CorrelationID,
		ParentMessageID:       m.ParentMessageID,
		ReceivedAt:            now(),
	}
	message.LastUpdatedAt = message.ReceivedAt
	if m.CorrelationID == "" {
		m.CorrelationID = random()
	}
	message.MessageID = messageID(c, engagementID, m.Sender.ParticipantID, m.CorrelationID)

	write := random()
	var first *entry
	err = s.redoAtPlace(ctx, c, engagementID, func(p place) error {
		if p.closed || e.Ended() {
			if first, err = s.find(ctx, c, engagementID, message.MessageID); errors.Is(err, ErrNotFound) {
				return ErrEnded
			}
			return err
		}
		message.MessageIndex = p.newest + 1
		event := wire.Event{Type: wire.EventMessages, Date: message.ReceivedAt, Message: &message}
		// The message id serves as the server's key: it is made of all that the
		// correlationId is scoped to.
		sequence, duplicate, err := s.publish(ctx, c, messageSubject(c, engagementID, message.MessageIndex), event.Append(nil), 0, message.MessageID,
			nats.Header{headerWrite: {write}, headerIntegration: {e.IntegrationID}})
		if err != nil {
			// Taken: by another message, or by this one when it is a repeat. A single
			// server looks at the subject before the key, a cluster at the key first.
			// So it goes on with the next index, where a repeat is found by its key.
			return err
		}
		if !duplicate {
			stored, created = message, true
			s.cfg.Metrics.Message(string(m.Sender.ParticipantType))
			stored.EventID = position(sequence, 0)
			s.newest.put(engagementMessages(c, engagementID), place{newest: message.MessageIndex})
			return nil
		}
		first, err = s.at(ctx, sequence)
		return err
	})
	if errors.Is(err, ErrEnded) {
		if finishErr := s.finish(ctx, c, engagementID); finishErr != nil {
			err = finishErr
		}
	}
	if err == nil && first != nil {
		stored, err = first.message(c)
		// The key may be known because this very call stored it, unacknowledged.
		created = first.header.Get(headerWrite) == write
	}
	if errors.Is(err, ErrNotFound) {
		err = errors.New("store: a message is gone whose key is still known")
	}
	return stored, created, err
}

// Page reads history. What it costs does not depend on how far back the page is.
func (s *Store) Page(ctx context.Context, c Customer, engagementID string, q Query) (wire.MessagePage, error) {
	if q.Size < 1 || q.Size > wire.MaxPageSize || q.Before < 0 || q.After < 0 || q.Before > 0 && q.After > 0 {
		return wire.MessagePage{}, errors.New("store: a page has 1–50 messages, before or after an index")
	}
	newest, err := s.NewestIndex(ctx, c, engagementID)
	if err != nil {
		return wire.MessagePage{}, err
	}
	page := wire.MessagePage{NewestIndex: newest}
	size := int64(q.Size)
	var low, high int64
	if q.After > 0 {
		low, high = min(q.After, newest)+1, min(q.After, newest)+size
	} else {
		high = newest
		if q.Before > 0 {
			high = min(high, q.Before-1)
		}
		low = high - size + 1
	}
	low, high = max(low, 1), min(high, newest)
	// One more at the low end tells whether there is anything older: the oldest
	// messages go when they reach their maximum age.
	release, err := s.lockPages(ctx, c)
	if err != nil {
		return wire.MessagePage{}, err
	}
	list, err := s.messages(ctx, c, engagementID, max(low-1, 1), high)
	release()
	if err != nil {
		return wire.MessagePage{}, err
	}
	if len(list) == 0 && q.After > 0 && high >= low {
		if list, err = s.oldest(ctx, c, engagementID, size); err != nil {
			return wire.MessagePage{}, err
		}
	}
	if len(list) > 0 && list[0].MessageIndex < low {
		page.HasOlder = true
		list = list[1:]
	}
	page.Messages = list
	page.HasNewer = high < newest
	if n := len(list); n > 0 {
		page.HasNewer = list[n-1].MessageIndex < newest
	}
	return page, nil
}

// oldest reads the first messages that are still kept.
func (s *Store) oldest(ctx context.Context, c Customer, engagementID string, size int64) ([]wire.Message, error) {
	e, err := s.next(ctx, engagementMessages(c, engagementID), 1)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	low := indexOf(e.subject)
	return s.messages(ctx, c, engagementID, low, low+size-1)
}

// messages reads those with index low to high, at most wire.MaxPageSize+1, in order.
func (s *Store) messages(ctx context.Context, c Customer, engagementID string, low, high int64) ([]wire.Message, error) {
	if low > high || c.check() != nil || !wire.IsUUID(engagementID) {
		return nil, nil
	}
	prefix := strings.TrimSuffix(engagementMessages(c, engagementID), "*")
	subjects := make([]string, 0, high-low+1)
	for i := low; i <= high; i++ {
		subjects = append(subjects, prefix+strconv.FormatInt(i, 10))
	}
	started := time.Now()
	for try := 0; ; try++ {
		entries, err := s.lastOf(ctx, subjects...)
		if err != nil {
			return nil, err
		}
		// Any replica may answer, and the newest messages may not have reached it.
		if len(entries) < len(subjects) && s.replicated && time.Since(started) < time.Second {
			if err := s.pause(ctx, try); err != nil {
				return nil, err
			}
			continue
		}
		list := make([]wire.Message, 0, len(entries))
		for i := range entries {
			m, err := entries[i].message(c)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
		slices.SortFunc(list, func(a, b wire.Message) int { return int(a.MessageIndex - b.MessageIndex) })
		return list, nil
	}
}

// message reads what Append stored.
func (e *entry) message(c Customer) (wire.Message, error) {
	if !e.is(c) || e.isEnd() {
		return wire.Message{}, ErrNotFound
	}
	if _, err := e.version(); err != nil {
		return wire.Message{}, err
	}
	event, err := wire.DecodeEvent(e.data)
	if err == nil && event.Message == nil {
		err = wire.ErrMalformed
	}
	if err != nil {
		return wire.Message{}, fmt.Errorf("store: the message %d cannot be read: %w", e.sequence, err)
	}
	m := *event.Message
	if e.subject != messageSubject(c, m.EngagementID, m.MessageIndex) {
		return wire.Message{}, fmt.Errorf("store: the message %d is not the one that its subject names", e.sequence)
	}
	m.EventID = position(e.sequence, 0)
	return m, nil
}

func messageID(c Customer, engagementID, participantID, correlationID string) string {
	return derive("message", c.Account, c.ID, engagementID, participantID, correlationID)
}

func engagementMessages(c Customer, engagementID string) string {
	return customerSubject(c) + ".m." + engagementID + ".*"
}

// indexOf reads the messageIndex, a message's subject's last token.
func indexOf(subject string) int64 {
	n, _ := strconv.ParseInt(subject[strings.LastIndexByte(subject, '.')+1:], 10, 64)
	return n
}

// newestCache remembers how far the messages of the engagements written to last go, by
// their messages' subject, which no other customer shares. It may
// lag behind the truth and is never ahead of it.
type newestCache struct {
	mu    sync.Mutex
	byID  map[string]*list.Element
	order list.List // of newestEntry, the one used last in front
}

type newestEntry struct {
	id string
	place
}

const newestEntries = 16384

func newNewestCache() *newestCache { return &newestCache{byID: map[string]*list.Element{}} }

func (n *newestCache) get(id string) (place, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, ok := n.byID[id]
	if !ok {
		return place{}, false
	}
	n.order.MoveToFront(e)
	return e.Value.(*newestEntry).place, true
}

func (n *newestCache) put(id string, p place) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e, ok := n.byID[id]; ok {
		entry := e.Value.(*newestEntry)
		entry.newest = max(entry.newest, p.newest)
		entry.closed = entry.closed || p.closed
		n.order.MoveToFront(e)
		return
	}
	n.byID[id] = n.order.PushFront(&newestEntry{id, p})
	if n.order.Len() > newestEntries {
		oldest := n.order.Back()
		delete(n.byID, oldest.Value.(*newestEntry).id)
		n.order.Remove(oldest)
	}
}
