package gateway

import (
	"testing"

	"openchat/sdk/wire"
)

// A token of the same customer in another integration does nothing to a session's stream:
// it is neither closed nor pinged, at this gateway or at another.
func TestForeignClaims(t *testing.T) {
	url := natsServer(t)
	here := newEnvironmentOn(t, url)
	other := newEnvironmentOn(t, url, func(c *Config) { c.Signer = here.cfg.Signer })
	foreign := here.token("ann", func(c *Claims) { c.IntegrationID = sameAccInt })
	for _, x := range []struct {
		name   string
		at     *environment
		client string
	}{
		{"the same client", here, clientOne},
		{"another client", here, clientTwo},
		{"the same client, at another gateway", other, clientOne},
		{"another client, at another gateway", other, clientTwo},
	} {
		t.Run(x.name, func(t *testing.T) {
			ann := here.session("ann")
			owner, _ := ann.open(clientOne, 0)
			s := x.at.dial(ann.session.SessionID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: foreign, Appkey: appkey, ClientID: x.client})
			s.closed(wire.CloseSessionGone)
			// What one gateway announces comes in order: a sound claim of another session
			// shows that nothing about this one is under way.
			second := here.session("ann")
			older, _ := second.open(clientOne, 0)
			(&chat{w: other, token: second.token, session: second.session}).open(clientOne, 0)
			older.closed(wire.CloseSuperseded)
			owner.write(`{"type":"ping"}`)
			if f, err := owner.tryRead(); err != nil || f.Type != wire.FramePong {
				t.Errorf("the owner's stream: %+v, %v instead of a pong", f, err)
			}
		})
	}
}
