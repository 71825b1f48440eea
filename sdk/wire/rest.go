package wire

// Append adds the JSON of s to dst.
func (s *Session) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("sessionId", s.SessionID)
	w.optStr("participantId", s.ParticipantID)
	w.optStr("displayName", s.DisplayName)
	w.strings("sessionParameters", s.SessionParameters)
	w.str("sessionStatus", string(s.SessionStatus))
	w.time("createdAt", s.CreatedAt)
	w.time("lastUpdatedAt", s.LastUpdatedAt)
	w.close()
	return w.b
}

// DecodeSession reads a Session.
func DecodeSession(text []byte) (s Session, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "sessionId":
			s.SessionID = r.str()
		case "participantId":
			s.ParticipantID = r.str()
		case "displayName":
			s.DisplayName = r.str()
		case "sessionParameters":
			s.SessionParameters = r.strings()
		case "sessionStatus":
			s.SessionStatus = SessionStatus(r.str())
		case "createdAt":
			s.CreatedAt = r.time()
		case "lastUpdatedAt":
			s.LastUpdatedAt = r.time()
		default:
			r.skip()
		}
	})
	return s, r.end()
}

func (p *Participant) append(w *encoder) {
	w.open()
	w.str("participantId", p.ParticipantID)
	w.str("participantType", string(p.ParticipantType))
	w.optStr("displayName", p.DisplayName)
	w.close()
}

func (r *decoder) participant() (p Participant) {
	r.object(func(name string) {
		if !r.participantField(&p, name) {
			r.skip()
		}
	})
	return p
}

// participantField reads a member that a Participant shares with the events about
// it, where the members stand at top level.
func (r *decoder) participantField(p *Participant, name string) bool {
	switch name {
	case "participantId":
		p.ParticipantID = r.str()
	case "participantType":
		p.ParticipantType = ParticipantType(r.str())
	case "displayName":
		p.DisplayName = r.str()
	default:
		return false
	}
	return true
}

// Append adds the JSON of e to dst.
func (e *Engagement) Append(dst []byte) []byte {
	w := &encoder{dst}
	e.append(w)
	return w.b
}

func (e *Engagement) append(w *encoder) {
	w.open()
	w.str("engagementId", e.EngagementID)
	w.str("dialogId", e.DialogID)
	w.str("engagementStatus", string(e.EngagementStatus))
	appendArray(w, "participants", e.Participants, func(p *Participant) { p.append(w) })
	w.time("createdAt", e.CreatedAt)
	w.time("lastUpdatedAt", e.LastUpdatedAt)
	w.integer("newestIndex", e.NewestIndex)
	w.eventID("eventId", e.EventID)
	w.close()
}

func (r *decoder) engagement() (e Engagement) {
	r.object(func(name string) {
		switch name {
		case "engagementId":
			e.EngagementID = r.str()
		case "dialogId":
			e.DialogID = r.str()
		case "engagementStatus":
			e.EngagementStatus = EngagementStatus(r.str())
		case "participants":
			r.array(func() { e.Participants = append(e.Participants, r.participant()) })
		case "createdAt":
			e.CreatedAt = r.time()
		case "lastUpdatedAt":
			e.LastUpdatedAt = r.time()
		case "newestIndex":
			e.NewestIndex = r.integer()
		case "eventId":
			e.EventID = r.eventID()
		default:
			r.skip()
		}
	})
	return e
}

// DecodeEngagement reads an Engagement.
func DecodeEngagement(text []byte) (Engagement, error) {
	r := newDecoder(text)
	e := r.engagement()
	return e, r.end()
}

// AppendEngagements adds the JSON array of list to dst.
func AppendEngagements(dst []byte, list []Engagement) []byte {
	w := &encoder{append(dst, '[')}
	for i := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		list[i].append(w)
	}
	return append(w.b, ']')
}

// DecodeEngagements reads the answer to GET /engagements.
func DecodeEngagements(text []byte) (list []Engagement, err error) {
	r := newDecoder(text)
	r.array(func() { list = append(list, r.engagement()) })
	return list, r.end()
}

