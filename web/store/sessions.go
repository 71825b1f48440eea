package store

import (
	"context"
	"errors"
	"time"

	"openchat/sdk/wire"
)

// A session that nobody uses any more ends by itself. When it was used last is in its newest
// commit, which is stored again, as it is, when it is used and has become a part of
// SessionIdle old: so calls write nothing most of the time. The session is counted as gone where
// it is read; nothing has to look for it, and any process gets the same result.

// DefaultSessionIdle is the usual Config.SessionIdle.
const DefaultSessionIdle = 24 * time.Hour

// headerUsed says that the time of its commit is when the session was used last. Earlier versions do not
// say so, and a session of theirs does not expire until it has been used once.
const headerUsed = "Chat-Used"

const (
	// useShare is how old the newest commit of a session that is used becomes, as a part of SessionIdle.
	useShare = 8
	// uses is how many commits that say so are stored at once, but for those of KeepSessions.
	uses = 16
)

// SessionKey names a session.
type SessionKey struct {
	Customer  Customer
	SessionID string
}

// Session returns an active session, else ErrNotFound. That counts as a use: one that has not been
// used for Config.SessionIdle, and at most a quarter of that more, is ErrNotFound too.
func (s *Store) Session(ctx context.Context, c Customer, sessionID string) (Session, error) {
	session, noteUse, err := s.used(ctx, c, sessionID)
	if err == nil && noteUse != nil && s.ctx.Err() == nil {
		// Whoever reads does not wait, and succeeds where nothing can be written.
		select {
		case s.uses <- struct{}{}:
			s.wg.Go(func() {
				defer func() { <-s.uses }()
				ctx, cancel := context.WithTimeout(s.ctx, maxWait)
				defer cancel()
				_ = noteUse(ctx) // the next use does it again
			})
		default:
		}
	}
	return session, err
}

// KeepSessions counts the sessions that list returns as used, from time to time, until ctx ends. It is
// for those with an open stream. It returns at once where sessions do not expire.
func (s *Store) KeepSessions(ctx context.Context, list func() []SessionKey) {
	if s.cfg.SessionIdle <= 0 {
		return
	}
	tick := time.NewTicker(s.useAfter())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.ctx.Done():
			return
		}
		for _, key := range list() {
			_, noteUse, err := s.used(ctx, key.Customer, key.SessionID)
			if err == nil && noteUse != nil {
				err = noteUse(ctx)
			}
			if ctx.Err() != nil || s.ctx.Err() != nil {
				return
			}
			if err != nil && !errors.Is(err, ErrNotFound) {
				s.log.Warn("noting that a session is in use failed, it is done again later", "sessionId", key.SessionID, "error", err)
			}
		}
	}
}

// useAfter is how old the newest commit of a session becomes before a use is noted. What reaches MaxAge
// is forgotten.
func (s *Store) useAfter() time.Duration { return min(s.cfg.SessionIdle, s.cfg.MaxAge) / useShare }

// used returns an active session that has not expired, else ErrNotFound. noteUse, which is
// nil when there is no need, stores that the session is used.
func (s *Store) used(ctx context.Context, c Customer, sessionID string) (session Session, noteUse func(context.Context) error, err error) {
	k, e, err := s.load(ctx, c, sessionID, sessionSubject)
	if err != nil {
		return Session{}, nil, err
	}
	session = *k.Session
	if session.SessionStatus != wire.SessionActive {
		return session, nil, ErrNotFound
	}
	idle := s.cfg.SessionIdle
	if idle <= 0 {
		return session, nil, nil
	}
	at := time.Now
	if s.cfg.now != nil {
		at = s.cfg.now
	}
	unused, known := at().Sub(e.stored), e.header.Get(headerUsed) != ""
	// A use may have gone unnoted for 2/useShare: until it was due, and again until KeepSessions came by.
	if known && unused >= idle+2*idle/useShare {
		return session, nil, ErrNotFound
	}
	if known && unused < s.useAfter() {
		return session, nil, nil
	}
	return session, func(ctx context.Context) error {
		_, err := s.store(ctx, c, sessionSubject(c, sessionID), e.sequence, &commit{Session: k.Session})
		if errors.Is(err, errConflict) {
			return nil // noted by another, or ended
		}
		return err
	}, nil
}
