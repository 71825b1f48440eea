package sdk

import (
	"openchat/sdk/wire"
)

// send is one sendMessage. Those of one engagement go out one after the other, so
// that they are stored in the order of the calls (MSG-3).
type send struct {
	key  string // correlationId
	body []byte
	call *call // nil while it queues, then under way
	// until: an outage delays a message rather than losing it, as long as the stream
	// would be reconnected.
	until instant
	done  func(Message, error)
}

// maxSends bounds the messages that wait in one engagement.
const maxSends = 500

func (c *chats) send(id, text, parent string, now instant, done func(Message, error)) *Error {
	if n := wire.UTF16Len(text); n == 0 || n > wire.MaxText {
		return fail(CodeConstraintViolation, "a message must have 1 to 4096 characters")
	}
	if parent != "" && !wire.IsUUID(parent) {
		return fail(CodeConstraintViolation, "parentMessageId must be a UUID")
	}
	e, err := c.known(id)
	if err != nil {
		return err
	}
	if e.status != wire.EngagementActive {
		return fail(CodeNotActive, "")
	}
	if len(e.sends) >= maxSends {
		return fail(CodeConstraintViolation, "500 messages are waiting to be sent already")
	}
	key := c.newID()
	body := wire.SendMessage{
		SessionID:       c.session,
		DialogID:        e.dialogID,
		Body:            wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain},
		ParentMessageID: parent,
		CorrelationID:   key,
	}
	m := &send{key: key, body: body.Append(nil), until: now + c.sendTimeout, done: done}
	e.sends = append(e.sends, m)
	if len(e.sends) == 1 {
		c.post(e, m)
	}
	return nil
}

// post sends the head of the queue.
func (c *chats) post(e *engagement, m *send) {
	m.call = &call{
		name: "send message", method: "POST", path: wire.EngagementsPath + "/" + e.id + wire.MessagesPath, body: m.body, until: m.until, failure: CodeUpdateFailed,
		then: func(a answer) {
			w, bad := wire.DecodeMessage(a.body)
			err := a.check("sending a message", bad, w.MessageIndex > 0)
			switch {
			case !e.sending(m): // its event was here before
			case err != nil:
				c.settle(func() { m.done(Message{}, err) })
				c.nextSend(e)
			default:
				c.sent(e, m, &w)
			}
		},
	}
	c.add(chatRequest).call = m.call
}

// sending reports whether m is at the head of the queue.
func (e *engagement) sending(m *send) bool { return len(e.sends) > 0 && e.sends[0] == m }

// sendOf returns the send at the head of the queue if w is its message, else nil.
func (e *engagement) sendOf(w *wire.Message) *send {
	if len(e.sends) > 0 && e.sends[0].key == w.CorrelationID {
		return e.sends[0]
	}
	return nil
}

// sent settles the send at the head of the queue, whether its answer or its event came
// first.
func (c *chats) sent(e *engagement, m *send, w *wire.Message) {
	e.ownID = max(e.ownID, w.EventID)
	message := c.message(w)
	c.settle(func() { m.done(message, nil) })
	c.nextSend(e)
}

func (c *chats) nextSend(e *engagement) {
	e.sends[0] = nil
	e.sends = e.sends[1:]
	if c.over {
		c.stopSends(e)
		return
	}
	if len(e.sends) > 0 {
		c.post(e, e.sends[0])
	}
}

// stopSends refuses what still waits in an engagement that is over, or in a session
// that is.
func (c *chats) stopSends(e *engagement) {
	list := e.sends
	e.sends = nil
	err := fail(CodeNotActive, "the chat has ended")
	if c.over {
		err = fail(CodeNotInitialized, "the session has ended")
	}
	for _, m := range list {
		// One that is under way may still succeed, and then must not be called lost.
		if m.call != nil {
			e.sends = append(e.sends, m)
			continue
		}
		c.settle(func() { m.done(Message{}, err) })
	}
}

// messageEvent takes a message of the stream.
func (c *chats) messageEvent(w *wire.Message) {
	e := c.engagements[w.EngagementID]
	if e == nil {
		return
	}
	w.EventID = c.position
	if w.SenderParticipantType == wire.ParticipantCustomer {
		if m := e.sendOf(w); m != nil {
			// The event proves that the message is stored: no need to await the answer, and
			// the promise must settle before MESSAGE_DELIVERED (MSG-5).
			c.add(chatStopRetrying).call = m.call
			c.sent(e, m, w)
		}
	}
	if e.member == memberInside {
		c.raiseMessage(e, w)
	}
}

func (c *chats) raiseMessage(e *engagement, w *wire.Message) {
	// What a re-reading has left out does not come as events (STREAM-7).
	if e.raisedFrom == 0 || w.MessageIndex > e.raisedTo+1 {
		e.raisedFrom = w.MessageIndex
	}
	e.raisedTo = w.MessageIndex
	m := c.message(w)
	t := EventMessageArrived
	if w.SenderParticipantType == wire.ParticipantCustomer {
		t = EventMessageDelivered
	}
	c.emit(&Event{Type: t, Date: w.ReceivedAt, EngagementID: w.EngagementID, DialogID: w.DialogID, Message: &m})
}

// message gives a stored message the page's shape (MSG-2).
func (c *chats) message(w *wire.Message) Message {
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
		SenderParticipant: c.named(Participant{
			ParticipantID:   w.SenderParticipantID,
			ParticipantType: w.SenderParticipantType,
			DisplayName:     w.SenderParticipantName,
		}),
		ReceivedAt:      w.ReceivedAt,
		LastUpdatedAt:   w.LastUpdatedAt,
		ParentMessageID: w.ParentMessageID,
	}
}
