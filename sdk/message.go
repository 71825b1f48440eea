package sdk

import (
	"time"

	"openchat/sdk/wire"
)

// send is one sendMessage. Those of one engagement go out one after the other, so
// that they are stored in the order of the calls (MSG-3).
type send struct {
	key  string // correlationId
	body []byte
	call *call // nil while it queues
	// until: an outage delays a message rather than losing it, as long as the stream
	// would be reconnected.
	until time.Time
	done  func(Message, error)
}

// maxSends bounds the messages that wait in one engagement.
const maxSends = 500

func (s *session) send(id, text, parent string, done func(Message, error)) *Error {
	if n := wire.UTF16Len(text); n == 0 || n > wire.MaxText {
		return fail(CodeConstraintViolation, "a message must have 1 to 4096 characters")
	}
	if parent != "" && !wire.IsUUID(parent) {
		return fail(CodeConstraintViolation, "parentMessageId must be a UUID")
	}
	e, err := s.known(id)
	if err != nil {
		return err
	}
	if e.status != wire.EngagementActive {
		return fail(CodeNotActive, "")
	}
	if len(e.sends) >= maxSends {
		return fail(CodeConstraintViolation, "500 messages are waiting to be sent already")
	}
	key := s.c.newUUID()
	body := wire.SendMessage{
		SessionID:       s.id,
		DialogID:        e.dialogID,
		Body:            wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain},
		ParentMessageID: parent,
		CorrelationID:   key,
	}
	m := &send{key: key, body: body.Append(nil), until: time.Now().Add(s.config.ReconnectionTimeout), done: done}
	e.sends = append(e.sends, m)
	if len(e.sends) == 1 {
		s.post(e, m)
	}
	return nil
}

// post sends the head of the queue.
func (s *session) post(e *engagement, m *send) {
	m.call = &call{
		name: "send message", method: "POST", path: "/engagements/" + e.id + "/messages", body: m.body, until: m.until, failure: CodeUpdateFailed,
		then: func(a answer) {
			if a.err == nil {
				w, err := wire.DecodeMessage(a.body)
				if err == nil && w.MessageIndex > 0 {
					s.sent(e, m, &w)
					return
				}
				a.err = failBecause(CodeUnexpectedAnswer, "sending a message", err)
			}
			s.notSent(e, m, a.err)
		},
	}
	s.request(m.call)
}

// sent settles a send, whether its answer or its event came first.
func (s *session) sent(e *engagement, m *send, w *wire.Message) {
	if len(e.sends) == 0 || e.sends[0] != m {
		return // its event was here before
	}
	e.ownID = max(e.ownID, w.EventID)
	message := s.message(w)
	s.enqueue(func() { m.done(message, nil) })
	s.nextSend(e)
}

func (s *session) notSent(e *engagement, m *send, err *Error) {
	if len(e.sends) == 0 || e.sends[0] != m {
		return
	}
	s.enqueue(func() { m.done(Message{}, err) })
	s.nextSend(e)
}

func (s *session) nextSend(e *engagement) {
	e.sends[0] = nil
	e.sends = e.sends[1:]
	if s.phase != ready {
		s.stopSends(e)
		return
	}
	if len(e.sends) > 0 {
		s.post(e, e.sends[0])
	}
}

// stopSends refuses what still waits in an engagement that is over, or in a session
// that is.
func (s *session) stopSends(e *engagement) {
	list := e.sends
	e.sends = nil
	err := fail(CodeNotActive, "the chat has ended")
	if s.phase != ready {
		err = fail(CodeNotInitialized, "the session has ended")
	}
	for _, m := range list {
		// One that is under way may still succeed, and then must not be called lost.
		if m.call != nil && !m.call.done {
			e.sends = append(e.sends, m)
			continue
		}
		s.enqueue(func() { m.done(Message{}, err) })
	}
}

// messageEvent takes a message of the stream.
func (s *session) messageEvent(w *wire.Message) {
	e := s.engagements[w.EngagementID]
	if e == nil {
		return
	}
	w.EventID = s.stream.lastID
	own := w.SenderParticipantType == wire.ParticipantCustomer
	if own && len(e.sends) > 0 && e.sends[0].key == w.CorrelationID {
		// The event proves that the message is stored: no need to await the answer, and
		// the promise must settle before MESSAGE_DELIVERED (MSG-5).
		m := e.sends[0]
		s.rest.stopRetrying(m.call, time.Now())
		s.sent(e, m, w)
	}
	if e.member && !e.left {
		s.raiseMessage(w)
	}
}

func (s *session) raiseMessage(w *wire.Message) {
	m := s.message(w)
	t := EventMessageArrived
	if w.SenderParticipantType == wire.ParticipantCustomer {
		t = EventMessageDelivered
	}
	s.emit(Event{Type: t, Date: w.ReceivedAt, EngagementID: w.EngagementID, DialogID: w.DialogID, Message: &m})
}

// message gives a stored message the page's shape (MSG-2).
func (s *session) message(w *wire.Message) Message {
	body := w.Body
	if body.ElementType == "" {
		body.ElementType = wire.ElementText
	}
	if !body.TextFormat.Valid() {
		body.TextFormat = wire.TextPlain
	}
	return Message{
		MessageID:    w.MessageID,
		EngagementID: w.EngagementID,
		DialogID:     w.DialogID,
		MessageIndex: w.MessageIndex,
		Body:         body,
		SenderParticipant: s.named(Participant{
			ParticipantID:   w.SenderParticipantID,
			ParticipantType: w.SenderParticipantType,
			DisplayName:     w.SenderParticipantName,
		}),
		ReceivedAt:      w.ReceivedAt,
		LastUpdatedAt:   w.LastUpdatedAt,
		ParentMessageID: w.ParentMessageID,
	}
}
