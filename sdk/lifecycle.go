package sdk

// How a session begins and ends. Init goes from begin over createSession, sessionKnown,
// streamReady (perform.go) and listInInit to initialized, or to initFailed. The end is
// shutdown, or endedByServer, and finish; crashed after a bug.

import "openchat/sdk/wire"

// begin is the first step of init: find or make the session.
func (s *session) begin() {
	id := s.load()
	if id == "" {
		s.createSession()
		return
	}
	s.request(&call{
		name: "resume session", method: "GET", path: wire.SessionsPath + "/" + id, until: s.initEnd, initial: true,
		then: func(a answer) {
			if a.err == nil && a.status == 200 {
				info, err := wire.DecodeSession(a.body)
				if err == nil && info.SessionID == id {
					s.resumed = true
					s.sessionKnown(info)
					return
				}
				a.err = failBecause(CodeUnexpectedAnswer, "resuming the session", err)
			}
			// Gone, or another user's: a new one, silently (SES-2).
			if a.status == 404 || a.status == 400 {
				s.createSession()
				return
			}
			s.initFailed(a.err)
		},
	})
}

// createSession makes a new session, with init's arguments.
func (s *session) createSession() {
	body := wire.CreateSession{
		IntegrationID:     s.params.IntegrationID,
		DisplayName:       s.params.DisplayName,
		SessionParameters: s.params.SessionParameters,
		CorrelationID:     s.c.newUUID(),
	}
	s.resumed = false
	s.request(&call{
		name: "create session at " + s.host, method: "POST", path: wire.SessionsPath, body: body.Append(nil), until: s.initEnd, initial: true,
		then: func(a answer) {
			if a.err != nil {
				s.initFailed(a.err)
				return
			}
			info, err := wire.DecodeSession(a.body)
			if err != nil || !wire.IsUUID(info.SessionID) {
				s.initFailed(failBecause(CodeUnexpectedAnswer, "create session at "+s.host, err))
				return
			}
			s.save(info.SessionID)
			s.sessionKnown(info)
		},
	})
}

// sessionKnown connects, now that the session has an id.
func (s *session) sessionKnown(info wire.Session) {
	s.id, s.info = info.SessionID, info
	s.chats.session, s.chats.customer = info.SessionID, info.DisplayName
	now := s.clock.now()
	s.stream.connect(now)
	s.runStream(now)
}

// listInInit reads the chats, once the stream stands: they are as new as its position or
// newer.
func (s *session) listInInit() {
	s.stream.hold()
	epoch := s.stream.epoch
	c := s.chats.listCall(func(list []wire.Engagement, err *Error) {
		if epoch != s.stream.epoch {
			return // the stream broke meanwhile; its successor asks again
		}
		s.stream.release(0, s.clock.now())
		switch {
		case err == nil:
			s.initialized(list)
		case err.Code == CodeNoSession:
			s.sessionGoneInInit()
		default:
			s.initFailed(err)
		}
	})
	c.until, c.initial = s.initEnd, true
	s.request(c)
}

// sessionGoneInInit is the answer to a session that is gone before init is over.
func (s *session) sessionGoneInInit() {
	if !s.resumed {
		s.initFailed(fail(CodeInitFailed, "the server ended the new session"))
		return
	}
	// Gone since it was looked up, or a duplicated tab has it: one of our own (SES-2,
	// SES-4).
	s.stopStream()
	s.createSession()
}

// initialized ends init: what the page knows from here on is list, and the events after it.
func (s *session) initialized(list []wire.Engagement) {
	user := UserContext{
		DisplayName:       s.info.DisplayName,
		SessionParameters: s.info.SessionParameters,
		Engagements:       s.chats.begin(list, s.stream.lastID),
	}
	s.phase = ready
	s.stream.initial = false
	now := s.clock.now()
	s.idle.reset(s.clock.steady(now))
	if s.log.debugs() {
		s.log.debug("initialized, the token expires in ", seconds(s.tokens.current.claims.Expiry.Sub(s.clock.server(now))), ", the idle timeout is ", seconds(s.idle.timeout))
	}
	done := s.initDone
	s.emit(&Event{Type: EventInitialized, User: &user})
	s.enqueue(func() { done(user, nil) })
}

