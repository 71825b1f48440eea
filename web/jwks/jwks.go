// Package jwks reads the keys that somebody else signs tokens with: a JWK Set (RFC 7517)
// in a file or at a URL, which is read again regularly, and at once when a token names a key
// that is not known yet.
//
//	set, err := jwks.New(jwks.Config{Source: "https://login.example/.well-known/jwks.json", Logger: log})
//	err = set.Load(ctx)  // or go on without: a key that is missing is looked for
//	go set.Run(ctx)      // until ctx ends
//	…
//	keys := set.Find(ctx, kid)
package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Config says where a set is and how often it is read. Only Source has no default.
type Config struct {
	// Source is a URL, or else the path of a file. The URL is https, or http on a loopback
	// address.
	Source string
	// Refresh is the time between two readings: MinRefresh to MaxRefresh. Zero:
	// DefaultRefresh.
	Refresh time.Duration
	// Client fetches from a URL. Nil: NewClient.
	Client *http.Client
	// Changed is called, when it is not nil, after the keys have changed, by the
	// goroutine that has read them.
	Changed func()
	// Logger receives what could not be read, once until it can be read again. Nil
	// discards it.
	Logger *slog.Logger

	floor time.Duration // between two readings, whatever they are for; 0: Floor. Other values are for tests
}

// Times of a Set.
const (
	DefaultRefresh = 10 * time.Minute
	MinRefresh     = time.Minute
	MaxRefresh     = 24 * time.Hour
	// Floor is the time between two readings for keys that are not known: strangers choose
	// what a token names.
	Floor = 10 * time.Second
	// fetchTime bounds one reading.
	fetchTime = 5 * time.Second
)

// Set is the keys of a source. Make one with New. Its methods are safe for concurrent use.
type Set struct {
	cfg Config
	url bool
	log *slog.Logger

	mu      sync.Mutex
	keys    []Key
	failing bool          // the last reading has failed, and the log says so
	read    time.Time     // when the last reading began; zero: there was none
	reading chan struct{} // closed when the present one ends; nil: there is none
	result  error         // of the last one
}

// CheckSource says what is wrong with a source, without reading it.
func CheckSource(source string) error {
	if source == "" {
		return errors.New("no file or URL of keys is given")
	}
	if !isURL(source) {
		return nil
	}
	u, err := url.Parse(source)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("not a URL that keys can be fetched from: https://host/path, without a user or a fragment")
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return errors.New("not https: who is in between could put keys of their own in the place of these")
	}
	return nil
}

// isURL reports whether the source is a URL, and not the path of a file.
func isURL(source string) bool {
	u, err := url.Parse(source)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http")
}

// New checks cfg. It reads nothing: Load and Run do.
func New(cfg Config) (*Set, error) {
	if err := CheckSource(cfg.Source); err != nil {
		return nil, fmt.Errorf("jwks: %s is %w", cfg.Source, err)
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = DefaultRefresh
	}
	if cfg.Refresh < MinRefresh || cfg.Refresh > MaxRefresh {
		return nil, fmt.Errorf("jwks: Config.Refresh is %v; %v to %v are possible", cfg.Refresh, MinRefresh, MaxRefresh)
	}
	if cfg.floor == 0 {
		cfg.floor = Floor
	}
	if cfg.Client == nil {
		cfg.Client = NewClient()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Set{cfg: cfg, url: isURL(cfg.Source), log: cfg.Logger}, nil
}

// Source returns where the set is.
func (s *Set) Source() string { return s.cfg.Source }

// Remote reports whether the source is a URL.
func (s *Set) Remote() bool { return s.url }

// Keys returns the keys as they were read last. The caller must not change them.
func (s *Set) Keys() []Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// Find returns the keys with that kid and those without one. Where none has that kid, it
// reads the source first, unless that was done a moment ago, and waits for it until ctx
// ends. A kid of "" stands for a token that names no key, and gets every key.
func (s *Set) Find(ctx context.Context, kid string) []Key {
	found, named := s.find(kid)
	if named || kid == "" || len(kid) > MaxID {
		return found
	}
	if s.readSoon(ctx) {
		found, _ = s.find(kid)
	}
	return found
}

// find returns the keys for a kid, and whether one of them has it.
func (s *Set) find(kid string) (found []Key, named bool) {
	for _, k := range s.Keys() {
		if kid == "" || k.ID == "" || k.ID == kid {
			found = append(found, k)
			named = named || k.ID == kid
		}
	}
	return found, named
}

// readSoon waits for a reading that begins now or is in progress; false when the floor
// forbids one, or ctx has ended before.
func (s *Set) readSoon(ctx context.Context) bool {
	s.mu.Lock()
	done := s.reading
	if done == nil {
		if !s.read.IsZero() && time.Since(s.read) < s.cfg.floor {
			s.mu.Unlock()
			return false
		}
		done = s.beginLocked()
	}
	s.mu.Unlock()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// Load reads the source now, or waits for the reading that is in progress. When it fails,
// the keys stay what they were.
func (s *Set) Load(ctx context.Context) error {
	s.mu.Lock()
	done := s.reading
	if done == nil {
		done = s.beginLocked()
	}
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// Run reads the source regularly until ctx ends, and returns ctx's error. A failed reading
// is tried again sooner.
func (s *Set) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	s.mu.Lock()
	if !s.read.IsZero() && s.result == nil {
		t.Reset(s.cfg.Refresh)
	}
	s.mu.Unlock()
	for wait := s.cfg.floor; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if s.Load(ctx) == nil {
			wait = s.cfg.floor
			t.Reset(s.cfg.Refresh)
		} else {
			t.Reset(wait)
			wait = min(2*wait, s.cfg.Refresh)
		}
	}
}

// beginLocked reads the source in a goroutine, which fetchTime bounds; the channel is
// closed when it is done. s.mu is held.
func (s *Set) beginLocked() chan struct{} {
	done := make(chan struct{})
	s.reading, s.read = done, time.Now()
	go func() {
		// Not of the caller: others may wait for the same reading.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		keys, err := s.fetch(ctx)
		changed := s.take(keys, err)
		if changed && s.cfg.Changed != nil {
			s.cfg.Changed()
		}
		close(done)
	}()
	return done
}

// take takes the outcome of a reading, and reports whether the keys are others now.
func (s *Set) take(keys []Key, err error) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.result = nil, err
	if err != nil {
		// A file that cannot be read at first is an error of Load, and there are no keys before.
		if !s.failing && (s.Remote() || len(s.keys) > 0) {
			s.log.Warn("keys could not be read; those before stay", "source", s.cfg.Source, "keys", len(s.keys), "error", err)
		}
		s.failing = true
		return false
	}
	if s.failing {
		s.log.Info("keys can be read again", "source", s.cfg.Source)
	}
	s.failing = false
	if equal(keys, s.keys) {
		return false
	}
	s.log.Info("keys read", "source", s.cfg.Source, "keys", len(keys))
	s.keys = keys
	return true
}

// fetch reads the source once.
func (s *Set) fetch(ctx context.Context) ([]Key, error) {
	text, err := s.text(ctx)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// text returns the source's text; of one that is longer than Parse takes, one byte more than that.
func (s *Set) text(ctx context.Context) ([]byte, error) {
	if !s.url {
		f, err := os.Open(s.cfg.Source)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.LimitReader(f, MaxBytes+1))
	}
	return Fetch(ctx, s.cfg.Client, s.cfg.Source, "application/jwk-set+json, application/json", MaxBytes)
}
