package main

// The faults, by file: what each breaks, beginning with the rows whose tests are tried first;
// the file and the function; the old text and the new. An old text is in its file exactly once,
// or once in its function. It consists of whole tokens; white space and comments do not count.
// The code may be renamed or moved (match.go); -refresh brings the entries up to date.
var faults = []fault{
	{"INIT-8 React: a component that has come and gone opens a session", "js/react.js", "agree",
		`  await null;
  while (opened !== wanted()) await (opened ? close() : open());`,
		`  while (opened !== wanted()) await (opened ? close() : open());`},
	{"SHUT-1 React: the first of two components that goes closes the session", "js/react.js", "hold",
		`holders.splice(holders.indexOf(holder), 1);`,
		`holders.length = 0;`},
	{"NS-13 React: who signs in while init runs gets the session of the one before", "js/react.js", "hold",
		`if (holder !== lastHolder) number++;`,
		`if (!number) number++;`},
	{"EV-14 React: a session that has ended is opened again by itself", "js/react.js", "SHUTDOWN",
		`    leave();
    ended = true;`,
		`    leave();
    reopen();`},
	{"JWT-3 React: a back end that gives no token is not asked again", "js/react.js", "refresh",
		`timer = setTimeout(refresh, pause * 1000);`,
		``},
	{"INIT-3 React: a token that has expired before init fails the session", "js/react.js", "initialize",
		`if (!again || `,
		`if (true || `},
	{"ENG-4 React: a chat that could not be joined is read without it", "js/react.js", "enter",
		`await engagement.join();`,
		`;`},
	{"MSG-1 React: a message that was answered and raised is shown twice", "js/react.js", "add",
		`[message.messageIndex, message]`,
		`[message, message]`},
	{"STORE-1 what fsync has promised counts as kept", "web/store/disk.go", "disk.try",
		`err := d.file.Truncate(0)`,
		`err := error(nil)`},
	{"STORE-1 who follows learns of what may not be kept", "web/store/follow.go", "follower.run",
		`unkept = f.s.disk.confirm(ctx, meta.Sequence.Stream)`,
		`unkept = nil`},
	{"STORE-1 what may not be kept is read", "web/store/nats.go", "Store.get",
		`err = s.disk.confirm(ctx, m.Sequence)`,
		`_ = m.Sequence`},
	{"STORE-1 what may not be kept is exported", "web/store/read.go", "Store.each",
		`lost = s.disk.confirm(ctx, e.sequence)`,
		`lost = nil`},
	{"STORE-1 the desk acts on what may not be kept", "web/store/work.go", "Store.work",
		`err = s.disk.confirm(one, raw.sequence)`,
		`err = nil`},
	{"STORE-1 a gateway that can store nothing calls itself ready", "web/store/health.go", "health.check",
		`err = h.s.disk.try()`,
		`err = nil`},
	{"STORE-1 a reading waits for entries that are removed meanwhile", "web/store/read.go", "Store.read",
		`waiting = now != before || !hasDelivered(ctx, consumer, now)`,
		`waiting = now >= before`},
	{"DESK-1 --demo-host lets everybody who uses its name to the desk", "web/demo.go", "onlyHosts",
		`case by == asDemoHost && (!deskThere && ofDesk(r.URL.Path) || ofServers(r.URL.Path)):`,
		`case by == asDemoHost && ofServers(r.URL.Path):`},
	{"DESK-1 --demo-host takes a foreign connection for this machine's", "web/demo.go", "reachedBy",
		`(jwks.IsLoopback(from) || jwks.IsLoopback(demoHost))`,
		`(from != "" || jwks.IsLoopback(demoHost))`},
	{"EV-14 two sessions make deliveries at once", "sdk/outbox.go", "Core.dispatch",
		`c.delivering <- struct{}{}`,
		`select {
		case c.delivering <- struct{}{}:
		default:
		}`},
	{"JWT-1 a reminder that was owed at a refusal never comes", "sdk/token.go", "tokens.expire",
		`t.current.reminded = false`,
		`_ = t`},
	{"STREAM-4 frames that wait for init's answer count as silence", "sdk/lifecycle.go", "session.listInInit",
		`s.stream.release(0, s.clock.now())`,
		`s.stream.held = false`},
	{"JWT-3 JWT-7 a refused token that is good after all replaces the newest", "sdk/token.go", "tokens.set",
		`t.current, t.rejected = n, token{}`,
		`t.current = n`},
	{"DESK-1 a customer is away without a grace", "web/desk/watch.go", "Desk.trackAbsence",
		`missing := !present && now.Sub(a.customer) >= d.customerGrace`,
		`missing := !present`},
	{"DESK-1 a customer's grace does not begin anew", "web/desk/watch.go", "Desk.trackAbsence",
		`	if present {
		a.customer = time.Time{}
	} else if`,
		`	if present {
	} else if`},
	{"DESK-1 a customer who is back stays away", "web/desk/watch.go", "Desk.trackAbsence",
		`	case present && away:
		return markPresent
`,
		""},
	{"DESK-2 a chat is given up too early", "web/desk/desk.go", "New",
		`abandonAfter:  cmp.Or(c.AbandonAfter, DefaultAbandonAfter),`,
		`abandonAfter:  DefaultAbandonAfter,`},
	{"DESK-2 a gateway that starts gives up chats at once", "web/desk/watch.go", "Desk.trackAbsence",
		`case missing && d.abandonAfter > 0 &&`,
		`case !present && away && d.abandonAfter > 0 &&`},
	{"DESK-2 chats are given up although they never are", "web/desk/watch.go", "Desk.trackAbsence",
		`case missing && d.abandonAfter > 0 &&`,
		`case missing &&`},
	{"DESK-2 what was decided is left undone", "web/desk/watch.go", "Desk.trackAbsence",
		`	case e.Ending:
		return endAbandoned
`,
		""},
	{"DESK-2 a chat is given up without a line", "web/desk/watch.go", "endAbandoned",
		`	if err := d.writeLine(ctx, e, system, "abandoned", "The chat was ended because the customer left."); err != nil {
		return err
	}
`,
		""},
	{"DESK-3 an agent is lost without a grace", "web/desk/watch.go", "Desk.trackStaffAbsence",
		`if now.Sub(since) >= d.agentGrace {`,
		`if true {`},
	{"DESK-3 an agent who is no desk's is lost", "web/desk/http.go", "Desk.admitStaff",
		`e.setWatched(b.AgentID, d.present(e.Customer.Account, b.AgentID))`,
		`e.setWatched(b.AgentID, true)`},
	{"DESK-3 an agent who vanishes between two looks stays", "web/desk/watch.go", "Desk.seenDue",
		`(d.present(e.Customer.Account, id) || d.wasPresent(e.Customer.Account, id, m.JoinedAt))`,
		`d.present(e.Customer.Account, id)`},
	{"DESK-3 an agent who is back is taken out", "web/desk/watch.go", "removeDisconnected",
		` || d.present(e.Customer.Account, agentID) {`,
		` {`},
	{"DESK-3 an agent's later stay ends with the first", "web/desk/watch.go", "removeDisconnected",
		`!m.JoinedAt.Equal(joined) || `,
		""},
	{"DESK-3 a chat that lost its agent is last in line", "web/desk/view.go", "group",
		`	case e.Requeued:
		return 0
`,
		""},
	{"DESK-1 a gateway that does not see the customer overrules one that does", "web/desk/view.go", "view.put",
		`			now.absence.customer = time.Time{}
`,
		""},
	{"DESK-3 the line of a change is left out when its maker dies", "web/desk/route.go", "Desk.writeDueLines",
		`if n := e.Notice; n != nil && time.Since(n.At) < repairWindow {`,
		`if n := e.Notice; n != nil && false {`},
	{"DESK-3 the bot speaks into the line of System", "web/desk/route.go", "Desk.writeDueLines",
		` || e.Requeued {`,
		` {`},
	{"DESK-4 a chat that is taken over has two agents", "web/desk/http.go", "Desk.admitStaff",
		`			old = &copied
			out = append(out, m.ParticipantID)
`,
		`			old = &copied
`},
	{"DESK-4 accept takes any agent's chat", "web/desk/http.go", "Desk.accept",
		"m != nil && !b.TakeOver && !d.isLostSelf(e, m, b)",
		`m != nil && m.ParticipantID == b.AgentID`},
	{"DESK-4 who takes a chat over has joined too", "web/desk/http.go", "Desk.admitStaff",
		`notice{Key: joinedKey(m), `,
		`notice{Key: "over" + joinedKey(m), `},
	{"DESK-4 a present agent of the same name is replaced", "web/desk/http.go", "Desk.isLostSelf",
		` && m.DisplayName == b.AgentName && !d.present(e.Customer.Account, m.ParticipantID)`,
		` && m.DisplayName == b.AgentName`},
	{"DESK-4 one person is in a chat twice", "web/desk/http.go", "Desk.admitStaff",
		`		case d.isLostSelf(e, m, b):
			out = append(out, m.ParticipantID)
`,
		""},
	{"DESK-4 a supervisor may have the name of a lost agent", "web/desk/http.go", "Desk.supervise",
		"if m := memberOf(e, wire.ParticipantAgent); m != nil && d.isLostSelf(e, m, b) {",
		`if m := memberOf(e, wire.ParticipantAgent); m != nil && false {`},
	{"DESK-2 a chat that is about to end takes agents", "web/desk/http.go", "body.entry",
		`if e.Ended() || e.Ending {`,
		`if e.Ended() {`},
	{"DESK-5 one of two sockets is all", "web/presence/presence.go", "Table.Leave",
		`if t.agents[k]--; t.agents[k] <= 0 {`,
		`if t.agents[k]--; true {`},
	{"DESK-5 a dead gateway's people stay", "web/presence/presence.go", "Table.expire",
		"now.Sub(p.received) >= silentAfter",
		"now.Sub(p.received) >= time.Hour"},
	{"DESK-5 a gateway that receives nothing from others is sure", "web/presence/presence.go", "Table.expire",
		`		t.since = time.Time{}
		t.log.Warn`,
		`		t.log.Warn`},
	{"DESK-5 a gateway that starts is sure", "web/presence/presence.go", "Table.Since",
		`since = t.since.Add(settleTime)`,
		`since = t.since`},
	{"DESK-5 what was missed is not asked for", "web/presence/presence.go", "Table.receive",
		`p.synced = p.synced && a.Revision == p.revision
`,
		`p.synced = true
`},
	{"CONN-2 a long answer costs its customer as little as a short one", "web/gateway/rest.go", "Gateway.customer",
		`		g.limits.Charge("customer "+key, len(answer.Body)/bytesPerCall)`,
		`		g.limits.Charge("customer "+key, 0)`},
	{"CONN-2 all calls of a customer are worked on at once", "web/gateway/quota.go", "quotas.call",
		`		turn = make(chan struct{}, atOnce)`,
		`		turn = make(chan struct{}, 64*atOnce)`},
	{"STORE-1 the gateway calls itself unready while others write", "web/store/health.go", "Store.Healthy",
		`	if info.State.LastSeq < received {`,
		`	if info.State.LastSeq < max(received, s.follow.sequence()) {`},
	{"DESK-1 a note is news to the customer", "web/store/commits.go", "Store.changeLocked",
		`		if len(events) > 0 {
			e.LastUpdatedAt = now()
		}
`,
		`		e.LastUpdatedAt = now()
`},
	{"INIT-8 a second init says that an init is in progress", "sdk/core.go", "Core.Init",
		`fail(CodeAlreadyInitialized, "call shutdown first")`,
		`fail(CodeInProgress, "call shutdown first")`},
	{"SHUT-1 shutdown without a reason is USER_INACTIVE", "sdk/core.go", "Core.Shutdown",
		`			reason = wire.ReasonUserClosed`,
		`			reason = wire.ReasonUserInactive`},
	{"SHUT-1 shutdown takes any reason", "sdk/core.go", "Core.Shutdown",
		`			return fail(CodeConstraintViolation, "reason must be USER_CLOSED or USER_INACTIVE")
`,
		""},
	{"NS-13 calls without a session say that one is in progress", "sdk/core.go", "Core.act",
		`	refused(fail(CodeNotInitialized, "call init first"))`,
		`	refused(fail(CodeInProgress, "call init first"))`},
	{"IDLE-1 reading history is activity", "sdk/core.go", "Core.Messages",
		`		if err := s.checkReady(); err != nil {
			return err
		}
		s.chats.newestPage(`,
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		s.chats.newestPage(`},
	{"IDLE-1 listing chats is activity", "sdk/core.go", "Core.Engagements",
		`		if err := s.checkReady(); err != nil {
			return err
		}
		s.chats.list(done)`,
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		s.chats.list(done)`},
	{"IDLE-1 sendMessage is no activity", "sdk/core.go", "Core.SendMessage",
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.send(`,
		`		if err := s.checkReady(); err != nil {
			return err
		}
		return s.chats.send(`},
	{"IDLE-1 join is no activity", "sdk/core.go", "Core.Join",
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.join(`,
		`		if err := s.checkReady(); err != nil {
			return err
		}
		return s.chats.join(`},
	{"IDLE-1 disconnect is no activity", "sdk/core.go", "Core.Disconnect",
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		return s.chats.disconnect(`,
		`		if err := s.checkReady(); err != nil {
			return err
		}
		return s.chats.disconnect(`},
	{"IDLE-1 createEngagement is no activity", "sdk/core.go", "Core.CreateEngagement",
		`		if err := s.resetIdle(); err != nil {
			return err
		}
		if err := checkParameters("engagementParameters"`,
		`		if err := s.checkReady(); err != nil {
			return err
		}
		if err := checkParameters("engagementParameters"`},
	{"NS-8 resetIdleTimeout does nothing", "sdk/core.go", "Core.ResetIdleTimeout",
		"return c.now((*session).resetIdle)",
		"return c.now((*session).checkReady)"},
	{"ENG-8 engagementParameters have no bounds", "sdk/core.go", "Core.CreateEngagement",
		`if err := checkParameters("engagementParameters", parameters); err != nil {`,
		`if err := checkParameters("engagementParameters", nil); err != nil {`},
	{"NS-6 an id that is not known is not asked for", "sdk/core.go", "Core.EngagementByID",
		`			for _, e := range list {
				if e.EngagementID == id {`,
		`			for _, e := range list[:0] {
				if e.EngagementID == id {`},
	{"NS-10 an unknown log level is a constraint violation", "sdk/core.go", "Core.SetLogLevel",
		"&Error{Code: CodeConfiguration, Message: texts[CodeLogLevel]}",
		"&Error{Code: CodeConstraintViolation, Message: texts[CodeLogLevel]}"},
	{"NS-10 a level hides its own lines", "sdk/log.go", "logger.log",
		"int32(level.rank()) >= l.level.Load()",
		"int32(level.rank()) > l.level.Load()"},
	{"INIT-6 config.logLevel is ignored", "sdk/core.go", "Core.Init",
		`		level = int32(cfg.LogLevel.rank())
`,
		""},
	{"INIT-6 bad config values are replaced without a warning", "sdk/core.go", "Core.Init",
		`	for _, w := range warnings {`,
		`	for _, w := range warnings[:0] {`},
	{"JWT-1 the reminder comes two minutes before", "sdk/token.go", "reminderLead",
		"reminderLead = 3 * time.Minute",
		"reminderLead = 2 * time.Minute"},
	{"JWT-2 a token is good until a second after its end", "sdk/token.go", "tokens.handleTimers",
		`	case !server.Before(c.claims.Expiry):`,
		`	case !server.Before(c.claims.Expiry.Add(time.Second)):`},
	{"JWT-4 an expired token is taken", "sdk/token.go", "tokens.set",
		`	if !server.Before(expiry) {`,
		`	if expiry.IsZero() {`},
	{"JWT-6 token events come as often as their reasons", "sdk/token.go", "limitedEvent.take",
		`	if !l.owed || now < l.next(interval) {`,
		`	if !l.owed {`},
	{"JWT-6 the same token is taken for a new one", "sdk/token.go", "tokens.set",
		`	again := n.text == c.text`,
		`	again := n.text == ""`},
	{"JWT-6 tokens that are refused are tried as they come", "sdk/stream.go", "stream.setToken",
		`		if st.refusals > 1 {`,
		`		if st.refusals < 0 {`},
	{"JWT-7 the page is not asked for a token when one is refused", "sdk/token.go", "tokens.refuse",
		`		e.reminder.owed, e.asking = true, true`,
		`		e.asking = true`},
	{"JWT-7 the token before is forgotten", "sdk/token.go", "tokens.set",
		`		t.fallback = *c
`,
		""},
	{"JWT-7 a refused token is not tried again", "sdk/stream.go", "stream.refused",
		`	st.retryAfter(reason, text, least, now)`,
		`	_ = least
	st.tokenExpired(now)`},
	{"JWT-7 a call that succeeds does not reconnect", "sdk/session.go", "session.settle",
		`			if s.stream.tokenWorked(c.sentAt, now) {
				s.tokens.revive()
			}
`,
		""},
	{"JWT-7 a good token that is set late in the window is given up with it", "sdk/stream.go", "stream.setToken",
		`		st.state = streamWaiting
		st.brokeAt = now
		st.retryAt = earliest`,
		`		st.state = streamWaiting
		st.retryAt = earliest`},
	{"JWT-7 a call that succeeds does not end the wait for a token", "sdk/stream.go", "stream.tokenWorked",
		`	case streamUnauthorized, streamGivenUp:
		st.state = streamWaiting`,
		`	case streamIdle:
		st.state = streamWaiting`},
	{"JWT-7 a token that one call was refused with is lost", "sdk/token.go", "tokens.accept",
		`	if text == t.rejected.text && `,
		`	if text == "" && `},
	{"JWT-8 a ping is believed whatever it says", "sdk/perform.go", "session.serverTime",
		`at.Sub(s.clock.server(now)) > jump {`,
		`at.Sub(s.clock.server(now)) > 1e6*time.Hour {`},
	{"JWT-8 the device's clock is taken for the server's", "sdk/clock.go", "clock.measure",
		`	before := c.origin
	if c.origin.Before(c.low) {`,
		`	before := c.origin
	if c.origin.IsZero() {`},
	{"JWT-8 a clock that is behind is not corrected", "sdk/clock.go", "clock.measure",
		`	if !c.high.IsZero() && c.origin.After(c.high) {`,
		`	if c.high.IsZero() && c.origin.After(c.high) {`},
	{"JWT-8 IDLE-1 a clock that is set counts as sleep", "sdk/clock.go", "clock.readWall",
		`	if c.silent && c.moved > jump {`,
		`	if c.moved > jump {`},
	{"JWT-8 IDLE-1 time asleep does not count", "sdk/clock.go", "clock.measure",
		`		c.slept += asleep
`,
		""},
	{"JWT-8 what was asked before a sleep counts as if after it", "sdk/clock.go", "clock.measure",
		` && sent >= c.movedAt`,
		""},
	{"NS-10 INIT-4 an appkey that is refused reads as a bad token", "sdk/rest.go", "call.read",
		`		if a.problem.Has(wire.HeaderAppkey) {
			code = CodeInitParams
		}
`,
		""},
	{"INIT-3 a missing token is an invalid one", "sdk/token.go", "readToken",
		`return token{}, fail(CodeNoToken, "")`,
		`return token{}, fail(CodeTokenInvalid, "")`},
	{"IDLE-2 activity in the grace period leaves it running", "sdk/idle.go", "idle.reset",
		`	i.inGrace = false
`,
		""},
	{"IDLE-2 the grace period is as long as the idle timeout", "sdk/idle.go", "idle.expire",
		"i.deadline = now + i.grace",
		"i.deadline = now + i.timeout"},
	{"INIT-6 idleTimeout 0 does not switch the timer off", "sdk/idle.go", "idle.reset",
		`	if i.timeout > 0 {`,
		`	if i.timeout != 0 {`},
	{"STREAM-2 no jitter", "sdk/backoff.go", "backoff.next",
		"time.Duration(random%uint64(limit))",
		"limit-time.Duration(random%1)"},
	{"STREAM-2 the backoff does not grow", "sdk/backoff.go", "backoff.next",
		`	b.attempts++
`,
		""},
	{"STREAM-2 the backoff is never begun anew", "sdk/backoff.go", "backoff.reset",
		"func (b *backoff) reset() { b.attempts = 0 }",
		"func (b *backoff) reset() {}"},
	{"JWT-4 a token of another user is taken", "sdk/token.go", "tokens.set",
		`n.claims.Subject != c.claims.Subject || `,
		""},
	{"JWT-4 a token of another integration is taken", "sdk/token.go", "tokens.set",
		` || n.claims.IntegrationID != c.claims.IntegrationID`,
		""},
	{"JWT-3 the live stream does not learn of a new token", "sdk/session.go", "session.setToken",
		`	s.stream.setToken(s.tokens.current.text, now)
	s.runStream(now)
	s.rest.retryNow(now)
	return nil`,
		`	s.rest.retryNow(now)
	return nil`},
	{"JWT-2 attempts go on without a token", "sdk/session.go", "session.tokenExpired",
		`	s.stream.tokenExpired(now)`,
		`	s.stream.lost(FailureUnauthorized, "The JWT has expired", now)`},
	{"JWT-2 TOKEN_EXPIRED is not raised", "sdk/session.go", "session.raiseTokenEvents",
		`		s.emit(&Event{Type: EventTokenExpired, Date: s.tokens.current.claims.Expiry})
`,
		""},
	{"SES-2 a stored session that is gone fails init", "sdk/lifecycle.go", "session.begin",
		"if a.status == 404 || a.status == 400 {",
		"if a.status == 400 {"},
	{"SES-1 the session id is not stored", "sdk/lifecycle.go", "session.createSession",
		`			s.save(info.SessionID)
`,
		""},
	{"SES-1 the stored session id is not read", "sdk/lifecycle.go", "session.begin",
		`	id := s.load()
`,
		`	id := ""
`},
	{"SES-1 after a reload no events of the chats are delivered", "sdk/chats.go", "chats.begin",
		`			e.member = memberInside //`,
		`			e.member = memberOutside //`},
	{"INIT-7 init resolves before INITIALIZED", "sdk/lifecycle.go", "session.initialized",
		`	s.emit(&Event{Type: EventInitialized, User: &user})
	s.enqueue(func() { done(user, nil) })`,
		`	s.enqueue(func() { done(user, nil) })
	s.emit(&Event{Type: EventInitialized, User: &user})`},
	{"INIT-5 sessionParameters do not reach the gateway", "sdk/lifecycle.go", "session.createSession",
		`		SessionParameters: s.params.SessionParameters,
`,
		""},
	{"INIT-9 a failed init stays in the way of the next", "sdk/lifecycle.go", "session.initFailed",
		`	s.enqueue(func() {
		s.c.current.CompareAndSwap(s, nil)
		done(UserContext{}, err)`,
		`	s.enqueue(func() {
		done(UserContext{}, err)`},
	{"INIT-9 init takes up to a minute", "sdk/session.go", "initTimeout",
		"initTimeout     = 28 * time.Second",
		"initTimeout     = 58 * time.Second"},
	{"SHUT-1 shutdown takes up to 40 seconds", "sdk/session.go", "shutdownTimeout",
		"shutdownTimeout = 4 * time.Second",
		"shutdownTimeout = 40 * time.Second"},
	{"SHUT-1 the session id stays stored", "sdk/lifecycle.go", "session.shutdown",
		`			s.forget()
			s.emit(&Event{Type: EventStreamClosed})`,
		`			s.emit(&Event{Type: EventStreamClosed})`},
	{"SHUT-1 no EVENT_STREAM_CLOSED", "sdk/lifecycle.go", "session.shutdown",
		`			s.emit(&Event{Type: EventStreamClosed})
`,
		""},
	{"SHUT-1 the promise before SHUTDOWN", "sdk/lifecycle.go", "session.finish",
		`	s.emit(e)
	s.enqueue(done)
`,
		`	s.enqueue(done)
	s.emit(e)
`},
	{"EV-14 SHUTDOWN twice", "sdk/lifecycle.go", "session.finish",
		`	s.emit(e)
	s.enqueue(done)
`,
		`	s.emit(e)
	s.emit(e)
	s.enqueue(done)
`},
	{"EV-14 init from the SHUTDOWN handler finds the old session", "sdk/lifecycle.go", "session.finish",
		`	s.enqueue(func() { s.c.current.CompareAndSwap(s, nil) })
	s.emit(e)`,
		`	s.emit(e)
	s.enqueue(func() { s.c.current.CompareAndSwap(s, nil) })`},
	{"EV-2 SHUTDOWN has no reason", "sdk/lifecycle.go", "session.finish",
		`		e.Reason = string(reason)
`,
		`		e.Reason = ""
`},
	{"IDLE-3 the idle end is USER_CLOSED", "sdk/session.go", "session.handleTimers",
		`			s.shutdown(wire.ReasonUserInactive,`,
		`			s.shutdown(wire.ReasonUserClosed,`},
	{"SHUT-3 the server ends the session with SERVER_ERROR", "sdk/lifecycle.go", "session.endedByServer",
		"Reason: string(FailureSessionInvalid)",
		"Reason: string(FailureServerError)"},
	{"NS-13 calls while shutdown runs are taken", "sdk/session.go", "session.checkReady",
		`	case initializing, closing:
		return fail(CodeInProgress, "")`,
		`	case initializing:
		return fail(CodeInProgress, "")`},
	{"SHUT-2 calls under way never settle after shutdown", "sdk/lifecycle.go", "session.shutdown",
		`	s.stop(closing, fail(CodeNotInitialized, "the session was shut down"))`,
		`	s.stop(closing, nil)`},
	{"EV-5 the reminder of idleness has no gracePeriod", "sdk/session.go", "session.handleTimers",
		"GracePeriod: s.idle.grace",
		"GracePeriod: 0"},
	{"IDLE-2 no warning ACS-206", "sdk/session.go", "session.handleTimers",
		`			s.log.warn(CodeIdleTimeout, "")
`,
		""},
	{"STREAM-5 a device that slept does not look at its connection", "sdk/session.go", "session.handleTimers",
		`	if s.clock.takeJump(now) {`,
		`	if s.clock.takeJump(now) && now == 0 {`},
	{"EV-12 frames are handled while init still reads the chats", "sdk/lifecycle.go", "session.listInInit",
		`	s.stream.hold()
`,
		""},
	{"SES-3 an unreadable sessionStorage is not warned of", "sdk/lifecycle.go", "session.load",
		`		s.log.warn(CodeStorageRead, err.Error())
`,
		""},
	{"SES-3 a full sessionStorage is not warned of", "sdk/lifecycle.go", "session.save",
		`	if err := s.c.o.Storage.Save(StorageKey, id); err != nil {
		s.log.warn(CodeStorageWrite, err.Error())`,
		`	if err := s.c.o.Storage.Save(StorageKey, id); err != nil {
		s.log.warn(CodeStorageRead, err.Error())`},
	{"STREAM-3 what was handled is handled again", "sdk/stream.go", "stream.frame",
		`		if f.ID > st.lastID {`,
		`		if f.ID > 0 {`},
	{"STREAM-3 a reconnected stream begins at now", "sdk/stream.go", "stream.dialed",
		`	if !st.hasPlace {`,
		`	if true {`},
	{"STREAM-2 each break opens a new reconnection window", "sdk/stream.go", "stream.retryAfter",
		`	if st.brokeAt == 0 {
		st.brokeAt = now`,
		`	if true {
		st.brokeAt = now`},
	{"EV-7 retryAfter is a second too much", "sdk/stream.go", "ceilSeconds",
		`func ceilSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)`,
		`func ceilSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second) + time.Second`},
	{"STREAM-2 the first retry may come after four seconds", "sdk/session.go", "newSession",
		"backoff{base: reconnectBase, ceiling: reconnectCeiling}",
		"backoff{base: 4 * reconnectBase, ceiling: reconnectCeiling}"},
	{"STREAM-2 retries are up to five minutes apart", "sdk/session.go", "newSession",
		"backoff{base: reconnectBase, ceiling: reconnectCeiling}",
		"backoff{base: reconnectBase, ceiling: 10 * reconnectCeiling}"},
	{"STREAM-4 a silent connection is found dead after 80 seconds", "sdk/stream.go", "stream.extendDeadline",
		`	st.deadAt = now + 2*st.interval`,
		`	st.deadAt = now + 4*st.interval`},
	{"STREAM-4 pings are not answered", "sdk/stream.go", "stream.frame",
		"wire.ClientFrame{Type: wire.FramePong}",
		"wire.ClientFrame{Type: wire.FramePing}"},
	{"STREAM-4 the gateway is not pinged", "sdk/stream.go", "stream.handleTimers",
		`case st.pingedAt == 0 && due(st.frameAt+st.interval):`,
		`case false && st.pingedAt == 0 && due(st.frameAt+st.interval):`},
	{"STREAM-5 a wake-up does not look at an open connection", "sdk/stream.go", "stream.wake",
		`		st.probe(now)
	case streamAway:`,
		`	case streamAway:`},
	{"STREAM-5 offline pauses nothing", "sdk/stream.go", "stream.wake",
		`	st.offline = w == WakeOffline ||`,
		`	st.offline = false && w == WakeOffline ||`},
	{"STREAM-5 online waits for the next attempt", "sdk/stream.go", "stream.wake",
		`		if w != WakeOffline {
			st.backoff.reset()`,
		`		if w == WakeOffline {
			st.backoff.reset()`},
	{"STREAM-6 the end of the window is SERVER_UNREACHABLE", "sdk/stream.go", "stream.giveUp",
		`st.emitFailed(FailureReconnectionTimeout,`,
		`st.emitFailed(FailureServerUnreachable,`},
	{"STREAM-6 retryConnection is refused after the window", "sdk/stream.go", "stream.giveUp",
		`	st.state = streamGivenUp
`,
		`	st.state = streamIdle
`},
	{"NS-9 retryConnection has no new window", "sdk/stream.go", "stream.reconnect",
		`	st.brokeAt = now
	st.backoff.reset()
	st.connect(now)`,
		`	st.backoff.reset()
	st.connect(now)`},
	{"NS-9 retryConnection is allowed at any time", "sdk/stream.go", "stream.retryConnection",
		`	return fail(CodeRetryNotAllowed, "")`,
		`	return nil`},
	{"EV-7 an expired token is FORBIDDEN", "sdk/stream.go", "stream.closed",
		`			st.add(streamTokenExpired)`,
		`			st.lost(FailureForbidden, "", now)`},
	{"EV-7 a refused token is UNAUTHORIZED", "sdk/stream.go", "stream.tokenRefused",
		`	st.refused(FailureForbidden, text,`,
		`	st.refused(FailureUnauthorized, text,`},
	{"SES-4 a duplicated tab fails to initialize", "sdk/lifecycle.go", "session.sessionGoneInInit",
		`	s.stopStream()
	s.createSession()
`,
		`	s.initFailed(fail(CodeInitFailed, "the server ended the session"))
`},
	{"STREAM-7 what was lost for good is not re-read", "sdk/stream.go", "stream.opened",
		`	resumed := f.Resumed || !st.hasPlace`,
		`	resumed := true`},
	{"STREAM-3 a connection of an old attempt counts", "sdk/session.go", "session.dialEnded",
		`	case d.epoch != s.stream.epoch:`,
		`	case d.epoch > s.stream.epoch:`},
	{"STREAM-3 a connection that was let go is still read", "sdk/connection.go", "connection.drop",
		`	*c = connection{}`,
		`	*c = connection{arrivals: c.arrivals}`},
	{"STREAM-3 of a burst the first frame is read only", "sdk/session.go", "session.receiveWaiting",
		`		case a := <-arrivals:
			s.receive(a, now)
		default:`,
		`		case <-arrivals:
		default:`},
	{"STREAM-1 no EVENT_STREAM_CONNECTING", "sdk/stream.go", "stream.connect",
		`	st.emit(&Event{Type: EventStreamConnecting})
`,
		""},
	{"STREAM-1 a break is not delivered", "sdk/stream.go", "stream.retryAfter",
		`	st.emitFailed(reason, text, ceilSeconds(delay))
`,
		""},
	{"MSG-4 calls do not hurry when the stream is back", "sdk/perform.go", "session.streamReady",
		`	s.rest.retryNow(now)
	switch {`,
		`	switch {`},
	{"INIT-9 the end of the time hides what the server said", "sdk/rest.go", "rest.ended",
		`if c.failed != nil && now >= c.until {`,
		`if false {`},
	{"JWT-5 a 401 is not tried again with the newer token", "sdk/session.go", "session.attemptEnded",
		`			s.judgeRefusal(c, r.Status, now)
		}
		other = c.token != s.tokens.current.text
`,
		`			s.judgeRefusal(c, r.Status, now)
			other = c.token != s.tokens.current.text
		}
`},
	{"JWT-5 a 401 is tried again and again", "sdk/rest.go", "rest.ended",
		`		c.refreshed = true
`,
		""},
	{"MSG-4 calls that are refused for their rate fail at once", "sdk/rest.go", "rest.ended",
		`status >= 500 || status == 429 || status == 408`,
		`status >= 500`},
	{"INIT-9 server errors are not retried", "sdk/rest.go", "rest.ended",
		`status >= 500 || status == 429 || status == 408`,
		`status == 429 || status == 408`},
	{"INIT-9 server errors that last are unexpected answers", "sdk/rest.go", "call.read",
		`	if r.Status >= 500 && c.initial {`,
		`	if false {`},
	{"MSG-4 a lost answer fails the call", "sdk/rest.go", "rest.ended",
		`		return r.retryLater(c, now, 0, answer{err: err})`,
		`		return r.settle(c, answer{err: err})`},
	{"INIT-9 an unreachable server is an unexpected answer", "sdk/rest.go", "rest.ended",
		"failBecause(CodeUnreachable, c.name, o.err)",
		"failBecause(CodeUnexpectedAnswer, c.name, o.err)"},
	{"INIT-2 an unknown integrationId is no session", "sdk/rest.go", "call.read",
		`			code = CodeIntegrationID
		case a.problem.Has(wire.FieldEngagementID):`,
		`			code = CodeNoSession
		case a.problem.Has(wire.FieldEngagementID):`},
	{"INIT-3 a token that the server refuses is an unexpected answer", "sdk/rest.go", "call.read",
		`	case 401, 403:
		code = CodeTokenInvalid`,
		`	case 401, 403:
		code = CodeUnexpectedAnswer`},
	{"SHUT-3 a session that a call finds gone stays", "sdk/session.go", "session.settle",
		`	case a.err.Code == CodeNoSession:`,
		`	case false:`},
	{"SHUT-2 calls are not settled at the end", "sdk/perform.go", "session.stopCalls",
		`		if err != nil {
			c.then(answer{err: err})`,
		`		if err == nil {
			c.then(answer{err: err})`},
	{"ENG-6 a customer without a name in the token is called Customer, whatever the page's displayName", "sdk/engagement.go", "chats.named",
		`		p.DisplayName = c.customer
`,
		""},
	{"ENG-6 participants may have no name", "sdk/engagement.go", "chats.named",
		`	if p.DisplayName != "" {
		return p`,
		`	if true {
		return p`},
	{"ENG-7 an older answer undoes what the stream delivered", "sdk/engagement.go", "chats.merge",
		`	if w.EventID < e.shownID {`,
		`	if false {`},
	{"ENG-3 an old answer revives a chat that has ended", "sdk/engagement.go", "chats.merge",
		`	if !e.ended() || w.EngagementStatus == wire.EngagementTerminated {`,
		`	if true {`},
	{"ENG-8 events of a chat come before createEngagement has resolved", "sdk/chats.go", "chats.apply",
		`	case wire.EventEngagementActive:
		c.settleCreation(ev)
`,
		`	case wire.EventEngagementActive:
`},
	{"ENG-4 a chat that has ended is joined", "sdk/chats.go", "chats.join",
		`	case e.ended():
		return fail(CodeDefunctEngagement, "")
`,
		""},
	{"ENG-4 an active chat is joined again", "sdk/chats.go", "chats.join",
		`	case e.status == wire.EngagementActive:
		return fail(CodeAlreadyActive, "")
`,
		""},
	{"ENG-4 a chat that ended meanwhile is not activated", "sdk/chats.go", "chats.join",
		`			if a.status == 409 {
`,
		`			if false {
`},
	{"ENG-5 an answer of join that the chat's end has overtaken begins it anew", "sdk/engagement.go", "engagement.setJoined",
		`	if e.wasInside() || e.status == wire.EngagementTerminated {`,
		`	if e.wasInside() {`},
	{"ENG-5 disconnect takes any reason", "sdk/chats.go", "chats.disconnect",
		`	if !reason.Valid() {`,
		`	if false {`},
	{"ENG-5 a chat that is not active is disconnected", "sdk/chats.go", "chats.disconnect",
		`	if e.status != wire.EngagementActive {`,
		`	if false {`},
	{"ENG-5 after disconnect the chat's events are still delivered", "sdk/chats.go", "chats.disconnect",
		`			e.setLeft()
`,
		""},
	{"ENG-5 a failed disconnect leaves the chat TERMINATING", "sdk/chats.go", "chats.disconnect",
		`					e.status = wire.EngagementActive
				}
				c.changed(e)`,
		`				}
				c.changed(e)`},
	{"ENG-9 events of chats that this session is not in are delivered", "sdk/chats.go", "chats.apply",
		`	if e.member != memberInside && !(e.member == memberLeft && own) {`,
		`	if e.member >= memberLeft && !own {`},
	{"ENG-7 who leaves stays among the participants", "sdk/chats.go", "chats.apply",
		`			e.remove(out.Participant.ParticipantID)
`,
		`			_ = e
`},
	{"ENG-7 who comes is not among the participants", "sdk/chats.go", "chats.apply",
		`			e.add(out.Participant)
`,
		`			_ = e
`},
	{"ENG-7 mirrors do not learn of changes", "sdk/chats.go", "chats.apply",
		`	out.Changed = &snapshot
`,
		`	_ = snapshot
`},
	{"EV-9 ENGAGEMENT_ERROR is not raised", "sdk/chats.go", "chats.apply",
		`		c.emit(out)
		return
	default:`,
		`		return
	default:`},
	{"MSG-1 sends of a chat that has ended never settle", "sdk/chats.go", "chats.apply",
		`		e.member, e.liveFrom = memberOutside, 0
		c.stopSends(e)`,
		`		e.member, e.liveFrom = memberOutside, 0`},
	{"MSG-1 4096 characters are too many", "sdk/message.go", "chats.send",
		"n == 0 || n > wire.MaxText",
		"n == 0 || n >= wire.MaxText"},
	{"MSG-1 an empty message is sent", "sdk/message.go", "chats.send",
		"n == 0 || n > wire.MaxText",
		"n > wire.MaxText"},
	{"MSG-1 characters are counted as bytes", "sdk/message.go", "chats.send",
		"n := wire.UTF16Len(text); n == 0",
		"n := len(text); n == 0"},
	{"MSG-1 any parentMessageId is taken", "sdk/message.go", "chats.send",
		`	if parent != "" && !wire.IsUUID(parent) {`,
		`	if false {`},
	{"MSG-1 parentMessageId is not sent", "sdk/message.go", "chats.send",
		`		ParentMessageID: parent,
`,
		""},
	{"MSG-1 a chat that is not active is written to", "sdk/message.go", "chats.send",
		`	if e.status != wire.EngagementActive {`,
		`	if false {`},
	{"MSG-3 messages overtake each other", "sdk/message.go", "chats.send",
		`	if len(e.sends) == 1 {`,
		`	if len(e.sends) >= 1 {`},
	{"MSG-4 messages are sent without a key", "sdk/message.go", "chats.send",
		`		CorrelationID:   key,
`,
		`		CorrelationID:   "",
`},
	{"MSG-4 a message is given up after ten seconds of outage", "sdk/message.go", "chats.send",
		`until: now + c.sendTimeout, done: done}`,
		`until: now + 10e9, done: done}`},
	{"MSG-5 MESSAGE_DELIVERED before the promise", "sdk/message.go", "chats.messageEvent",
		`if m := e.sendOf(w); m != nil {`,
		`if m := e.sendOf(w); false && m != nil {`},
	{"MSG-6 what the user sent from another session arrives as another's", "sdk/message.go", "chats.raiseMessage",
		`	if w.SenderParticipantType == wire.ParticipantCustomer {
		t =`,
		`	if w.SessionID == c.session {
		t =`},
	{"MSG-6 one's own messages arrive", "sdk/message.go", "chats.raiseMessage",
		`		t = EventMessageDelivered
`,
		`		t = EventMessageArrived
`},
	{"MSG-2 a body without a format is HTML", "sdk/message.go", "chats.message",
		`		body.TextFormat = wire.TextPlain
`,
		`		body.TextFormat = wire.TextHTML
`},
	{"MSG-2 messages have no parentMessageId", "sdk/message.go", "chats.message",
		`		ParentMessageID: w.ParentMessageID,
`,
		""},
	{"MSG-2 the sender is not named", "sdk/message.go", "chats.message",
		`		SenderParticipant: c.named(Participant{`,
		`		SenderParticipant: (Participant{`},
	{"PAGE-1 pages of 50 are too large", "sdk/page.go", "chats.newestPage",
		"size < 1 || size > wire.MaxPageSize",
		"size < 1 || size >= wire.MaxPageSize"},
	{"PAGE-1 a bad page size is 50", "sdk/page.go", "chats.newestPage",
		`		size = wire.DefaultPageSize
`,
		`		size = wire.MaxPageSize
`},
	{"PAGE-3 messages after the snapshot are in it", "sdk/page.go", "Cursor.keep",
		`(at.reaches(m) || own)`,
		`(at.reaches(m) || own || true)`},
	{"PAGE-3 what has yet to be delivered is in the history, too", "sdk/page.go", "Cursor.reaches",
		`m.EventID <= at.Seen && !undelivered`,
		`m.EventID <= at.Seen && (!undelivered || true)`},
	{"PAGE-3 what a re-reading has left out is not in the history", "sdk/message.go", "chats.raiseMessage",
		`if e.raisedFrom == 0 || w.MessageIndex > e.raisedTo+1 {`,
		`if e.raisedFrom == 0 {`},
	{"PAGE-2 hasPrevious tells of a page that has yet to be delivered", "sdk/page.go", "chats.collect",
		`&& !at.reaches(&list[0])`,
		`&& false`},
	{"PAGE-3 the page's own last message is in neither history nor events", "sdk/page.go", "Cursor.keep",
		`(at.reaches(m) || own)`,
		`(at.reaches(m) || false && own)`},
	{"PAGE-4 next goes beyond the newest page", "sdk/page.go", "chats.turn",
		"at.Newest >= at.End:",
		"at.Newest > at.End:"},
	{"PAGE-4 previous goes beyond the oldest page", "sdk/page.go", "chats.turn",
		"to == Older && at.Oldest <= 1:",
		"to == Older && at.Oldest < 0:"},
	{"PAGE-4 a failed move is ACS-316", "sdk/page.go", "chats.turn",
		"failBecause(CodeFetchFailed, detail, cause)",
		"failBecause(CodeIteratorFailed, detail, cause)"},
	{"PAGE-4 a failed first page is ACS-317", "sdk/page.go", "chats.newestPage",
		"failBecause(CodeIteratorFailed, err.Message, err)",
		"failBecause(CodeFetchFailed, err.Message, err)"},
	{"PAGE-2 oldest first", "sdk/page.go", "chats.page",
		"c.message(&list[len(list)-1-i])",
		"c.message(&list[i])"},
	{"PAGE-2 hasNext is always false", "sdk/page.go", "chats.turn",
		`		newer := list[len(list)-1].MessageIndex < at.End`,
		`		newer := false`},
	{"PAGE-2 a page is one short where it was topped up", "sdk/page.go", "chats.collect",
		`	if extra := len(list) - at.Size; extra > 0 {`,
		`	if extra := len(list) - at.Size + 1; list != nil && extra > 0 {`},
	{"PAGE-3 history of a chat that is joined while it is read holds what comes as events", "sdk/page.go", "chats.newestPage",
		`		case outside && (cameIn() || e.raisedTo > at.UndeliveredTo):`,
		`		case outside && list == nil:`},
	{"PAGE-3 history of a chat that is joined and ends while it is read holds what came as events", "sdk/page.go", "chats.newestPage",
		`(cameIn() || e.raisedTo > at.UndeliveredTo)`,
		`cameIn()`},
	{"ENG-5 MSG-6 a chat whose disconnect fails stays silent", "sdk/chats.go", "chats.apply",
		`		if e.member >= memberLeft {
			return // disconnected before`,
		`		if e.ended() {
			return // disconnected before`},
	{"ENG-3 what the answer of a create says after its event is kept from the page", "sdk/chats.go", "chats.settleCreation",
		"c.changed(c.merge(&w))",
		"c.merge(&w)"},
	{"STREAM-7 what a re-read delivered of a chat that had ended is delivered again", "sdk/resync.go", "chats.raiseMissed",
		"e.reReadID, e.deliveredID = math.MaxUint64, math.MaxUint64",
		"e.reReadID = target"},
	{"STREAM-7 a chat that was created and has ended in what was lost is never delivered", "sdk/resync.go", "chats.raiseMissed",
		`e.participants, e.awaitsInside()
`,
		`e.participants, e.member == memberJoined
`},
	{"STREAM-7 a chat that is created while the chats are read again is reported as ended", "sdk/resync.go", "chats.reread",
		`if w == nil && !known[id] {`,
		`if w == nil && len(known) > len(c.engagements) {`},
	{"STREAM-7 resumed is false before INITIALIZED", "sdk/stream.go", "stream.opened",
		` || st.initial
`,
		`
`},
	{"JWT-3 the refusal of the old token that crosses the new one drops the stream", "sdk/stream.go", "stream.olderTokenRefused",
		`return st.renewals > 0 || st.token != token`,
		`return st.token != token`},
	{"JWT-2 the end of a token that was set in place is taken for the end of the one before", "sdk/stream.go", "stream.frame",
		`		st.renewals = max(0, st.renewals-1)
`,
		""},
	{"STREAM-7 newer events overtake those that were missed", "sdk/perform.go", "session.streamReady",
		`		s.stream.hold()
`,
		""},
	{"STREAM-7 what was re-read comes again", "sdk/stream.go", "stream.release",
		`	st.lastID = max(st.lastID, position)
`,
		""},
	{"STREAM-7 what was delivered before is raised again", "sdk/resync.go", "chats.missed",
		`if m.EventID > last && m.EventID <= at.Seen {`,
		`if m.EventID <= at.Seen {`},
	{"STREAM-7 chats that ended meanwhile go on", "sdk/resync.go", "chats.raiseMissed",
		`	if w == nil && e.wasInside() {`,
		`	if false {`},
	{"STREAM-7 who came meanwhile is not delivered", "sdk/resync.go", "chats.raiseMissed",
		` && !has(e.participants, p.ParticipantID) {`,
		` && false {`},
	{"MSG-4 a send whose message is re-read is sent on", "sdk/resync.go", "chats.raiseMissed",
		`		if n := e.sendOf(m); n != nil {`,
		`		if n := e.sendOf(m); false && n != nil {`},
	{"INIT-4 a missing appkey is taken", "sdk/decode.go", "InitParams.check",
		`	if p.Appkey == "" {`,
		`	if false {`},
	{"INIT-1 a missing hostURL is an invalid one", "sdk/decode.go", "InitParams.check",
		`return fail(CodeNoURL, "pass hostURL")`,
		`return fail(CodeInvalidURL, "pass hostURL")`},
	{"INIT-1 any scheme is taken", "sdk/decode.go", "validURL",
		`		if rest, ok = cutPrefixFold(u, "http://"); !ok {
			return false
		}`,
		`		_, rest, _ = strings.Cut(u, "://")`},
	{"INIT-2 any integrationId is taken", "sdk/decode.go", "InitParams.check",
		`	if !wire.IsUUID(p.IntegrationID) {`,
		`	if p.IntegrationID == "" {`},
	{"INIT-3 a missing token is an invalid one, of init", "sdk/decode.go", "InitParams.check",
		`return fail(CodeNoToken, "pass token")`,
		`return fail(CodeTokenInvalid, "pass token")`},
	{"INIT-5 params that are no object are a constraint violation", "sdk/decode.go", "decodeParams",
		`return p, fail(CodeInitParams, "params must be an object")`,
		`return p, fail(CodeConstraintViolation, "params must be an object")`},
	{"INIT-5 keys of 65 characters", "sdk/decode.go", "checkParameters",
		"wire.UTF16Len(k) > wire.MaxParameterKey:",
		"wire.UTF16Len(k) > wire.MaxParameterKey+1:"},
	{"INIT-5 values of 257 characters", "sdk/decode.go", "checkParameters",
		"wire.UTF16Len(v) > wire.MaxParameterValue:",
		"wire.UTF16Len(v) > wire.MaxParameterValue+1:"},
	{"INIT-6 a config that is no object is ignored", "sdk/decode.go", "decodeConfig",
		`		return c, fail(CodeConfiguration, "config must be an object")`,
		`		return c, nil`},
	{"INIT-6 reconnectionTimeout begins at 121 seconds", "sdk/decode.go", "Config.normalize",
		"bound(&c.ReconnectionTimeout, minReconnectionTimeout",
		"bound(&c.ReconnectionTimeout, minReconnectionTimeout+time.Second"},
	{"INIT-6 reconnectionTimeout goes up to 900 seconds", "sdk/decode.go", "Config.normalize",
		"bound(&c.ReconnectionTimeout, minReconnectionTimeout, maxReconnectionTimeout",
		"bound(&c.ReconnectionTimeout, minReconnectionTimeout, 3*maxReconnectionTimeout"},
	{"INIT-6 idleTimeout is 900 seconds by default", "sdk/decode.go", "Config.normalize",
		"maxIdleTimeout, defaultIdleTimeout, true",
		"maxIdleTimeout, 3*defaultIdleTimeout, true"},
	{"INIT-6 idleShutdownGraceTimeout goes up to 300 seconds", "sdk/decode.go", "Config.normalize",
		"minIdleGrace, maxIdleGrace, defaultIdleGrace",
		"minIdleGrace, 300*time.Second, defaultIdleGrace"},
	{"INIT-6 no config is not warned of", "sdk/decode.go", "Config.normalize",
		`	if none {`,
		`	if none && false {`},
	{"INIT-6 seconds are taken for milliseconds", "sdk/decode.go", "decodeConfig",
		"time.Duration(ms) * time.Millisecond",
		"time.Duration(ms) * time.Microsecond"},
	{"MSG-2 messages have no receivedAt", "wasm/encode_gen.go", "messageMembers",
		`	milliseconds(w, "receivedAt", v.ReceivedAt)
`,
		""},
	{"MSG-2 a reply does not say to what", "wasm/encode_gen.go", "messageMembers",
		`	w.OptStr("parentMessageId", v.ParentMessageID)
`,
		""},
	{"EV-7 seconds are milliseconds", "wasm/encode.go", "seconds",
		`	w.Integer(name, ms/1000)
`,
		`	w.Integer(name, ms)
`},
	{"EV-4 TOKEN_EXPIRED has an eventDate for its expiredDate", "wasm/encode_gen.go", "encodeEvent",
		`milliseconds(w, "expiredDate", v.Date)`,
		`milliseconds(w, "eventDate", v.Date)`},
	{"ENG-7 the page's engagements do not follow events", "wasm/encode_gen.go", "encodeRaised",
		`	if v.Engagement != nil {
`,
		`	if false {
`},
	{"EV-2 SHUTDOWN does not say why", "wasm/encode_gen.go", "encodeEvent",
		`				w.OptStr("reason", v.Reason)
`,
		""},
	{"EV-11 MESSAGE_ARRIVED has no message", "wasm/encode_gen.go", "encodeEvent",
		`			messageMembers(v.Message, w)
`,
		""},
	{"NS-6 a failed getEngagementById resolves", "wasm/bridge.go", "bridge.run",
		"none(struct{}{}, err)",
		"none(struct{}{}, nil)"},
	{"PAGE-2 next turns back", "wasm/bridge.go", "bridge.run",
		`		if a.str(3) == "newer" {`,
		`		if a.str(3) == "" {`},
	{"PAGE-1 no page size is a bad one", "wasm/bridge.go", "arguments.pageSize",
		`	if a.at(i).IsUndefined() {
		return wire.DefaultPageSize`,
		`	if a.at(i).IsUndefined() {
		return 0`},
	{"MSG-1 a number is sent as an empty message", "wasm/bridge.go", "bridge.run",
		`		if a.at(3).Type() != js.TypeString {`,
		`		if a.at(3).IsUndefined() {`},
	{"STREAM-5 offline is taken for visible", "wasm/bridge.go", "bridge.run",
		`			c.Wake(sdk.WakeOffline)`,
		`			c.Wake(sdk.WakeVisible)`},
	{"ENG-5 the reason of disconnect is lost", "wasm/bridge.go", "bridge.run",
		"c.Disconnect(a.str(2), wire.Reason(reason),",
		"c.Disconnect(a.str(2), wire.Reason(reason[:0]),"},
	{"EV-12 a page that was behind receives nothing more", "wasm/bridge.go", "bridge.run",
		`		case b.drained <- struct{}{}:
`,
		`		case make(chan struct{}) <- struct{}{}:
`},
	{"EV-12 of several frames in a message only the first is delivered", "wasm/transport.go", "socket.onMessage",
		"frame, rest, more = bytes.Cut(rest, []byte(wire.FrameSeparator))",
		"frame, _, _ = bytes.Cut(rest, []byte(wire.FrameSeparator))\n\t\tmore = false"},
	{"SES-1 the session id is never forgotten", "wasm/transport.go", "storage.Remove",
		`s.call("removeItem", key)`,
		`s.call("getItem", key)`},
	{"MSG-4 Retry-After is in milliseconds", "wasm/transport.go", "fetch",
		"time.Duration(n) * time.Second",
		"time.Duration(n) * time.Millisecond"},
	{"EV-7 the close code is lost", "wasm/transport.go", "onClose",
		`s.finish(event.Get("code").Int(), event.Get(`,
		"s.finish(1006, event.Get("},
	{"INIT-4 the appkey is not sent", "wasm/transport.go", "appendFetchOptions",
		`o.Str(wire.HeaderAppkey, r.Appkey)`,
		`o.Str(wire.HeaderAppkey, "")`},
	{"NS-2 a list of handlers instead of one", "js/src/handlers.js", "setHandler",
		"if (type) handlers.set(type, { handler,",
		"const before = handlers.get(/** @type {any} */ (type)); if (type) handlers.set(type, { handler: before ? (p) => { before.handler(p); return handler(p); } : handler,"},
	{"NS-2 a handler that is no function is taken", "js/src/handlers.js", "setHandler",
		`if (typeof handler !== "function") throw`,
		`if (typeof handler === "undefined") throw`},
	{"NS-2 a handler that throws stops the rest", "js/src/handlers.js", "callHandler",
		`  } catch (e) {
    failed(e);
  }
`,
		`  } catch (e) {
    failed(e);
    throw e;
  }
`},
	{"NS-2 a rejection of a handler goes unhandled", "js/src/handlers.js", "callHandler",
		`    if (result && typeof result.then === "function") result.then(undefined, failed);
`,
		""},
	{"NS-2 unknown events are not warned of", "js/src/handlers.js", "eventNamed",
		`logMistake("ACS-203: Event does not exist - " + `,
		`void ("ACS-203: Event does not exist - " + `},
	{"NS-3 off without a name removes nothing", "js/src/handlers.js", "removeHandler",
		`    handlers.clear();
`,
		""},
	{"NS-3 off of what is not registered is silent", "js/src/handlers.js", "removeHandler",
		"if (type && !handlers.delete(type)) log(",
		"if (type && !handlers.delete(type) && !type) log("},
	{"EV-5 IDLE_TIMEOUT is no name", "js/src/handlers.js", "eventNamed",
		`(name === "IDLE_TIMEOUT" ? "IDLE_TIMEOUT_EXPIRED" : name)`,
		"(name)"},
	{"NS-8 no resetTimer", "js/src/sdk.js", "",
		`  resetTimer: () => execute("resetIdleTimeout"),
`,
		""},
	{"MSG-5 MESSAGE_DELIVERED before the page's await goes on", "js/src/delivery.js", "drain",
		"while (queue.length && !(settled && queue[0].event))",
		"while (queue.length)"},
	{"MSG-5 only a microtask between promise and event", "js/src/delivery.js", "handle",
		"runTask(goOn);",
		"Promise.resolve().then(goOn);"},
	{"PAGE-3 what waits in the queue counts as delivered", "js/src/session.js", "newEngagement",
		"/** @type {Known} */ (mine._engagements.get(id))._delivered",
		"1e9"},
	{"MSG-2 receivedAt stays a number", "js/src/session.js", "",
		`"expiredDate", "receivedAt", `,
		`"expiredDate", `},
	{"EV-4 expiredDate stays a number", "js/src/session.js", "",
		`"expiryDate", "expiredDate", `,
		`"expiryDate", `},
	{"ENG-1 createdAt stays a number", "js/src/session.js", "",
		`"lastUpdatedAt", "createdAt"]);

/**
 * Turns`,
		`"lastUpdatedAt"]);

/**
 * Turns`},
	{"ENG-2 data members are as they were at first", "js/src/session.js", "defineMembers",
		"enumerable: true, configurable: true, get: data[name] }",
		"enumerable: true, configurable: true, value: data[name]() }"},
	{"ENG-2 methods are not enumerable", "js/src/session.js", "defineMembers",
		"enumerable: true, configurable: true, writable: true, value: methods[name]",
		"enumerable: false, configurable: true, writable: true, value: methods[name]"},
	{"ENG-2 methods are not bound", "js/src/session.js", "newEngagement",
		`    sendMessage: (text, parentMessageId) => act("sendMessage", [id, text, parentMessageId], withDates),`,
		`    sendMessage: function (text, parentMessageId) { return this instanceof Engagement ? act("sendMessage", [id, text, parentMessageId], withDates) : Promise.reject(new TypeError("unbound")); },`},
	{"SHUT-2 old engagements work on in the next session", "js/src/session.js", "newEngagement",
		"(mine === session ? call(op, args, read) :",
		"(session ? call(op, args, read) :"},
	{"SHUT-2 old pages turn on in the next session", "js/src/session.js", "move",
		`      if (mine !== session) throw notInitialized();
`,
		""},
	{"SHUT-2 a new session has the objects of the old one", "js/src/delivery.js", "handle",
		`if (item.event === "SHUTDOWN") endSession();`,
		""},
	{"NS-5 each look gives another object", "js/src/session.js", "engagementOf",
		`  if (known) {
    assign(known._record, record);
    return known._object;
  }`,
		"  if (known) assign(known._record, record);"},
	{"INIT-7 INITIALIZED has an object of its own", "js/src/session.js", "userOf",
		"  if (!session._user) session._user",
		"  session._user"},
	{"ENG-7 the handler runs before the engagement changes", "js/src/delivery.js", "handle",
		`    if (item.engagement) engagementOf(item.engagement);
`,
		`    if (item.engagement) Promise.resolve().then(() => engagementOf(item.engagement));
`},
	{"ENG-1 pages share the list of participants", "js/src/session.js", "newEngagement",
		"data.participants = () => record.participants.slice();",
		"data.participants = () => record.participants;"},
	{"PAGE-2 reverse turns the page itself", "js/src/session.js", "newPageIterator",
		"{ items: () => page.items.slice() }",
		"{ items: () => page.items }"},
	{"PAGE-4 two moves at once start from the same page", "js/src/session.js", "move",
		`    last = moved.catch(() => {});
`,
		""},
	{"PAGE-5 for await begins with the second page", "js/src/session.js", "newWalk",
		`  let begun = false;
`,
		`  let begun = true;
`},
	{"NS-6 getEngagementById is a promise only", "js/src/sdk.js", "getEngagementById",
		"    if (!known) return",
		"    if (!known || known) return"},
	{"NS-6 a promise that nobody looks at goes unhandled", "js/src/sdk.js", "getEngagementById",
		`    found.catch(() => {});
`,
		""},
	{"NS-14 the namespace can be changed", "js/src/sdk.js", "",
		"of [ACSException, Engagement, sdk])",
		"of [ACSException, Engagement])"},
	{"NS-14 the classes can be changed", "js/src/sdk.js", "",
		"of [ACSException, Engagement, sdk])",
		"of [sdk])"},
	{"NS-14 the enums can be changed", "js/src/enums.js", "",
		`LogLevel = freeze({ DEBUG: "DEBUG",`,
		`LogLevel = ({ DEBUG: "DEBUG",`},
	{"NS-10 an unknown level is taken", "js/src/sdk.js", "setLogLevel",
		"    if (!isLevel(to)) throw",
		"    if (to === undefined) throw"},
	{"NS-13 calls while init loads the core say that init is missing", "js/src/bridge.js", "",
		`  if (starting) throw inProgress();
  if (!core) throw notInitialized();
  const id`,
		`  if (!core) throw notInitialized();
  const id`},
	{"INIT-8 a second init while the core loads begins again", "js/src/sdk.js", "init",
		`    if (starting) return Promise.reject(inProgress());
`,
		""},
	{"INIT-5 what JSON can not say is left out", "js/src/sdk.js", "json",
		"return /undefined|function|symbol|bigint/.test(typeof v) ? null : v;",
		`return typeof v === "bigint" ? null : v;`},
	{"INIT-9 a load that failed is never tried again", "js/src/load.js", "load",
		`    loading.catch(() => {
      loading = null;
    });
`,
		`    loading.catch(() => {});
`},
	{"STREAM-5 online is not reported", "js/src/wake.js", "watch",
		`  listenTo(window, "online", () => notify("wake", "online"));
`,
		""},
	{"STREAM-5 a page that becomes visible is not reported", "js/src/wake.js", "watch",
		`  listenTo(document, "visibilitychange", wakeIfVisible);
`,
		""},
	{"EV-12 a page that was behind never receives more", "js/src/delivery.js", "drain",
		`    notify("drained");
`,
		""},
	{"NS-1 INIT-9 an image named currentScript is taken for the script", "js/src/load.js", "",
		`(documentProperty("currentScript"))`,
		"(document.currentScript)"},
	{"NS-1 INIT-9 an element named addEventListener is taken for the document's method", "js/src/wake.js", "watch",
		`listenTo(document, "resume", wakeIfVisible)`,
		`document.addEventListener("resume", wakeIfVisible)`},
	{"STREAM-5 an element named visibilityState is taken for the page's state", "js/src/wake.js", "wakeIfVisible",
		`documentProperty("visibilityState")`,
		"document.visibilityState"},
	{"NS-1 an element that has the namespace's name stops the script", "js/avaya-ccaas-chat-sdk.js", "",
		`if (!ownGlobal("AvayaCCaaSChatSDK")) {`,
		"if (!window.AvayaCCaaSChatSDK) {"},
	{"INIT-9 the hash of another origin's wasm is not checked", "js/src/load.js", "",
		"new URL(a).origin === new URL(b).origin",
		"true"},
	{"INIT-9 a redirection to another origin is followed without a hash", "js/src/load.js", "fetchModule",
		"if (!integrity && response.url && !sameOrigin(response.url, home)) {",
		"if (false) {"},
	{"INIT-9 a script starts the snapshot of another build", "js/src/core.js", "checkBuild",
		"if (run._build === BUILD) return;",
		"if (run._build) return;"},
	{"INIT-9 a snapshot forgets how often Go holds a value", "js/pack/snapshot/snapshot.go", "page.store",
		"p.counts[id]++",
		"p.counts[id] = 0"},
	{"INIT-9 a snapshot is taken of a program that waits for a timer", "js/pack/snapshot/snapshot.go", "page.serve",
		`f = func(uint32) { p.refuse("it calls %s", name) }`,
		"f = func(uint32) { _ = name }"},
	{"INIT-9 a snapshot begins with the registers of a program that has not run", "js/pack/snapshot/snapshot.go", "Take",
		"file.SetGlobals(registers)",
		"_ = registers"},
	{"INIT-9 a wasm is stripped whose reflection depends on names", "js/pack/strip/strip.go", "Strip",
		"slices.Contains(checked, f.Name)",
		"false"},
	{"NS-1 callbacks are bound by the page's bind", "js/src/core.js", "",
		"bound: (f, id) => (value) => f(id, value),",
		"bound: (f, id) => f.bind(null, id),"},
	{"NS-1 what a page adds to Object.prototype is part of what the core says", "js/src/delivery.js", "enqueue",
		"queue.push(setPrototypeOf(item, null))",
		"queue.push(item)"},
	{"NS-1 the glue has the page's Reflect of the moment", "js/src/realm.js", "",
		"export const Reflect = { apply, construct, get, set, deleteProperty };",
		"export const Reflect = { get apply() { return window.Reflect.apply; }, construct, get, set, deleteProperty };"},
	{"NS-1 the glue has the page's Uint8Array", "js/src/realm.js", "",
		"export const Uint8Array = /** @type {Uint8ArrayConstructor} */ (!TextEncoder ? window.Uint8Array : new TextEncoder().encode().constructor);",
		"export const { Uint8Array } = window;"},
	{"NS-13 the message of an error is left to the page's Error", "js/src/errors.js", "constructor",
		`    defineProperty(this, "message", hidden(message));
`,
		""},
	{"NS-1 the core's timers and sockets are work of the page's zone", "js/src/core.js", "started",
		"run._command = (...args) => inRootZone(command, ...args);",
		"run._command = command;"},
	{"NS-2 handlers run in no zone of the page", "js/src/handlers.js", "callHandler",
		"zone ? zone.run(handler, undefined, [payload]) : handler(payload)",
		"handler(payload)"},
	{"NS-13 errors have no code", "js/src/errors.js", "constructor",
		`    this.code = code;
`,
		""},
	{"STREAM-3 a reconnected stream begins one event too late", "sdk/stream.go", "stream.dialed",
		`	last := st.lastID
`,
		`	last := st.lastID + 1
`},
	{"STREAM-2 STREAM-4 the timer is not armed for the stream", "sdk/session.go", "session.sleep",
		`		sooner(s.stream.nextTimer())
`,
		""},
	{"STREAM-4 each look at the page puts off the end of a dead connection", "sdk/stream.go", "stream.probe",
		`now >= st.deadAt || by < st.deadAt`,
		`now >= st.deadAt || by != 0`},
	{"STREAM-7 a re-reading that broke off raises its messages again", "sdk/resync.go", "chats.missed",
		`		last = max(last, e.reReadID)`,
		`		last = max(last, 0)`},
	{"STREAM-7 what a chat's last minute held is lost when it ended meanwhile", "sdk/resync.go", "chats.rereadNext",
		`		at.Seen = math.MaxUint64 //`,
		`		at.Seen = r.target //`},
	{"SHUT-2 the stream's reader outlives the session", "sdk/connection.go", "connection.drop",
		`	if c.conn != nil {
		c.conn.Close(code, "")
	}
`,
		""},
	{"INIT-3 identifiers as lists are refused", "web/gateway/claims.go", "texts.UnmarshalJSON",
		`	case '[':
		if err := json.Unmarshal(text, &elements); err != nil {
			return err
		}
`,
		""},
	{"INIT-3 identifiers as single strings are refused", "web/gateway/claims.go", "texts.UnmarshalJSON",
		`	case '"':
		t.alone, elements = true, []jsontext.Value{value}
`,
		""},
	{"INIT-3 any number of identifiers is taken", "web/gateway/claims.go", "checkIdentifiers",
		`m != nil && (len(m) < 1 || len(m) > maxIdentifiers)`,
		`m != nil && len(m) < 1`},
	{"INIT-3 an identifier's key may be longer", "web/gateway/claims.go", "checkIdentifiers",
		`n < 1 || n > maxIdentifierKey`,
		`n < 1 || n > maxIdentifierKey+1`},
	{"INIT-3 an identifier may have any number of values", "web/gateway/claims.go", "checkIdentifiers",
		`		if len(values.list) > maxIdentifierValues {`,
		`		if len(values.list) > maxIdentifierValues+1 {`},
	{"INIT-3 an identifier's value may be empty", "web/gateway/claims.go", "checkIdentifiers",
		`n < 1 || n > maxIdentifierValue {`,
		`n > maxIdentifierValue {`},
	{"INIT-3 an identifier's value may be longer", "web/gateway/claims.go", "checkIdentifiers",
		`n < 1 || n > maxIdentifierValue {`,
		`n < 1 || n > maxIdentifierValue+1 {`},
	{"INIT-3 the bodies that ask for a token are not checked", "web/gateway/rest.go", "tokenRequest.check",
		`	if v := checkIdentifiers(in.Identifiers); v != nil {
		return httpapi.Invalid(v.Field, v.Message, v.Code)
	}
`,
		""},
	{"INIT-3 the claims of a token are not checked", "web/gateway/claims.go", "readClaims",
		`	if v := checkIdentifiers(in.Identifiers); v != nil {
		return nil, refuse(errUnauthorized, *v)
	}
`,
		""},
	{"INIT-3 a value of another type is malformed JSON", "web/httpapi/body.go", "otherShape",
		`	case !errors.As(err, &wrong) || !jsontext.Value(body).IsValid():`,
		`	case !errors.As(err, &wrong) || !jsontext.Value(body).IsValid() || body != nil:`},
	{"INIT-3 what is no JSON is a value of another type", "web/httpapi/body.go", "otherShape",
		`	case !errors.As(err, &wrong) || !jsontext.Value(body).IsValid():`,
		`	case !errors.As(err, &wrong) || jsontext.Value(body) == nil:`},
	{"INIT-3 a value of another type is named by its last step alone", "sdk/wire/json.go", "TypeError.Within",
		`	e.Field = step + e.Field
`,
		`	if e.Field == "" {
		e.Field = step
	}
`},
	{"INIT-3 the element of a list is not named", "web/gateway/claims.go", "texts.UnmarshalJSON",
		`&wire.TypeError{Field: "[" + strconv.Itoa(i) + "]", Want: "string"}`,
		`&wire.TypeError{Want: "string"}`},
	{"INIT-3 claims are named before the signature is verified", "web/gateway/auth.go", "verifier.verify",
		`	if _, err := v.parser.ParseWithClaims(token, &signed, v.candidates(ctx, &signed)); err != nil {
		return nil, whyUnsigned(err)
	}
	claims, err := readClaims(signed.text)
	if err != nil {
		return nil, err
	}
`,
		`	_, unsigned := v.parser.ParseWithClaims(token, &signed, v.candidates(ctx, &signed))
	claims, err := readClaims(signed.text)
	if err != nil {
		return nil, err
	}
	if unsigned != nil {
		return nil, errUnauthorized
	}
`},
	{"INIT-3 dates in milliseconds are taken", "web/gateway/claims.go", "readClaims",
		`*d.seconds < 0 || *d.seconds >= minMilliseconds`,
		`*d.seconds < 0 || *d.seconds >= 1<<50`},
	{"INIT-4 a wrong appkey reads as a bad token", "web/gateway/problem.go", "tokenProblem",
		`http.StatusForbidden, wire.ProblemForbidden, "The token is sound, but "`,
		`http.StatusUnauthorized, wire.ProblemUnauthorized, "The token is sound, but "`},
	{"INIT-4 the stream does not say what is refused", "web/gateway/stream.go", "refusalReason",
		`	if !errors.As(err, &r) {
		return "the token was refused"
	}
`,
		`	if !errors.As(err, &r) || r != nil {
		return "the token was refused"
	}
`},
	{"INIT-3 pages may not read the date of answers", "web/httpapi/server.go", "Server.CORS",
		`"Date, Retry-After"`,
		`"Retry-After"`},
	{"INIT-9 a prerendered page begins its session while it is hidden", "js/src/load.js", "",
		`  if (documentProperty("prerendering")) listenTo(`,
		`  if (!documentProperty("prerendering")) listenTo(`},
	{"INIT-9 a prerendered page that is shown never begins its session", "js/src/load.js", "",
		`document, "prerenderingchange", resolve`,
		`document, "prerenderingchanged", resolve`},
	{"INIT-8 a hidden page takes a second init", "js/src/sdk.js", "init",
		"    const started = inRootZone(() => shown()",
		`    if (document.prerendering) setStarting(false);
    const started = inRootZone(() => shown()`},
	{"NS-1 each call of another origin asks for leave", "wasm/transport.go", "appendFetchOptions",
		`	if past {
		o.Str(`,
		`	if true {
		o.Str(`},
	{"NS-5 chats are listed from the browser's cache", "wasm/transport.go", "transport.Do",
		`	if keepable && !past && answer.Status < 500 {`,
		`	if false {`},
	{"MSG-4 short answers are read as streams", "wasm/transport.go", "readBody",
		`	if !short && stream.Type()`,
		`	if stream.Type()`},
	{"MSG-4 answers without content are read as streams", "wasm/transport.go", "fetch",
		`	short := status == 204 || err == nil &&`,
		`	short := err == nil &&`},
	{"MSG-4 a message whose event comes first is aborted", "sdk/rest.go", "rest.stopRetrying",
		`	if c.retryAt == 0 {
		c.until = now`,
		`	if false {
		c.until = now`},
	{"INIT-9 an answer that is no array buffer is none", "wasm/transport.go", "readBody",
		`	all := text.String()
`,
		`	all := ""
`},
	{"INIT-9 without AbortController no call is made", "wasm/transport.go", "fetch",
		`controller.Type() == js.TypeFunction {`,
		`true {`},
	{"INIT-9 the wasm must come by the browser's own fetch", "js/src/load.js", "compile",
		"      if (response.bodyUsed) throw e;",
		"      throw e;"},
	{"MSG-1 501 messages may wait", "sdk/message.go", "chats.send",
		`	if len(e.sends) >= maxSends {`,
		`	if len(e.sends) > maxSends {`},
	{"MSG-1 ENG-5 SHUT-1 an empty string is an absent argument", "wasm/bridge.go", "arguments.optional",
		`		if s := v.String(); s != "" {
			return s, nil
		}
		return "", constraint(name + " must not be empty")`,
		`		return v.String(), nil`},
	{"NS-2 misspelt events are said as warnings only", "js/src/log.js", "logMistake",
		`log(known ? "WARN" : "ERROR", line)`,
		`log("WARN", line)`},
	{"NS-2 a misspelt event is said at ERROR each time", "js/src/log.js", "logMistake",
		`  if (!known) mistakes.push(line);
`,
		""},
	{"INIT-6 bad config is said at ERROR each time", "sdk/core.go", "Core.Mistake",
		`slices.Contains(lines, line) {
			c.logger.log(LogWarn, line)`,
		`slices.Contains(lines, line) {
			c.logger.log(LogError, line)`},
	{"INIT-6 misspelt names of params are ignored in silence", "wasm/bridge.go", "bridge.run",
		`		for _, line := range unknown {`,
		`		for _, line := range unknown[:0] {`},
	{"NS-10 a failed init leaves its log level", "js/src/sdk.js", "initialize",
		`      if (level === chosen) setLevel(before);
`,
		""},
	{"NS-10 config.logLevel counts only after init", "js/src/sdk.js", "initialize",
		`    if (isLevel(chosen)) setLevel(chosen);
    log("DEBUG", loaded);`,
		`    log("DEBUG", loaded);`},
	{"STORE-1 a data folder opens with any key", "web/store/encrypt.go", "checkKey",
		`case !hmac.Equal(want, keyCheck(key)):`,
		`case false && len(want) > 0:`},
	{"STORE-1 texts are stored as they are though there is a key", "web/store/nats.go", "Store.serve",
		`	if s.cfg.Key != "" {
		s.server.options.JetStreamCipher`,
		`	if false {
		s.server.options.JetStreamCipher`},
	{"NAME-1 a customer has the name of the system", "web/httpapi/name.go", "CustomerName",
		`if IsReservedName(name) {`,
		`if false {`},
	{"NAME-1 what turns a text around stays in a name", "web/httpapi/name.go", "PlainName",
		`unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co,`,
		`unicode.In(r, unicode.Cc, unicode.Co,`},
	{"NAME-1 an agent has the name of the system", "web/httpapi/validate.go", "StaffName",
		`case IsReservedName(value):`,
		`case false:`},
	{"SES-1 an erased customer's bytes stay in the files", "web/store/erase.go", "Store.overwrite",
		`		err := s.stream.SecureDeleteMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {`,
		`		err := s.stream.DeleteMsg(ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {`},
	{"SES-1 an erasure ends where the answer to a deletion was lost", "web/store/erase.go", "Store.overwrite",
		`			if _, reading := s.at(ctx, sequence); errors.Is(reading, ErrNotFound) {
				return nil
			}`,
		``},
	{"SES-1 what cannot be read does not exist", "web/store/nats.go", "Store.get",
		`			if s.unread() != unread {
				return ErrUnreadable
			}
			return ErrNotFound`,
		`			_ = unread
			return ErrNotFound`},
	{"DESK-1 an erased customer's chats stay on the desk", "web/desk/view.go", "Desk.follow",
		`		case e.Erased:
			d.view.erase(e.Customer)`,
		`		case e.Erased:`},
	{"SES-1 an export that was broken off counts as complete", "web/httpapi/server.go", "Server.writeLines",
		`panic(http.ErrAbortHandler)`,
		`return nil`},
	{"DESK-1 a server's refused call is missing from the audit log", "web/gateway/rest.go", "Gateway.noteCall",
		`	g.cfg.Audit.Note(e)
`,
		`	if err == nil {
		g.cfg.Audit.Note(e)
	}
`},
	{"OPS-1 any long credential is strong", "web/httpapi/validate.go", "CheckSecret",
		`if len(different) < MinDifferent {`,
		`if len(different) < 1 {`},
	{"OPS-1 the printed settings have a secret in them", "web/mask.go", "mask",
		`		return parts[0] + ":" + parts[1] + ":" + hidden(parts[2])`,
		`		return parts[0] + ":" + parts[1] + ":" + parts[2]`},
	{"OPS-1 a settings file with secrets may be read by everybody", "web/config.go", "everybodyMayRead",
		`info.Mode().Perm()&0o004 != 0`,
		`info.Mode().Perm()&0o004 > 4`},
	{"OPS-1 an unknown name in the environment is passed over", "web/sources.go", "readSettings",
		`m := env.unknown(options)`,
		`m := env.unknown(options)[:0]`},
	{"OPS-1 one secret serves two purposes", "web/access.go", "settings.checkSecrets",
		`if other := used[digest]; other != "" {`,
		`if other := used[digest]; other == "." {`},
	{"OPS-2 the customers' listener serves desks that have their own", "web/listen.go", "process.handleDesk",
		`	mux := http.NewServeMux()
	mux.Handle(desk.BasePath+"/", p.desk.Handler())`,
		`	mux := http.NewServeMux()
	customers.Handle(desk.BasePath+"/", p.desk.Handler())
	mux.Handle(desk.BasePath+"/", p.desk.Handler())`},
	{"OPS-2 connections take the store's file descriptors", "web/connections.go", "connections.add",
		`if s.open > s.max {`,
		`if s.open < 0 {`},
	{"OPS-3 a token counts at any age", "web/gateway/auth.go", "verifier.expiry",
		`	oldest := claims.IssuedAt.Add(v.maxAge)
	if !time.Now().Before(oldest) {`,
		`	oldest := claims.IssuedAt.Add(v.maxAge)
	if oldest.IsZero() {`},
	{"OPS-3 a stream outlives the age of its token", "web/gateway/auth.go", "verifier.expiry",
		`	if oldest.Before(exp) {
		return oldest, nil`,
		`	if oldest.Before(exp) {
		return exp, nil`},
	{"OPS-3 a key counts whatever kid a token names", "web/gateway/auth.go", "verifier.known",
		`if k.id == "" || k.id == kid {`,
		`if k.id != "-" {`},
	{"OPS-3 a published key that is not known yet is not looked for", "web/gateway/auth.go", "verifier.candidates",
		`if keys = v.fetchKeys(ctx, kid); len(keys) == 0 {`,
		`if keys = nil; len(keys) == 0 {`},
	{"OPS-3 the key of one account signs for another", "web/gateway/auth.go", "verifier.verify",
		`func(k verifyKey) bool { return k.accounts.Has(c.Account) })`,
		`func(k verifyKey) bool { return true })`},
	{"OPS-3 of several appkeys only the first counts", "web/gateway/auth.go", "hasAppkey",
		`for i := range want {`,
		`for i := range want[:min(len(want), 1)] {`},
	{"OPS-3 a key set that cannot be read has no keys", "web/jwks/jwks.go", "Set.take",
		`		s.failing = true
		return false`,
		`		s.failing, s.keys = true, nil
		return false`},
	{"OPS-3 a key set with a private key is taken", "web/jwks/parse.go", "jwk.key",
		`case j.D != "" || j.K != "" || j.Type == "oct":`,
		`case j.K != "" || j.Type == "oct":`},
	{"OPS-3 a token on the deny-list is taken", "web/gateway/grant.go", "verifier.denied",
		`case jti != [sha256.Size]byte{} && v.deny.has(c.Account, claimToken, jti):`,
		`case false:`},
	{"OPS-3 an entry of one account's deny-list counts for none", "web/gateway/deny.go", "DenyList.has",
		`return everywhere || here`,
		`return everywhere && here`},
	{"OPS-3 strangers' kids have a key set read again and again", "web/jwks/jwks.go", "Set.readSoon",
		`if !s.read.IsZero() && time.Since(s.read) < s.cfg.floor {`,
		`if false {`},
	{"OPS-3 keys are fetched from where a redirection leads", "web/jwks/fetch.go", "NewClient",
		`return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}`,
		`return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}`},
	{"OPS-4 a stream goes on whose customer has come onto the deny-list", "web/gateway/grant.go", "verifier.holds",
		`if err := v.denied(c, g.jti); err != nil {`,
		`if err := v.denied(c, g.jti); err != nil && false {`},
	{"OPS-4 a stream goes on whose key has been withdrawn", "web/gateway/grant.go", "verifier.holds",
		`if !slices.ContainsFunc(signers[g.key], func(a httpapi.Accounts) bool { return a.Has(c.Account) }) {`,
		`if slices.ContainsFunc(signers[g.key], func(a httpapi.Accounts) bool { return a.Has(c.Account) }) && false {`},
	{"OPS-4 settings that are refused have taken effect in part", "web/gateway/grant.go", "Gateway.Reload",
		`	cfg.Store, cfg.Logger, cfg.EnableGetJWT = g.store, g.log, g.cfg.EnableGetJWT
	if err := cfg.check(); err != nil {
		return`,
		`	cfg.Store, cfg.Logger, cfg.EnableGetJWT = g.store, g.log, g.cfg.EnableGetJWT
	g.api.Origins.Set(cfg.AllowedOrigins)
	if err := cfg.check(); err != nil {
		return`},
	{"OPS-4 an issuer that does not answer is taken by a reload", "web/access.go", "agentIssuer.open",
		`if err == nil && !optional {`,
		`if false {`},
	{"OPS-4 a desk of a withdrawn origin goes on", "web/desk/socket.go", "socket.check",
		`case s.origin != "" && !d.api.Origins.Has(s.origin):`,
		`case false:`},
	{"OPS-4 a desk goes on whose issuer has been replaced", "web/desk/socket.go", "socket.check",
		`case s.who.tokens != nil && s.who.tokens == access.tokens:`,
		`case s.who.tokens != nil && access.tokens != nil && d != nil:`},
	{"DESK-6 an agent's token for another audience is taken", "web/desk/issuer.go", "NewIssuer",
		`client: jwks.NewClient(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256}), jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
			jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),`,
		`client: jwks.NewClient(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256}), jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
			jwt.WithIssuer(cfg.Issuer),`},
	{"DESK-6 an agent's token of another issuer is taken", "web/desk/issuer.go", "NewIssuer",
		`client: jwks.NewClient(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256}), jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
			jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),`,
		`client: jwks.NewClient(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256}), jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
			jwt.WithAudience(cfg.Audience),`},
	{"DESK-6 an agent's token counts after its end", "web/desk/issuer.go", "checkExpiry",
		`	if !time.Now().Before(at) {
		return errExpiredToken`,
		`	if at.IsZero() {
		return errExpiredToken`},
	{"DESK-6 any role is taken", "web/desk/access.go", "newCaller",
		`if agent.Role != RoleAgent && agent.Role != RoleSupervisor {`,
		`if agent.Role == "" {`},
	{"DESK-6 a desk's socket outlives its token", "web/desk/socket.go", "socket.read",
		`if !who.expires.IsZero() {`,
		`if false {`},
	{"OPS-5 chats that are being created do not count", "web/gateway/quota.go", "quotas.admitChat",
		`if ongoing+q.entered(q.creating, c) > most {`,
		`if ongoing > most {`},
	{"OPS-5 an account's customers have any number of chats", "web/gateway/quota.go", "quotas.admitChat",
		`q.store.OngoingOfAccount(c.Account) >= most {`,
		`q.store.OngoingOfAccount(c.Account) < 0 {`},
	{"OPS-5 a customer has any number of calls in progress", "web/gateway/quota.go", "quotas.call",
		`if most := q.limits.Load().CustomerCalls; most >= 0 && q.entered(q.calls, c) > most {`,
		`if most := q.limits.Load().CustomerCalls; most >= 0 && q.entered(q.calls, c) < 0 {`},
	{"OPS-5 what an account is refused is taken from its customer", "web/gateway/quota.go", "hourly.take",
		`		h.ofCustomer.Return(customerKey(c), n)
		return h.refuse(`,
		`		return h.refuse(`},
	{"OPS-5 a repeated call uses up quota", "web/gateway/quota.go", "charge.refund",
		`if c.chats > 0 {`,
		`if false {`},
	{"OPS-6 a slow collector's spans fill the memory", "web/tracing/export.go", "queue.OnEnd",
		`if q.sender.pending.Add(1) > maxQueue {`,
		`if q.sender.pending.Add(1) < 0 {`},
	{"OPS-6 a stop leaves requests to the collector behind", "web/tracing/export.go", "Tracer.Close",
		`	defer t.queue.breakOff()
	if err`,
		`	if err`},
	{"OPS-6 a stranger's trace goes on", "web/tracing/tracing.go", "Tracer.Call",
		`trace.WithNewRoot(), trace.WithSpanKind`,
		`trace.WithSpanKind`},
	{"OPS-6 any header of an entry begins a trace", "web/tracing/tracing.go", "Tracer.parse",
		`return parent, parent.IsSampled()`,
		`return parent, true`},
	{"OPS-6 a trace does not go with the entry", "web/store/nats.go", "Store.publish",
		`header.Set(headerTrace, span.Traceparent())`,
		`_ = span.Traceparent()`},
	{"OPS-6 what is left of the traces is lost at a stop", "web/main.go", "process.stop",
		`p.logLate("traces", p.closeTraces())`,
		``},
	{"OPS-1 a page of a domain whose name only ends as an allowed one may call", "web/httpapi/origins.go", "Origins.Set",
		`strings.CutPrefix(origin.host, "*")`,
		`strings.CutPrefix(origin.host, "*.")`},
	{"OPS-1 a page below a domain may call at any port", "web/httpapi/origins.go", "subdomains.has",
		`o.port == s.port &&`,
		``},
	{"OPS-1 what is no origin fills the log", "web/httpapi/origins.go", "ShownOrigin",
		`		return "no origin"`,
		`		return origin`},
	{"NAME-1 a token has another name than is shown", "web/gateway/rest.go", "Gateway.mint",
		`CustomerName: httpapi.CustomerName(in.CustomerName), Identifiers`,
		`CustomerName: in.CustomerName, Identifiers`},
	{"NAME-1 a customer has the name of the bot", "web/httpapi/name.go", "reservedNames",
		`"system": true, strings.ToLower(BotName): true, "bot": true}`,
		`"system": true}`},
}
