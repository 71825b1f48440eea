package cluster

import (
	"context"
	"fmt"
	"time"

	"openchat/sdk"
	"openchat/sdk/native"
	"openchat/tests/harness"
)

// Visitor is a customer with the SDK and one chat.
type Visitor struct {
	*sdk.Client
	Customer string
	Chat     string // the engagementId
	Agent    string // the agentId of who has accepted it
}

// Visit starts a session through the transport at host, which is a gateway's URL or
// Host, and a chat that the desk's agent accepts. deliver gets every event.
func (a *Account) Visit(ctx context.Context, host string, t *native.Transport, d *harness.Desk, agent, customer string, deliver func(sdk.Event)) (*Visitor, error) {
	v := &Visitor{Customer: customer, Agent: agent}
	token, err := a.Token(customer, time.Hour)
	if err != nil {
		return nil, err
	}
	active := make(chan struct{}, 1)
	v.Client = sdk.New(sdk.Options{Transport: t, Deliver: func(e sdk.Event) {
		if e.Type == sdk.EventEngagementActive {
			select {
			case active <- struct{}{}:
			default:
			}
		}
		deliver(e)
	}})
	params := sdk.InitParams{HostURL: host, IntegrationID: a.IntegrationID, Token: token, Appkey: a.Appkey}
	if _, err := v.Init(ctx, params, sdk.Config{IdleTimeout: sdk.IdleDisabled}); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	e, err := v.CreateEngagement(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("createEngagement: %w", err)
	}
	v.Chat = e.EngagementID
	select {
	case <-active:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for ENGAGEMENT_ACTIVE: %w", ctx.Err())
	}
	return v, d.Accept(ctx, v.Chat, agent, "Agent")
}

// Send sends a message of the visitor's and waits for its promise.
func (v *Visitor) Send(ctx context.Context, text string) error {
	_, err := v.SendMessage(ctx, v.Chat, text, "")
	return err
}
