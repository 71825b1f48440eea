package desk

import (
	"slices"

	"openchat/web/metrics"
)

// otherAccounts stands in the metrics for all accounts that the configuration does not have.
const otherAccounts = "other"

// Observe fills in what the desk knows of a State; accounts are those that are counted each by
// itself.
func (d *Desk) Observe(state *metrics.State, accounts []string) {
	state.Desks = d.sockets.Open()
	state.Chats = map[string]metrics.Chats{}
	for _, account := range accounts {
		state.Chats[account] = metrics.Chats{}
	}
	d.view.each(func(e *engagement, _ *absence) {
		account := e.Customer.Account
		if !slices.Contains(accounts, account) {
			account = otherAccounts
		}
		c := state.Chats[account]
		if stateOf(e) == StateActive {
			c.Active++
		} else {
			c.Waiting++
			if since := waitingSince(e); c.Oldest.IsZero() || since.Before(c.Oldest) {
				c.Oldest = since
			}
		}
		state.Chats[account] = c
	})
}