func (b *Body) append(w *encoder) {
	w.open()
	w.str("elementType", b.ElementType)
	w.name("elementText")
	w.open()
	w.str("text", b.Text)
	w.str("textFormat", string(b.TextFormat))
	w.close()
	w.close()
}

func (r *decoder) body() (b Body) {
	r.object(func(name string) {
		switch name {
		case "elementType":
			b.ElementType = r.str()
		case "elementText":
			r.object(func(name string) {
				switch name {
				case "text":
					b.Text = r.str()
				case "textFormat":
					b.TextFormat = TextFormat(r.str())
				default:
					r.skip()
				}
			})
		default:
			r.skip()
		}
	})
	return b
}

// Append adds the JSON of m to dst.
func (m *Message) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	m.appendFields(w)
	w.close()
	return w.b
}

// appendFields adds the members that a stored message and a MESSAGES event share.
func (m *Message) appendFields(w *encoder) {
	w.str("messageId", m.MessageID)
	w.str("engagementId", m.EngagementID)
	w.str("dialogId", m.DialogID)
	w.integer("messageIndex", m.MessageIndex)
	w.name("body")
	m.Body.append(w)
	w.str("senderParticipantId", m.SenderParticipantID)
	w.optStr("senderParticipantName", m.SenderParticipantName)
	w.str("senderParticipantType", string(m.SenderParticipantType))
	w.optStr("sessionId", m.SessionID)
	w.optStr("correlationId", m.CorrelationID)
	w.optStr("parentMessageId", m.ParentMessageID)
	w.time("receivedAt", m.ReceivedAt)
	w.time("lastUpdatedAt", m.LastUpdatedAt)
	w.eventID("eventId", m.EventID)
}

func (r *decoder) messageField(m *Message, name string) bool {
	switch name {
	case "messageId":
		m.MessageID = r.str()
	case "engagementId":
		m.EngagementID = r.str()
	case "dialogId":
		m.DialogID = r.str()
	case "messageIndex":
		m.MessageIndex = r.integer()
	case "body":
		m.Body = r.body()
	case "senderParticipantId":
		m.SenderParticipantID = r.str()
	case "senderParticipantName":
		m.SenderParticipantName = r.str()
	case "senderParticipantType":
		m.SenderParticipantType = ParticipantType(r.str())
	case "sessionId":
		m.SessionID = r.str()
	case "correlationId":
		m.CorrelationID = r.str()
	case "parentMessageId":
		m.ParentMessageID = r.str()
	case "receivedAt":
		m.ReceivedAt = r.time()
	case "lastUpdatedAt":
		m.LastUpdatedAt = r.time()
	case "eventId":
		m.EventID = r.eventID()
	default:
		return false
	}
	return true
}

func (r *decoder) message() (m Message) {
	r.object(func(name string) {
		if !r.messageField(&m, name) {
			r.skip()
		}
	})
	return m
}

// DecodeMessage reads a Message.
func DecodeMessage(text []byte) (Message, error) {
	r := newDecoder(text)
	m := r.message()
	return m, r.end()
}

// Append adds the JSON of p to dst.
func (p *MessagePage) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	appendArray(w, "messages", p.Messages, func(m *Message) { w.b = m.Append(w.b) })
	w.integer("newestIndex", p.NewestIndex)
	w.boolean("hasOlder", p.HasOlder)
	w.boolean("hasNewer", p.HasNewer)
	w.close()
	return w.b
}

// DecodeMessagePage reads a MessagePage.
func DecodeMessagePage(text []byte) (p MessagePage, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "messages":
			r.array(func() { p.Messages = append(p.Messages, r.message()) })
		case "newestIndex":
			p.NewestIndex = r.integer()
		case "hasOlder":
			p.HasOlder = r.boolean()
		case "hasNewer":
			p.HasNewer = r.boolean()
		default:
			r.skip()
		}
	})
	return p, r.end()
}

