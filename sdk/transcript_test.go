package sdk_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
	"openchat/sdk/wire/wiretest"
)

// script is a gateway that says what a transcript says.
type script struct {
	calls  chan *scriptCall
	dials  chan *scriptConn
	frames chan string
}

type scriptCall struct {
	request sdk.Request
	answer  chan sdk.Response
}

func (s *script) Do(ctx context.Context, r sdk.Request) (sdk.Response, error) {
	c := &scriptCall{r, make(chan sdk.Response, 1)}
	select {
	case s.calls <- c:
	case <-ctx.Done():
		return sdk.Response{}, ctx.Err()
	}
	select {
	case a := <-c.answer:
		return a, nil
	case <-ctx.Done():
		return sdk.Response{}, ctx.Err()
	}
}

type scriptConn struct {
	s      *script
	url    string
	in     chan any // []byte or error
	closed chan struct{}
	once   chan struct{}
}

func (s *script) Dial(ctx context.Context, url, subprotocol string) (sdk.Conn, error) {
	if subprotocol != wire.Subprotocol {
		return nil, fmt.Errorf("subprotocol %q", subprotocol)
	}
	c := &scriptConn{s: s, url: url, in: make(chan any, 100), closed: make(chan struct{}), once: make(chan struct{}, 1)}
	select {
	case s.dials <- c:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *scriptConn) Read() ([]byte, error) {
	select {
	case v := <-c.in:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.([]byte), nil
	case <-c.closed:
		return nil, &sdk.CloseError{Code: 1006}
	}
}

func (c *scriptConn) Write(frame []byte) error {
	select {
	case c.s.frames <- string(frame):
		return nil
	case <-c.closed:
		return &sdk.CloseError{Code: 1006}
	}
}

func (c *scriptConn) Close(int, string) {
	select {
	case c.once <- struct{}{}:
		close(c.closed)
	default:
	}
}

func scriptToken(n int) string {
	payload := fmt.Sprintf(`{"sub":"ann","integrationId":"00000000-0000-4000-8000-00000000000a","exp":%d,"jti":"%d"}`, time.Now().Add(time.Hour).Unix(), n)
	return "h." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".s"
}

// TestTranscripts plays the golden transcripts against a scripted gateway: the SDK
// must ask exactly this, in this order, and understand these answers.
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"chat", "resume", "refused"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playTranscript(t, name) })
		})
	}
}

