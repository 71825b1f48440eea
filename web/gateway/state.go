package gateway

import "openchat/web/metrics"

// Observe fills in what the gateway knows of a State.
func (g *Gateway) Observe(state *metrics.State) {
	state.Streams, state.Unauthenticated = g.sockets.Open(), g.sockets.Unauthenticated()
	state.Sessions = g.hub.sessionCount()
}

// Accounts returns the accounts of the configuration, each once.
func (g *Gateway) Accounts() (list []string) {
	seen := map[string]bool{}
	for _, t := range g.access.Load().tenants {
		if !seen[t.Account] {
			seen[t.Account] = true
			list = append(list, t.Account)
		}
	}
	return list
}