// initFailed leaves the client as it was before init (INIT-9). The session at the
// gateway, if there is one already, stays stored for the next init.
func (s *session) initFailed(err *Error) {
	if s.phase != initializing {
		return
	}
	s.stop(closed, nil)
	done := s.initDone
	s.enqueue(func() {
		s.c.current.CompareAndSwap(s, nil)
		done(UserContext{}, err)
	})
}

// shutdown ends the session there and here, and calls done last (SHUT-1).
func (s *session) shutdown(reason wire.Reason, done func()) {
	s.stop(closing, fail(CodeNotInitialized, "the session was shut down"))
	s.request(&call{
		name: "end session", method: "DELETE", path: wire.SessionsPath + "/" + s.id + "?" + wire.FieldReason + "=" + string(reason),
		until: s.clock.now() + shutdownTimeout,
		then: func(a answer) {
			if a.err != nil {
				s.log.log(LogInfo, "the gateway did not receive the shutdown: "+a.err.Message)
			}
			s.forget()
			s.emit(&Event{Type: EventStreamClosed})
			s.finish(reason, done)
		},
	})
}

// endedByServer is the answer to a session that is gone (SHUT-3).
func (s *session) endedByServer(reason wire.Reason) {
	if s.phase != ready {
		return
	}
	s.stop(closing, fail(CodeNoSession, "the session was ended by the server"))
	s.forget()
	s.emit(&Event{Type: EventStreamFailed, Reason: string(FailureSessionInvalid), Text: "The session was ended by the server"})
	s.finish(reason, func() {})
}

// stop ends the stream, and every call with err; with nil, calls are dropped without an
// outcome.
func (s *session) stop(p phase, err *Error) {
	s.stopStream()
	s.phase, s.chats.over = p, true
	s.stopCalls(err)
}

// finish raises SHUTDOWN and frees the client.
func (s *session) finish(reason wire.Reason, done func()) {
	s.phase = closed
	e := &Event{Type: EventShutdown, Date: s.clock.server(s.clock.now())}
	if reason == wire.ReasonUserClosed || reason == wire.ReasonUserInactive {
		e.Reason = string(reason)
	}
	// A page starts anew from its SHUTDOWN handler (EV-14): the client must be free by
	// then, and not before, or the two lives' events would mix.
	s.enqueue(func() { s.c.current.CompareAndSwap(s, nil) })
	s.emit(e)
	s.enqueue(done)
}

// crashed turns a bug in this package into an end that the page receives, instead
// of a page that is silently dead.
func (s *session) crashed() {
	cause := recover()
	if cause == nil {
		return
	}
	s.log.log(LogError, "internal error, the session ends: "+describe(cause))
	s.c.current.CompareAndSwap(s, nil)
	begun := s.phase != initializing
	s.stop(closed, fail(CodeInitFailed, "internal error"))
	if !begun {
		done := s.initDone
		s.enqueue(func() { done(UserContext{}, fail(CodeInitFailed, "internal error")) })
	}
	s.emit(&Event{Type: EventStreamFailed, Reason: string(FailureUnexpected), Text: "Internal error"})
	s.emit(&Event{Type: EventShutdown})
	s.dispatch <- s.outbox.items
	for ; s.workers > 0; s.workers-- {
		<-s.results
	}
}

func describe(cause any) string {
	switch v := cause.(type) {
	case error:
		return v.Error()
	case string:
		return v
	}
	return "panic"
}

// load, save and forget keep the session id over a reload (SES-1, SES-3).
func (s *session) load() string {
	if s.c.o.Storage == nil {
		return ""
	}
	id, err := s.c.o.Storage.Load(StorageKey)
	if err != nil {
		s.log.warn(CodeStorageRead, err.Error())
	}
	if !wire.IsUUID(id) {
		return "" // whatever it is, it goes into no URL
	}
	return id
}

func (s *session) save(id string) {
	if s.c.o.Storage == nil {
		return
	}
	if err := s.c.o.Storage.Save(StorageKey, id); err != nil {
		s.log.warn(CodeStorageWrite, err.Error())
	}
}

func (s *session) forget() {
	if s.c.o.Storage == nil {
		return
	}
	if err := s.c.o.Storage.Remove(StorageKey); err != nil {
		s.log.warn(CodeStorageWrite, err.Error())
	}
}