func playTranscript(t *testing.T, name string) {
	steps, err := wiretest.Load(os.DirFS("wire"), name)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{calls: make(chan *scriptCall), dials: make(chan *scriptConn), frames: make(chan string, 100)}
	storage := sdktest.NewStorage()
	vars := wiretest.Vars{"integration": "00000000-0000-4000-8000-00000000000a", "appkey": "key"}
	made := 0
	makeUp := func(name string) string {
		made++
		switch {
		case strings.HasPrefix(name, "date"):
			return time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		case strings.HasPrefix(name, "id"):
			return strconv.Itoa(made * 100)
		}
		return fmt.Sprintf("%08d-0000-4000-8000-000000000000", made)
	}
	g := &page{t: t, delivered: map[string]int64{}}
	g.c = sdk.NewCore(sdk.Options{Transport: s, Storage: storage, Deliver: func(e sdk.Event) {
		if e.Message != nil {
			g.delivered[e.EngagementID] = e.Message.MessageIndex
		}
		if e.Type != "" {
			g.events = append(g.events, e)
			g.marks = append(g.marks, string(e.Type))
		}
	}})
	last := func() sdk.Event {
		synctest.Wait()
		if len(g.events) == 0 {
			return sdk.Event{}
		}
		return g.events[len(g.events)-1]
	}

	var held *scriptCall
	var conn *scriptConn
	var outcome error
	items := -1
	done := func(err error) { outcome = err }
	pageDoes := func(n int, step wiretest.Step) {
		rest := strings.Join(step.Args[1:], " ")
		switch step.Args[0] {
		case "stored":
			storage.Save(sdk.StorageKey, vars.Expand(rest, makeUp))
		case "init":
			p := sdk.InitParams{HostURL: "https://chat.test/", IntegrationID: vars["integration"], Token: scriptToken(1), Appkey: "key"}
			var body struct {
				DisplayName       string
				SessionParameters map[string]string
			}
			json.Unmarshal([]byte(steps[n+1].JSON), &body)
			p.DisplayName, p.SessionParameters = body.DisplayName, body.SessionParameters
			g.c.Init(p, sdk.Config{}, func(_ sdk.UserContext, err error) { done(err) })
		case "createEngagement":
			parameters, err := sdk.DecodeParameters("engagementParameters", rest)
			if err != nil {
				t.Fatal(err)
			}
			g.c.CreateEngagement(parameters, func(_ sdk.Engagement, err error) { done(err) })
		case "join":
			g.c.Join(vars["engagement"], func(_ sdk.Engagement, err error) { done(err) })
		case "sendMessage":
			g.c.SendMessage(vars["engagement"], rest, "", func(_ sdk.Message, err error) { done(err) })
		case "getMessages":
			size, _ := strconv.Atoi(rest)
			g.c.Messages(vars["engagement"], size, g.delivered[vars["engagement"]], func(p sdk.Page, err error) { items = len(p.Items); done(err) })
		case "setJwtToken":
			if err := g.c.SetJWTToken(scriptToken(2)); err != nil {
				t.Fatal(err)
			}
		case "disconnect":
			g.c.Disconnect(vars["engagement"], "", func(_ sdk.Engagement, err error) { done(err) })
		case "shutdown":
			g.c.Shutdown("", done)
		case "lost":
			conn.in <- &sdk.CloseError{Code: 1006}
		case "items":
			synctest.Wait()
			if strconv.Itoa(items) != rest {
				t.Fatalf("line %d: %d items", step.Line, items)
			}
		case "rejected":
			synctest.Wait()
			if outcome == nil || !strings.HasPrefix(outcome.Error(), rest) {
				t.Fatalf("line %d: %v", step.Line, outcome)
			}
			outcome = nil
		case "arrived":
			if e := last(); e.Type != sdk.EventMessageArrived || e.Message.Body.Text != rest {
				t.Fatalf("line %d: last event %+v", step.Line, e)
			}
		case "added":
			if e := last(); e.Type != sdk.EventParticipantAdded || e.Participant.DisplayName != rest {
				t.Fatalf("line %d: last event %+v", step.Line, e)
			}
		default:
			want, known := map[string]sdk.EventType{
				"initialized": sdk.EventInitialized, "active": sdk.EventParticipantAdded, "delivered": sdk.EventMessageDelivered,
				"terminated": sdk.EventEngagementTerminated, "down": sdk.EventShutdown,
			}[step.Args[0]]
			if e := last(); !known || e.Type != want {
				t.Fatalf("line %d: page %v: last event %q of %v", step.Line, step.Args, e.Type, g.marks)
			}
		}
	}

	for n, step := range steps {
		at := fmt.Sprintf("%s:%d", name, step.Line)
		fatal := func(err error) {
			if err != nil {
				t.Fatalf("%s: %v", at, err)
			}
		}
		hour := time.After(time.Hour)
		switch step.Verb {
		case "page":
			synctest.Wait() // the page acts on what it knows
			pageDoes(n, step)
		case "call":
			select {
			case held = <-s.calls:
			case <-hour:
				t.Fatalf("%s: no call; outcome %v, events %v", at, outcome, g.marks)
			}
			r := held.request
			path, ok := strings.CutPrefix(r.URL, "https://chat.test"+wire.BasePath)
			if !ok || r.Method != step.Args[0] || r.Appkey != "key" || !strings.HasPrefix(r.Authorization, "Bearer h.") {
				t.Fatalf("%s: %s %s", at, r.Method, r.URL)
			}
			fatal(vars.MatchText(step.Args[1], path))
			if step.JSON != "" {
				fatal(vars.Match(step.JSON, string(r.Body)))
			} else if r.Body != nil {
				t.Fatalf("%s: a body: %s", at, r.Body)
			}
		case "answer":
			status, err := strconv.Atoi(step.Args[0])
			fatal(err)
			held.answer <- sdk.Response{Status: status, Body: []byte(withUnknown(vars.Expand(step.JSON, makeUp)))}
		case "connect":
			select {
			case conn = <-s.dials:
			case <-hour:
				t.Fatalf("%s: no connection", at)
			}
			fatal(vars.MatchText(step.Args[0], strings.TrimPrefix(conn.url, "wss://chat.test"+wire.BasePath)))
		case "send":
			select {
			case f := <-s.frames:
				fatal(vars.Match(step.JSON, f))
			case <-hour:
				t.Fatalf("%s: no frame", at)
			}
		case "receive":
			conn.in <- []byte(withUnknown(vars.Expand(step.JSON, makeUp)))
		case "close":
			code, err := strconv.Atoi(step.Args[0])
			fatal(err)
			conn.in <- &sdk.CloseError{Code: code}
		}
	}
	synctest.Wait()
	if outcome != nil {
		t.Errorf("%v", outcome)
	}
	// Whatever is left of the session ends with the bubble.
	go func() {
		for {
			select {
			case c := <-s.calls:
				c.answer <- sdk.Response{Status: 204}
			case <-t.Context().Done():
				return
			}
		}
	}()
	ch := make(chan struct{})
	g.c.Shutdown("", func(error) { close(ch) })
	<-ch
}

// withUnknown adds a member that this version does not know to an object.
func withUnknown(text string) string {
	if strings.HasPrefix(text, "{") {
		return `{"fromTheFuture":{"a":[1,null]},` + text[1:]
	}
	return text
}
