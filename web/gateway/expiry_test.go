package gateway

import (
	"net/http"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// A session without stream and call is gone after its time, for calls and for streams, while one
// with a stream stays, however long nothing is said; its customer's chats are there.
func TestASessionWithoutStreamOrCallExpires(t *testing.T) {
	w := newEnvironment(t)
	w.stop()
	w.idle = 8 * time.Second // as little as a slow machine lets the one with a stream live
	w.start()
	left, here := w.chat("ann"), w.chat("bob")
	stream, _ := here.open(clientOne, 0)
	path := "/sessions/" + left.session.SessionID
	if r := w.call("GET", path, left.token, ""); r.status != http.StatusOK {
		t.Fatalf("at once: %d %s", r.status, r.body)
	}
	<-time.After(w.idle + w.idle/4) // to ask earlier would be a use

	if r := w.call("GET", path, left.token, ""); r.status != http.StatusNotFound || r.problem().Violations[0].Field != "sessionId" {
		t.Errorf("GET: %d %s", r.status, r.body)
	}
	if r := w.call("GET", "/engagements?sessionId="+left.session.SessionID, left.token, ""); r.status != http.StatusNotFound {
		t.Errorf("its chats: %d %s", r.status, r.body)
	}
	if r := w.call("DELETE", path, left.token, ""); r.status != http.StatusNoContent {
		t.Errorf("DELETE: %d %s", r.status, r.body)
	}
	again := w.dial(left.session.SessionID)
	again.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: left.token, Appkey: appkey, ClientID: clientTwo})
	again.closed(wire.CloseSessionGone)
	next := w.session("ann")
	if list := must(w, wire.DecodeEngagements, "GET", "/engagements?sessionId="+next.session.SessionID, next.token, ""); len(list) != 1 || list[0].EngagementID != left.e.EngagementID {
		t.Errorf("a new session has the chats %+v", list)
	}

	if r := w.call("GET", "/sessions/"+here.session.SessionID, here.token, ""); r.status != http.StatusOK {
		t.Errorf("the one with a stream: %d %s", r.status, r.body)
	}
	here.say("still here", "")
	if f := stream.read(); f.Type != wire.FrameEvent {
		t.Errorf("its stream has %+v", f)
	}
}
