package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// Fixed participants. The bot is a member while a chat waits; System writes lines
// about the chat and is a member of none.
const (
	BotID    = "10558bed-3868-4a05-9d13-80eb587e8b9a"
	SystemID = "72533fa1-43d8-45a8-9efb-4e0e791bf7d2"
)

var system = wire.Participant{
	ParticipantID:   SystemID,
	ParticipantType: wire.ParticipantSystem,
	DisplayName:     "System",
}

// route brings an engagement to where it should stand, whatever was done for it
// before: the store hands every change to it at least once, possibly late and
// possibly twice. A chat that has not ended has an agent, or has the bot and its line; one with neither is new.
func (d *Desk) route(ctx context.Context, change store.Engagement) error {
	e, err := d.load(ctx, change.Customer, change.EngagementID)
	if errors.Is(err, store.ErrNotFound) || err == nil && (e.Ended() || e.EventID > change.EventID) {
		return nil // nothing to route, or a later change of it is on its way here
	}
	if err == nil {
		e, err = d.admit(ctx, e)
	}
	if err == nil {
		err = d.writeDueLines(ctx, &e)
	}
	if err != nil {
		return err
	}
	for i := range e.Members {
		m := &e.Members[i]
		// A call that broke off after it had let the agent in has left this out.
		if staff(&e, m.ParticipantID) != nil && time.Since(m.JoinedAt) < repairWindow {
			if err := d.writeJoinedLine(ctx, &e, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// repairWindow is how long after the fact a missing line is still added. The store
// remembers idempotency keys for at least as long.
const repairWindow = 12 * time.Hour

// admit lets the session that began the chat in, and the bot beside it, unless
// that was done. A chat whose session ended before anyone got in is ended: there
// is nobody to talk to.
func (d *Desk) admit(ctx context.Context, e engagement) (engagement, error) {
	if e.Ended() || routed(&e) {
		return e, nil
	}
	session, err := d.store.Session(ctx, e.Customer, e.SessionID)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return e, err
	}
	// Two changes, so that the customer is in before the bot also in the eyes of
	// whoever reads the state between them.
	e, err = d.update(ctx, &e, func(e *engagement) ([]wire.Event, error) {
		switch {
		case routed(e):
			return nil, nil
		case gone && e.CustomerMember() == nil:
			return e.Terminate(), nil
		case gone:
			return nil, nil // another session of the customer has joined
		}
		return e.Enter(session), nil
	})
	if err != nil || e.Ended() {
		return e, err
	}
	return d.update(ctx, &e, func(e *engagement) ([]wire.Event, error) {
		if routed(e) {
			return nil, nil
		}
		e.WaitingSince = e.CreatedAt
		return e.Add(d.bot), nil
	})
}

// routed reports whether admit has nothing to do: an agent or the bot is in.
func routed(e *engagement) bool {
	return memberOf(e, wire.ParticipantAgent) != nil || memberOf(e, wire.ParticipantBot) != nil
}

// writeDueLines makes sure that System has said the line of the chat's last change, if there is one, and
// the bot its line for the present wait, if the chat waits. Whoever makes the next change calls it
// first, so the lines never come late. To a chat that has lost its agent System has said
// all there is to say.
func (d *Desk) writeDueLines(ctx context.Context, e *engagement) error {
	if e.Ended() {
		return nil
	}
	if n := e.Notice; n != nil && time.Since(n.At) < repairWindow {
		if err := d.writeLine(ctx, e, system, n.Key, n.Text); err != nil {
			return err
		}
	}
	if memberOf(e, wire.ParticipantBot) == nil || e.WaitingSince.IsZero() || e.Requeued {
		return nil
	}
	if time.Since(e.WaitingSince) > repairWindow {
		// Said long ago, and the key may be forgotten; unless nothing was running here
		// when the chat began.
		if n, err := d.store.NewestIndex(ctx, e.Customer, e.EngagementID); err != nil || n > 0 {
			return err
		}
	}
	key, text := "greeting", greeting(customerName(e), e.Parameters["topic"])
	if e.WaitingSince.After(e.CreatedAt) {
		key, text = key+":"+stamp(e.WaitingSince), "I am looking for another agent for you. Please stay in the chat."
	}
	return d.writeLine(ctx, e, d.bot, key, text)
}

func greeting(name, topic string) string {
	hello := "Hello!"
	if name != "" {
		hello = "Hello, " + name + "!"
	}
	if topic != "" {
		hello += " You would like to talk about “" + topic + "”."
	}
	return hello + " I am looking for an agent for you. Please stay in the chat."
}

// writeJoinedLine makes sure that the chat says that m has joined. That an agent has taken it over was
// announced by writeDueLines, under the same key.
func (d *Desk) writeJoinedLine(ctx context.Context, e *engagement, m *store.Member) error {
	return d.writeLine(ctx, e, system, joinedKey(m), m.DisplayName+" has joined the chat.")
}

func joinedKey(m *store.Member) string { return "joined:" + m.ParticipantID + ":" + stamp(m.JoinedAt) }

// writeLine appends a line under a key that makes it repeatable. A chat that has ended
// meanwhile gets none.
func (d *Desk) writeLine(ctx context.Context, e *engagement, who wire.Participant, key, text string) error {
	_, _, err := d.store.Append(ctx, e.Customer, e.EngagementID, store.NewMessage{
		Sender:        who,
		Engagement:    &e.Engagement,
		Body:          wire.Body{ElementType: wire.ElementText, Text: text, TextFormat: wire.TextPlain},
		CorrelationID: key,
	})
	if errors.Is(err, store.ErrEnded) {
		return nil // nobody is there to read it
	}
	return err
}

// stamp distinguishes one stay or one wait from the next in keys.
func stamp(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
