package gateway

import (
	"context"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// Store is what a Gateway needs of the store: *store.Store has it. Its methods are
// described there.
type Store interface {
	// Reads.
	Healthy(ctx context.Context) error
	Session(ctx context.Context, c store.Customer, sessionID string) (store.Session, error)
	Engagement(ctx context.Context, c store.Customer, engagementID string) (store.Engagement, error)
	Engagements(ctx context.Context, c store.Customer) ([]store.Engagement, error)
	Ongoing(ctx context.Context, c store.Customer) (int, error)
	OngoingOfAccount(account string) int
	NewestIndex(ctx context.Context, c store.Customer, engagementID string) (int64, error)
	Page(ctx context.Context, c store.Customer, engagementID string, q store.Query) (wire.MessagePage, error)
	Sent(ctx context.Context, c store.Customer, engagementID, participantID, correlationID string) (wire.Message, error)

	KeepSessions(ctx context.Context, list func() []store.SessionKey)

	// Changes.
	CreateSession(ctx context.Context, c store.Customer, integrationID, displayName string, parameters map[string]string, correlationID string) (s store.Session, created bool, err error)
	EndSession(ctx context.Context, c store.Customer, sessionID string, reason wire.Reason) error
	CreateEngagement(ctx context.Context, s store.Session, parameters map[string]string, correlationID string) (e store.Engagement, created bool, err error)
	Update(ctx context.Context, c store.Customer, engagementID string, change func(*store.Engagement) ([]wire.Event, error)) (store.Engagement, error)
	Append(ctx context.Context, c store.Customer, engagementID string, m store.NewMessage) (stored wire.Message, created bool, err error)

	// Everything of a customer.
	Export(ctx context.Context, c store.Customer, fn func(store.Exported) error) error
	Erase(ctx context.Context, c store.Customer, until time.Time) (deleted int, complete bool, err error)

	// What others change, live and after an interruption.
	Follow(ctx context.Context, fn func(store.Entry)) error
	Position() wire.EventID
	Since(ctx context.Context, c store.Customer, from, to wire.EventID, fn func(store.Entry)) (ok bool, err error)

	// What gateways announce to each other.
	Announce(topic store.Topic, text []byte)
	Subscribe(ctx context.Context, topic store.Topic, fn func(text []byte)) error
}
