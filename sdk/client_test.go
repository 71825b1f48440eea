package sdk_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
	"openchat/sdk/wire"
)

// TestClient makes every blocking call once.
func TestClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(sdktest.Options{AutoBot: true})
		defer p.Close()
		c := sdk.New(sdk.Options{Transport: p.Transport(), Storage: p.Storage()})
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		user, err := c.Init(ctx, p.Params(sdktest.Claims{Name: "Ann"}), sdk.Config{})
		must(err)
		if user.DisplayName != "Ann" {
			t.Errorf("%+v", user)
		}
		must(c.SetLogLevel(sdk.LogWarn))
		must(c.SetJWTToken(p.Token(sdktest.Claims{Name: "Ann"})))
		must(c.ResetIdleTimeout())
		wantCode(t, c.RetryConnection(), sdk.CodeRetryNotAllowed)
		e, err := c.CreateEngagement(ctx, nil)
		must(err)
		time.Sleep(time.Second)
		m, err := c.SendMessage(ctx, e.EngagementID, "Hello", "")
		must(err)
		list, err := c.Engagements(ctx)
		must(err)
		found, ok, err := c.EngagementByID(ctx, e.EngagementID)
		must(err)
		if len(list) != 1 || !ok || found.EngagementID != e.EngagementID {
			t.Errorf("%+v, %+v, %v", list, found, ok)
		}
		if _, ok, err := c.EngagementByID(ctx, "e0000000-0000-4000-8000-00000000dead"); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
		_, err = c.Join(ctx, e.EngagementID)
		wantCode(t, err, sdk.CodeAlreadyActive)
		page, err := c.Messages(ctx, e.EngagementID, 1)
		must(err)
		if len(page.Items) != 1 || page.Items[0].MessageID != m.MessageID && !page.HasPrevious {
			t.Errorf("%+v", page)
		}
		_, err = c.Turn(ctx, page.Cursor, sdk.Older)
		must(err)
		c.Wake(sdk.WakeVisible)
		ended, err := c.Disconnect(ctx, e.EngagementID, "")
		must(err)
		if ended.EngagementStatus != wire.EngagementTerminated && ended.EngagementStatus != wire.EngagementTerminating {
			t.Errorf("%+v", ended)
		}
		must(c.Shutdown(ctx, ""))
		wantCode(t, c.Shutdown(ctx, ""), sdk.CodeNotInitialized)
	})
}

// What waits for Deliver while history is asked for comes as events, and is not in the history.
func TestClientHistory(t *testing.T) {
	t.Run("PAGE-3 Deliver is behind", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := sdktest.New(sdktest.Options{AutoBot: true})
			defer p.Close()
			var delivered []string
			release := make(chan struct{})
			c := sdk.New(sdk.Options{Transport: p.Transport(), Deliver: func(e sdk.Event) {
				if e.Type != sdk.EventMessageArrived {
					return
				}
				delivered = append(delivered, e.Message.Body.Text)
				if e.Message.Body.Text == "3" {
					<-release
				}
			}})
			if _, err := c.Init(t.Context(), p.Params(sdktest.Claims{}), sdk.Config{}); err != nil {
				t.Fatal(err)
			}
			e, err := c.CreateEngagement(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			bo := p.Agent("Bo")
			bo.Accept(e.EngagementID)
			for i := range 6 {
				bo.Say(e.EngagementID, strconv.Itoa(i+1))
			}
			time.Sleep(time.Second)
			before := len(delivered)
			go func() {
				time.Sleep(time.Second) // the answer is there, and waits for Deliver as well
				close(release)
			}()
			page, err := c.Messages(t.Context(), e.EngagementID, 3)
			if err != nil {
				t.Fatal(err)
			}
			var history []string
			for _, m := range page.Items {
				history = append(history, m.Body.Text)
			}
			if got := strings.Join(history, " "); got != "3 2 1" {
				t.Errorf("the history holds %q, Deliver had got %q", got, delivered[:before])
			}
			synctest.Wait()
			if got := strings.Join(delivered[before:], " "); got != "4 5 6" {
				t.Errorf("then Deliver got %q", got)
			}
			if err := c.Shutdown(t.Context(), ""); err != nil {
				t.Error(err)
			}
		})
	})
}

// A call whose context ends returns, and goes on.
func TestClientContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := sdktest.New(sdktest.Options{AutoBot: true})
		defer p.Close()
		c := sdk.New(sdk.Options{Transport: p.Transport()})
		_, err := c.Init(t.Context(), p.Params(sdktest.Claims{}), sdk.Config{})
		if err != nil {
			t.Fatal(err)
		}
		e, err := c.CreateEngagement(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		p.OnRequest(func(x *sdktest.Exchange) { x.Delay(2 * time.Second) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.SendMessage(ctx, e.EngagementID, "late", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.Sleep(5 * time.Second)
		if m := p.Messages(e.EngagementID); len(m) == 0 || m[len(m)-1].Body.Text != "late" {
			t.Errorf("%+v", m)
		}
		if err := c.Shutdown(t.Context(), ""); err != nil {
			t.Error(err)
		}
	})
}
