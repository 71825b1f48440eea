package gateway

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// natsServer runs a NATS server for several gateways, and returns its URL.
func natsServer(t *testing.T) string {
	t.Helper()
	nats, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	nats.Start()
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	if !nats.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server is not ready")
	}
	return nats.ClientURL()
}

// Two gateways on one NATS server know of each other's streams.
func TestStreamsElsewhere(t *testing.T) {
	url := natsServer(t)
	w := newEnvironmentOn(t, url)
	other := newEnvironmentOn(t, url, func(c *Config) { c.Signer = w.cfg.Signer })
	// begin opens a stream of the session at a gateway.
	begin := func(at *environment, ann *chat, clientID string) *client {
		t.Helper()
		s, _ := (&chat{w: at, token: ann.token, session: ann.session}).open(clientID, 0)
		return s
	}
	alive := func(s *client) {
		t.Helper()
		s.write(`{"type":"ping"}`)
		s.expect("pong")
	}
	t.Run("SES-4 the same client connects anew at another gateway", func(t *testing.T) {
		ann := w.session("ann")
		older := begin(w, ann, clientOne)
		newer := begin(other, ann, clientOne)
		older.closed(wire.CloseSuperseded)
		alive(newer)
		// And back.
		newest := begin(w, ann, clientOne)
		newer.closed(wire.CloseSuperseded)
		alive(newest)
	})
	t.Run("SES-4 another client, while the older is alive", func(t *testing.T) {
		ann := w.session("ann")
		older := begin(w, ann, clientOne)
		newer := begin(other, ann, clientTwo)
		if f, err := older.tryRead(); err != nil || f.Type != wire.FramePing {
			t.Fatalf("%+v, %v instead of a ping", f, err)
		}
		older.write(`{"type":"pong"}`)
		newer.closed(wire.CloseSuperseded)
		alive(older)
	})
	t.Run("SES-4 another client, when the older is dead", func(t *testing.T) {
		ann := w.session("ann")
		older := begin(w, ann, clientOne)
		newer := begin(other, ann, clientTwo)
		if got := older.closed(wire.CloseSuperseded); len(got) != 1 || got[0].Type != wire.FramePing {
			t.Errorf("%+v came before, not a ping", got)
		}
		alive(newer)
	})
	t.Run("SES-4 what is received late of an older stream closes no newer one", func(t *testing.T) {
		ann := w.session("ann")
		before := time.Now()
		s := begin(w, ann, clientOne)
		for _, client := range []string{clientOne, clientTwo} {
			text, err := json.Marshal(claim{"another gateway", 1, store.Customer{Account: account, ID: "ann"}, ann.session.SessionID, client, false, before})
			if err != nil {
				t.Fatal(err)
			}
			w.g.receiveClaim(text)
		}
		s.write(`{"type":"ping"}`)
		if f, err := s.tryRead(); err != nil || f.Type != wire.FramePong {
			t.Errorf("%+v, %v", f, err)
		}
	})
	t.Run("another session of the same customer is not meant", func(t *testing.T) {
		one := begin(w, w.session("ann"), clientOne)
		two := begin(other, w.session("ann"), clientOne)
		// By the time that this has gone the same way, so has what was said of them.
		ann := w.session("ann")
		older := begin(w, ann, clientOne)
		begin(other, ann, clientOne)
		older.closed(wire.CloseSuperseded)
		alive(one)
		alive(two)
	})
}
