package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// chat stands in for the server of one page: the gateway's part is harness.StandIn's, and
// the clients beside the SDK, the raw one and centrifuge-js, get the same events. It costs
// as little as it can: what is measured is the page.
//
//	/api/digital/chat/v1/…  the gateway's
//	/raw                    a WebSocket with the gateway's event frames and nothing else
//	/centrifuge             a WebSocket that speaks as much of centrifuge's JSON protocol
//	                        as one subscription needs
type chat struct {
	*harness.StandIn
	url   string
	mux   *http.ServeMux
	conns chan *frameConn // each connection beside the SDK's, once events may be sent on it
}

// frameConn is a connection to a page, and how frames are written on it.
type frameConn struct {
	*harness.Connection
	// wrap appends the frame's text around an event.
	wrap func(dst []byte, id wire.EventID, event []byte) []byte
	// separator stands between frames that wait together and are sent as one message, as
	// the gateway does, and centrifuge's server.
	separator string
}

// asGateway is a connection with the gateway's frames.
func asGateway(c *harness.Connection) *frameConn {
	return &frameConn{c, wire.AppendEventFrame, wire.FrameSeparator}
}

func newChat(url string) *chat {
	c := &chat{StandIn: harness.NewStandIn(), url: url, mux: http.NewServeMux(), conns: make(chan *frameConn, 1)}
	c.TellTime = true
	c.Joining = []wire.Participant{harness.Customer, harness.Bob}
	c.mux.Handle(wire.BasePath+"/", http.StripPrefix(wire.BasePath, c.StandIn))
	c.mux.HandleFunc("GET /raw", func(w http.ResponseWriter, r *http.Request) {
		conn, err := harness.Accept(w, r, "")
		if err != nil {
			return
		}
		defer conn.CloseNow()
		c.conns <- asGateway(conn)
		conn.Read(r.Context()) // until the page goes
	})
	c.mux.HandleFunc("GET /centrifuge", c.serveCentrifuge)
	return c
}

// frames makes the event frames of the chat's next n messages, all by the agent.
func (c *chat) frames(l *frameConn, n int) [][]byte {
	var e wire.Engagement
	if all := c.Engagements(); len(all) > 0 {
		e = all[len(all)-1]
	} else { // the page has no SDK, which begins one
		e = c.NewEngagement()
	}
	list := make([][]byte, n)
	for i := range list {
		m := c.Store(wire.Message{EngagementID: e.EngagementID, Body: harness.PlainText("Good morning, how can I help you today?")}, harness.Bob)
		e := wire.Event{Type: wire.EventMessages, Date: m.ReceivedAt, Message: &m}
		list[i] = l.wrap(nil, m.EventID, e.Append(nil))
	}
	return list
}

// serveCentrifuge answers the commands connect and subscribe, which may come several to a
// frame, one a line.
func (c *chat) serveCentrifuge(w http.ResponseWriter, r *http.Request) {
	conn, err := harness.Accept(w, r, "")
	if err != nil {
		return
	}
	defer conn.CloseNow()
	l := &frameConn{conn, func(dst []byte, _ wire.EventID, event []byte) []byte {
		dst = append(dst, `{"push":{"channel":"chat","pub":{"data":`...)
		return append(append(dst, event...), "}}}"...)
	}, "\n"}
	for {
		_, text, err := l.Read(r.Context())
		if err != nil {
			return
		}
		for command := range strings.Lines(string(text)) {
			var m struct {
				ID                 int
				Connect, Subscribe *struct{}
			}
			if err := json.Unmarshal([]byte(command), &m); err != nil {
				return
			}
			switch {
			case m.Connect != nil:
				err = l.Write(fmt.Appendf(nil, `{"id":%d,"connect":{"client":"a","version":"stand-in","ping":25,"pong":true}}`, m.ID))
			case m.Subscribe != nil:
				if err = l.Write(fmt.Appendf(nil, `{"id":%d,"subscribe":{}}`, m.ID)); err == nil {
					c.conns <- l
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// serveClock answers each frame with this process's clock, in milliseconds since 1970.
func serveClock(w http.ResponseWriter, r *http.Request) {
	l, err := harness.Accept(w, r, "")
	if err != nil {
		return
	}
	defer l.CloseNow()
	for {
		if _, _, err := l.Read(r.Context()); err != nil {
			return
		}
		if l.Write(strconv.AppendFloat(nil, clock(), 'f', 4, 64)) != nil {
			return
		}
	}
}

var began = time.Now()

// clock is the time in milliseconds since 1970, and never goes back.
func clock() float64 {
	return float64(began.UnixNano())/1e6 + float64(time.Since(began))/1e6
}

// connected waits for the page's connection.
func (c *chat) connected(ctx context.Context) (*frameConn, error) {
	select {
	case l := <-c.conns:
		return l, nil
	case conn := <-c.Opened:
		return asGateway(conn), nil
	case <-ctx.Done():
		return nil, errors.Join(errors.New("the page did not connect"), context.Cause(ctx))
	}
}

// blast sends all frames as fast as the page takes them, as many together as the gateway
// would when they wait.
func (l *frameConn) blast(frames [][]byte) error {
	var all, message []byte
	for _, f := range frames {
		if len(message) > 0 && len(message)+len(l.separator)+len(f) > wire.MaxServerFrame {
			all = harness.AppendFrame(all, message)
			message = message[:0]
		}
		if len(message) > 0 {
			message = append(message, l.separator...)
		}
		message = append(message, f...)
	}
	_, err := l.TCP.Write(harness.AppendFrame(all, message))
	return err
}

// pace sends the frames at a rate a second and returns when each was sent, as clock.
func (l *frameConn) pace(ctx context.Context, frames [][]byte, rate float64) ([]float64, error) {
	sent := make([]float64, 0, len(frames))
	begun := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i, f := range frames {
		timer.Reset(time.Until(begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		sent = append(sent, clock())
		if err := l.Write(f); err != nil {
			return nil, err
		}
	}
	return sent, nil
}
