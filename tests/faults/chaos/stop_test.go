package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// A graceful stop keeps its time and its status also when the store does not answer,
// be it gone or hanging: who listens is asked to come back, and a call in progress is
// broken off with an answer.
func TestStopWithoutNATS(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		t.Run(map[syscall.Signal]string{syscall.SIGSTOP: "hanging", syscall.SIGKILL: "gone"}[s], func(t *testing.T) {
			t.Parallel()
			w := newPlatform(t, time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
			defer cancel()

			stream, _, err := websocket.Dial(ctx, w.url+harness.DeskPath+"/events", &websocket.DialOptions{Subprotocols: []string{harness.DeskSubprotocol}})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.CloseNow()
			if err := stream.Write(ctx, websocket.MessageText, []byte(`{"type":"authenticate","credential":"`+w.account.DeskCredential+`"}`)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := stream.Read(ctx); err != nil { // the snapshot
				t.Fatal(err)
			}

			w.nats.Signal(s)
			begun := make(chan struct{})
			traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { close(begun) }})
			body := fmt.Sprintf(`{"integrationId":%q,"correlationId":"s"}`, w.account.IntegrationID)
			r, err := http.NewRequestWithContext(traced, "POST", w.url+wire.BasePath+"/sessions", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{
				"Authorization": {"Bearer " + w.token("c", time.Now().Add(time.Hour))}, wire.HeaderAppkey: {w.account.Appkey},
				"Content-Type": {"application/json"}, "Expect": {"100-continue"},
			}
			answered := make(chan error, 1)
			go func() {
				res, err := (&http.Transport{ExpectContinueTimeout: harness.Timeout}).RoundTrip(r)
				if err == nil {
					text, _ := io.ReadAll(res.Body)
					res.Body.Close()
					if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close {
						err = fmt.Errorf("%d %v %s", res.StatusCode, res.Header, text)
					}
				}
				answered <- err
			}()
			select {
			case <-begun:
			case err := <-answered:
				t.Fatalf("the call did not begin: %v", err)
			}
			closed := make(chan error, 1)
			go func() {
				for {
					if _, _, err := stream.Read(ctx); err != nil {
						closed <- err
						return
					}
				}
			}()
			took, err := stop(w.gateway, stopLimit)
			if err != nil {
				t.Errorf("%v\n%s", err, w.gateway.Log.Last(20))
			}
			t.Logf("stopped after %v", took)
			if err := <-answered; err != nil {
				t.Errorf("the call in progress ended with %v", err)
			}
			if err := <-closed; websocket.CloseStatus(err) != wire.CloseGoingAway {
				t.Errorf("the stream ended with %v", err)
			}
		})
	}
}

// Those whom a gateway sends away do not all come back at once, and miss nothing.
func TestComingBackIsSpread(t *testing.T) {
	const clients = 60
	w := newPlatform(t, 5*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
	defer cancel()
	type outcome struct {
		waited   time.Duration // from the close to the first attempt
		text     string
		resumed  bool
		attempts int
		back     bool
	}
	var wg sync.WaitGroup
	var back sync.WaitGroup // who is connected again
	outcomes := make([]outcome, clients)
	for i := range outcomes {
		o := &outcomes[i]
		transport := native.New(native.Options{})
		var closed time.Time // of Deliver's goroutine
		back.Add(1)
		c := sdk.New(sdk.Options{Transport: transport, Deliver: func(e sdk.Event) {
			switch e.Type {
			case sdk.EventStreamFailed:
				if closed.IsZero() {
					closed, o.text = time.Now(), e.Text
				}
			case sdk.EventStreamConnecting:
				if !closed.IsZero() && o.attempts == 0 {
					o.waited = time.Since(closed)
				}
				if !closed.IsZero() {
					o.attempts++
				}
			case sdk.EventStreamConnected:
				if !closed.IsZero() && !o.back {
					o.resumed, o.back = e.Resumed, true
					back.Done()
				}
			}
		}})
		wg.Go(func() {
			_, err := c.Init(ctx, sdk.InitParams{
				HostURL: w.url, IntegrationID: w.account.IntegrationID, Appkey: w.account.Appkey,
				Token: w.token(fmt.Sprint("c", i), time.Now().Add(time.Hour)),
			}, sdk.Config{})
			if err != nil {
				t.Errorf("init: %v", err)
			}
		})
		t.Cleanup(func() {
			end, cancel := context.WithTimeout(context.Background(), harness.Timeout)
			defer cancel()
			_ = c.Shutdown(end, "")
			transport.Close()
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if _, err := stop(w.gateway, stopLimit); err != nil {
		t.Error(err)
	}
	if err := w.gateway.Start(ctx); err != nil {
		t.Fatal(err)
	}
	all := make(chan struct{})
	go func() {
		back.Wait()
		close(all)
	}()
	select {
	case <-all:
	case <-ctx.Done():
		t.Fatal("not all have come back")
	}
	var waits []time.Duration
	for i := range outcomes {
		o := &outcomes[i]
		if !strings.Contains(o.text, "1001") || !o.resumed {
			t.Errorf("client %d received %q, resumed %v", i, o.text, o.resumed)
		}
		waits = append(waits, o.waited)
	}
	slices.Sort(waits)
	t.Logf("came back after %v to %v, half of them before %v", waits[0], waits[clients-1], waits[clients/2])
	// Of 60 who choose at random within a second, hardly ever 30 choose the same tenth.
	for i := range clients / 2 {
		if waits[i+clients/2]-waits[i] < 100*time.Millisecond {
			t.Errorf("half of them came back within %v: %v", waits[i+clients/2]-waits[i], waits)
			break
		}
	}
}
