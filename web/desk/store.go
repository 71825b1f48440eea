package desk

import (
	"context"

	"openchat/sdk/wire"
	"openchat/web/presence"
	"openchat/web/store"
)

// Store is what a Desk needs of the store: *store.Store has it. Its methods are
// described there.
type Store interface {
	presence.Bus // carries what the processes announce to each other

	// Reads.
	Session(ctx context.Context, c store.Customer, sessionID string) (store.Session, error)
	Engagement(ctx context.Context, c store.Customer, engagementID string) (store.Engagement, error)
	Open(ctx context.Context, fn func(store.Engagement)) error
	NewestIndex(ctx context.Context, c store.Customer, engagementID string) (int64, error)
	Page(ctx context.Context, c store.Customer, engagementID string, q store.Query) (wire.MessagePage, error)
	Sent(ctx context.Context, c store.Customer, engagementID, participantID, correlationID string) (wire.Message, error)

	// Changes.
	Update(ctx context.Context, c store.Customer, engagementID string, change func(*store.Engagement) ([]wire.Event, error)) (store.Engagement, error)
	Note(ctx context.Context, c store.Customer, engagementID string, change func(*store.Engagement) bool) (store.Engagement, error)
	Append(ctx context.Context, c store.Customer, engagementID string, m store.NewMessage) (stored wire.Message, created bool, err error)

	// What others change.
	Follow(ctx context.Context, fn func(store.Entry)) error
	Work(ctx context.Context, name string, fn func(context.Context, store.Engagement) error) error
}