// Append adds the JSON of c to dst.
func (c *CreateSession) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("integrationId", c.IntegrationID)
	w.optStr("displayName", c.DisplayName)
	w.strings("sessionParameters", c.SessionParameters)
	w.optStr("correlationId", c.CorrelationID)
	w.close()
	return w.b
}

// DecodeCreateSession reads a CreateSession.
func DecodeCreateSession(text []byte) (c CreateSession, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "integrationId":
			c.IntegrationID = r.str()
		case "displayName":
			c.DisplayName = r.str()
		case "sessionParameters":
			c.SessionParameters = r.strings()
		case "correlationId":
			c.CorrelationID = r.str()
		default:
			r.skip()
		}
	})
	return c, r.end()
}

// Append adds the JSON of c to dst.
func (c *CreateEngagement) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("sessionId", c.SessionID)
	w.strings("engagementParameters", c.EngagementParameters)
	w.optStr("correlationId", c.CorrelationID)
	w.close()
	return w.b
}

// DecodeCreateEngagement reads a CreateEngagement.
func DecodeCreateEngagement(text []byte) (c CreateEngagement, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "sessionId":
			c.SessionID = r.str()
		case "engagementParameters":
			c.EngagementParameters = r.strings()
		case "correlationId":
			c.CorrelationID = r.str()
		default:
			r.skip()
		}
	})
	return c, r.end()
}

// Append adds the JSON of c to dst.
func (c *EngagementCall) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("sessionId", c.SessionID)
	w.str("dialogId", c.DialogID)
	w.optStr("reason", string(c.Reason))
	w.optStr("correlationId", c.CorrelationID)
	w.close()
	return w.b
}

// DecodeEngagementCall reads an EngagementCall.
func DecodeEngagementCall(text []byte) (c EngagementCall, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "sessionId":
			c.SessionID = r.str()
		case "dialogId":
			c.DialogID = r.str()
		case "reason":
			c.Reason = Reason(r.str())
		case "correlationId":
			c.CorrelationID = r.str()
		default:
			r.skip()
		}
	})
	return c, r.end()
}

// Append adds the JSON of c to dst.
func (c *SendMessage) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("sessionId", c.SessionID)
	w.str("dialogId", c.DialogID)
	w.name("body")
	c.Body.append(w)
	w.optStr("parentMessageId", c.ParentMessageID)
	w.optStr("correlationId", c.CorrelationID)
	w.close()
	return w.b
}

// DecodeSendMessage reads a SendMessage.
func DecodeSendMessage(text []byte) (c SendMessage, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "sessionId":
			c.SessionID = r.str()
		case "dialogId":
			c.DialogID = r.str()
		case "body":
			c.Body = r.body()
		case "parentMessageId":
			c.ParentMessageID = r.str()
		case "correlationId":
			c.CorrelationID = r.str()
		default:
			r.skip()
		}
	})
	return c, r.end()
}

// Append adds the JSON of p to dst.
func (p *Problem) Append(dst []byte) []byte {
	w := &encoder{dst}
	w.open()
	w.str("type", p.Type)
	w.str("title", p.Title)
	w.integer("status", int64(p.Status))
	w.optStr("detail", p.Detail)
	if len(p.Violations) > 0 {
		appendArray(w, "violations", p.Violations, func(v *Violation) {
			w.open()
			w.str("field", v.Field)
			w.str("message", v.Message)
			w.integer("code", int64(v.Code))
			w.close()
		})
	}
	w.close()
	return w.b
}

// DecodeProblem reads a Problem.
func DecodeProblem(text []byte) (p Problem, err error) {
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "type":
			p.Type = r.str()
		case "title":
			p.Title = r.str()
		case "status":
			p.Status = int(r.lenientInteger())
		case "detail":
			p.Detail = r.str()
		case "violations":
			r.array(func() {
				var v Violation
				r.object(func(name string) {
					switch name {
					case "field":
						v.Field = r.str()
					case "message":
						v.Message = r.str()
					case "code":
						v.Code = int(r.lenientInteger())
					default:
						r.skip()
					}
				})
				p.Violations = append(p.Violations, v)
			})
		default:
			r.skip()
		}
	})
	return p, r.end()
}
