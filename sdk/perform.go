package sdk

import (
	"context"
	"time"

	"openchat/sdk/wire"
)

// This file does what the parts of a session want done.

// runStream does what the stream wants done.
func (s *session) runStream(now instant) {
	out := s.stream.take()
	epoch := s.stream.epoch
	for i := range out {
		o := &out[i]
		switch o.kind {
		case streamEmit:
			s.emit(o.event)
		case streamDial:
			s.connection = dial(s.c.o.Transport, "ws"+s.base[len("http"):]+wire.SessionsPath+"/"+s.id+wire.EventsPath, epoch, s.dialed)
		case streamDrop:
			s.connection.drop(o.code)
			s.chats.stopReread()
		case streamWrite:
			s.clock.readWall(now)
			if s.connection.conn.Write(o.frame) != nil {
				s.stream.lost(FailureServerUnreachable, "The connection was lost", now)
				s.runStream(now)
			}
		case streamServerTime:
			s.serverTime(o.at, o.sentAt, now)
		case streamOpened:
			s.clock.silent = o.at.IsZero()
			s.clock.fromStream = s.clock.fromStream || !s.clock.silent
			s.measure(o.at, time.Millisecond, o.sentAt)
			s.tokens.accept(o.token)
		case streamAccepted:
			s.tokens.accept(o.token)
		case streamReady:
			s.streamReady(o, now)
		case streamTokenExpired:
			s.tokenExpired()
		case streamTokenRefused:
			s.stream.tokenRefused(s.refuseToken(o.token), now)
			s.runStream(now)
		case streamSessionGone:
			if s.phase == initializing {
				s.sessionGoneInInit()
			} else {
				s.endedByServer("")
			}
		case streamInitFailed:
			s.initFailed(o.err)
		}
		if s.stream.epoch != epoch {
			return // the rest was meant for a connection that is no more
		}
	}
}

// stopStream drops the connection for good.
func (s *session) stopStream() {
	s.stream.stop()
	s.runStream(s.clock.now())
}

// streamReady goes on once the stream stands.
func (s *session) streamReady(o *streamOutput, now instant) {
	if s.log.debugs() {
		s.log.debug("event stream: connected in ", milliseconds(now-s.stream.attemptAt), ", heartbeat ", seconds(s.stream.interval),
			", the device's clock is ", seconds(s.clock.ahead(now)), " ahead of the server's")
	}
	epoch := s.stream.epoch
	s.stream.setToken(s.tokens.current.text, now)
	s.runStream(now)
	if s.stream.epoch != epoch {
		return
	}
	s.rest.retryNow(now)
	switch {
	case s.phase == initializing:
		s.listInInit()
	case o.lost:
		s.stream.hold()
		s.chats.reread(o.lastID)
		s.runChats()
	}
}

// serverTime takes note of the server's clock, as given by a frame that answers
// one sent at sent. A ping, which answers none, says only that the server's time is not before it:
// what contradicts the estimate by far is asked about before it is believed.
func (s *session) serverTime(at time.Time, sent, now instant) {
	if sent == 0 && at.Sub(s.clock.server(now)) > jump {
		s.stream.ping(now)
		s.runStream(now)
		return
	}
	s.measure(at, time.Millisecond, sent)
}

// measure takes a time of the server's clock into account; zero means that there is none.
// It was made after sent, as clock.measure has it.
func (s *session) measure(at time.Time, precision time.Duration, sent instant) {
	if year := at.Year(); year < 2000 || year > 2200 {
		return // none, or no clock that can be meant
	}
	now := s.clock.now()
	before := s.clock.origin
	s.clock.measure(at, precision, sent, now)
	if moved := s.clock.origin.Sub(before); (moved > jump || moved < -jump) && s.log.debugs() {
		s.log.debug("the device's clock is ", seconds(s.clock.ahead(now)), " ahead of the server's")
	}
}

// runChats does what the chats want done. None of it gives them an input.
func (s *session) runChats() {
	c := &s.chats
	for i := 0; i < len(c.out); i++ {
		o := c.out[i]
		c.out[i] = chatOutput{} // done, whatever comes of it
		switch o.kind {
		case chatEmit:
			s.emit(o.event)
		case chatSettle:
			s.outbox.run(o.run)
		case chatRequest:
			s.request(o.call)
		case chatStopRetrying:
			s.rest.stopRetrying(o.call, s.clock.now())
		case chatDrop:
			s.rest.drop(o.call)
		case chatReread:
			s.stream.release(o.position, s.clock.now())
		case chatRereadFailed:
			now := s.clock.now()
			s.stream.lost(FailureServerError, "What was missed could not be read", now)
			s.runStream(now)
		}
	}
	c.out = c.out[:0]
}

// request starts a call.
func (s *session) request(c *call) {
	s.startAttempt(s.rest.start(c, s.tokens.current.text, s.clock.now()))
}

func (s *session) startAttempts(list []attempt) {
	for _, a := range list {
		s.startAttempt(a)
	}
}

// startAttempt lets a worker send a call once.
func (s *session) startAttempt(a attempt) {
	c := a.call
	s.clock.readWall(c.sentAt)
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	c.cancel = cancel
	r := Request{
		Method:        c.method,
		URL:           s.base + c.path,
		Authorization: "Bearer " + wire.TrimTokenPrefix(c.token),
		Appkey:        s.params.Appkey,
		Body:          c.body,
		WantDate:      !s.clock.fromStream,
	}
	s.workers++
	go func() {
		response, err := s.c.o.Transport.Do(ctx, r)
		cancel()
		s.results <- outcome{c, a.number, response, err}
	}()
}

// stopCalls ends every call with err; with nil, calls are dropped without an outcome.
func (s *session) stopCalls(err *Error) {
	list := s.rest.dropAll()
	for _, c := range list {
		if err != nil {
			c.then(answer{err: err})
			s.runChats()
		}
	}
}

// emit queues an event for the page.
func (s *session) emit(e *Event) {
	if e.Date.IsZero() {
		e.Date = s.clock.server(s.clock.now())
	}
	s.outbox.emit(e)
}

// enqueue puts f behind everything that the page is to get before it.
func (s *session) enqueue(f func()) { s.outbox.run(f) }
