package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"openchat/tests/harness/cluster"
)

const (
	hostileRate  = 100 // messages a second of the others
	othersOnline = 20
	// slowdown is how much longer a message may take because of one hostile customer.
	slowdown = 3
	// flat is how much longer a call may take because there is much that it does not answer with.
	flat = 1.5
)

// hostility is how much is measured.
type hostility struct {
	history, short int           // messages in a chat
	page           int           // the same, of a customer who makes one attack
	ended          int           // chats of a customer
	round          time.Duration // of everything at once
	window         time.Duration // of one attack
	calls          int           // of each kind that are timed
}

var (
	fullHostility  = hostility{2000, 10, 100, 800, 12 * time.Second, 4 * time.Second, 100}
	shortHostility = hostility{200, 10, 50, 20, 2 * time.Second, time.Second, 20}
)

// victims is what is measured with: gateways of one account, with the quotas as they are shipped.
type victims struct {
	size    hostility
	bin     cluster.Binaries
	account *cluster.Account
	dir     string // for data folders, removed by end
}

func newVictims(ctx context.Context, o options) (v victims, end func() error, err error) {
	v.size = fullHostility
	if o.runs == 1 {
		v.size = shortHostility
	}
	if v.dir, err = os.MkdirTemp("", "bench-hostile"); err != nil {
		return v, nil, err
	}
	end = func() error { return os.RemoveAll(v.dir) }
	if v.bin, err = cluster.Build(ctx, "dist"); err == nil {
		v.account, err = cluster.NewAccount(v.dir)
	}
	if err != nil {
		return v, nil, errors.Join(err, end())
	}
	return v, end, nil
}

// start starts a gateway with a load of n visitors.
func (v victims) start(ctx context.Context, name string, n int, args ...string) (*meter, *load, error) {
	args = append(append(args, v.account.Args...), "--data", filepath.Join(v.dir, name))
	g, err := startMetered(ctx, v.bin, "gateway", args...)
	if err != nil {
		return nil, nil, err
	}
	c := newLoad(v.account)
	c.balancer.Use(g.Process)
	if err := c.grow(ctx, n); err != nil {
		g.Kill()
		return nil, nil, err
	}
	return g, c, nil
}

// measureHostile measures what one customer can do to the others.
func measureHostile(ctx context.Context, o options) (r report, err error) {
	v, end, err := newVictims(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, end()) }()
	if r, err = v.measureSlowdown(ctx, o); err != nil {
		return r, fmt.Errorf("beside a hostile customer: %w", err)
	}
	each, err := v.measureAttacks(ctx, o)
	if err != nil {
		return r, fmt.Errorf("beside one attack: %w", err)
	}
	r.tables = append(r.tables, each)
	return r, nil
}

// measureFlat measures what a call costs that has much to pass over.
func measureFlat(ctx context.Context, o options) (r report, err error) {
	v, end, err := newVictims(ctx, o)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, end()) }()
	return v.measureFlatness(ctx)
}

// measureAttacks measures the attacks one by one, each by a customer who has not used a quota yet.
func (v victims) measureAttacks(ctx context.Context, o options) (t table, err error) {
	g, c, err := v.start(ctx, "each", othersOnline)
	if err != nil {
		return t, err
	}
	defer g.Kill()
	if _, err := c.run(ctx, hostileRate, 2*time.Second, false); err != nil {
		return t, err
	}
	t = table{title: "Gateway: each attack alone", head: []string{"attack", "quiet p99", "p50", "p99", "×", "gateway's processor time", "what was answered"},
		notes: []string{"A window each, after a quiet one. The processor time is the gateway's a second, the quiet one's taken off."}}
	for _, attack := range cluster.Attacks {
		h, err := v.account.NewHostile(ctx, v.bin.Attack, g.URL, "hostile-"+uuid.NewString(), c.desk, v.size.page)
		if err != nil {
			return t, err
		}
		h.Only = attack
		var found [2]measured
		var used [2]time.Duration
		for i := range found {
			end := func() error { return nil }
			if i == 1 {
				if end, err = h.Begin(); err != nil {
					return t, err
				}
			}
			before, err := cpu(g.Process)
			if err == nil {
				found[i], err = c.run(ctx, hostileRate, v.size.window, false)
			}
			after, cpuErr := cpu(g.Process)
			if err = errors.Join(err, cpuErr, end()); err != nil {
				return t, fmt.Errorf("%s: %w", attack, err)
			}
			used[i] = after - before
		}
		quiet, p99 := percentile(found[0].latencies, 99), percentile(found[1].latencies, 99)
		t.rows = append(t.rows, []string{attack, ms(quiet), ms(percentile(found[1].latencies, 50)), ms(p99), fmt.Sprintf("%.1f", p99/quiet),
			ms((used[1] - used[0]).Seconds() * 1000 / v.size.window.Seconds()), strings.Join(h.Counts(), "; ")})
		fmt.Fprintf(o.log, "  %s\n", strings.Join(t.rows[len(t.rows)-1], " | "))
	}
	c.abandon(g.Process)
	return t, nil
}

func (v victims) measureSlowdown(ctx context.Context, o options) (r report, err error) {
	g, c, err := v.start(ctx, "one", othersOnline)
	if err != nil {
		return r, err
	}
	defer g.Kill()
	h, err := v.account.NewHostile(ctx, v.bin.Attack, g.URL, "hostile-"+uuid.NewString(), c.desk, v.size.history)
	if err != nil {
		return r, err
	}
	if _, err := c.run(ctx, hostileRate, 2*time.Second, false); err != nil { // caches fill, and heaps find their size
		return r, err
	}
	latencies, p99 := map[bool][]float64{}, map[bool][]float64{}
	var first []float64 // of the messages within its first second
	lost := 0
	var most memory
	for n := range 2 * o.runs {
		hostile := n%2 == 1
		end := func() error { return nil }
		if hostile {
			if end, err = h.Begin(); err != nil {
				return r, err
			}
		}
		l, err := c.run(ctx, hostileRate, v.size.round, false)
		if err == nil && hostile {
			var now memory
			if now, err = g.memory(ctx); err == nil && now.rss > most.rss {
				most = now
			}
		}
		if err = errors.Join(err, end()); err != nil {
			return r, fmt.Errorf("round %d, hostile %v: %w; the hostile customer: %s", n, hostile, err, strings.Join(h.Counts(), ", "))
		}
		latencies[hostile] = append(latencies[hostile], l.latencies...)
		p99[hostile] = append(p99[hostile], percentile(l.latencies, 99))
		if hostile {
			first = append(first, l.latencies[:min(hostileRate, len(l.latencies))]...)
		}
		lost += l.lost
		fmt.Fprintf(o.log, "  hostile %v: p50 %.2f ms, p99 %.2f ms, lost %d\n", hostile, percentile(l.latencies, 50), percentile(l.latencies, 99), l.lost)
	}
	// Of each round, and then the median: a stall of the disk, which quiet rounds meet as well, is in one round.
	ratio := median(p99[true]) / median(p99[false])
	row := func(name string, l []float64) []string {
		return []string{name, ms(percentile(l, 50)), ms(percentile(l, 99)), ms(percentile(l, 100))}
	}
	rounds := func(hostile bool) string {
		var list []string
		for _, l := range p99[hostile] {
			list = append(list, fmt.Sprintf("%.1f", l))
		}
		return strings.Join(list, ", ")
	}
	t := table{
		title: fmt.Sprintf("Gateway: one hostile customer, beside %d others with %d messages a second", othersOnline, hostileRate),
		head:  []string{"rounds", "p50", "p99", "worst"},
		rows:  [][]string{row("quiet", latencies[false]), row("hostile", latencies[true]), row("of these, the first second", first)},
		notes: []string{
			fmt.Sprintf("Rounds of %v in turn, at one gateway as shipped. ", v.size.round) + "The hostile customer runs on the same machine, with the least priority, over 7 connections for calls, 8 for histories and 104 for streams, and does all at once, as fast as it is answered: creates chats with the largest parameters, lists them, " +
				fmt.Sprintf("posts to an ended chat of %d long messages, asks for its history and reads no answer, opens silent sockets, sends pongs and empty fragments, creates sessions. ", v.size.history) +
				fmt.Sprintf("The gateway held %.0f MiB at most (RSS).", most.rss/1024),
			fmt.Sprintf("The p99 of each quiet round: %s ms; of each hostile one: %s ms. The goal compares their medians: a disk that stalls for some hundred milliseconds does so in quiet rounds, too, and one such stall is more than a hundredth of a round.", rounds(false), rounds(true)),
			"What it was answered: " + strings.Join(h.Counts(), "; ") + ".",
		},
	}
	c.abandon(g.Process)
	return report{[]table{t}, []goal{
		{what: "Gateway: p99 of a message beside a hostile customer, over the quiet one", unit: "×", value: ratio, must: slowdown, aim: 1.5},
		{what: "Gateway: messages lost beside a hostile customer", value: float64(lost), must: 0, aim: 0},
	}}, nil
}

// measureFlatness compares customers with and without ended chats, and chats with few and many messages.
func (v victims) measureFlatness(ctx context.Context) (r report, err error) {
	size := v.size
	g, c, err := v.start(ctx, "other", 4, "--customer-chats-per-hour", "0")
	if err != nil {
		return r, err
	}
	defer g.Kill()
	fresh, used, short, long := c.visitors[0], c.visitors[1], c.visitors[2], c.visitors[3]
	// A customer may call 20 times a second, and to create a chat takes two.
	pace := time.NewTicker(time.Second / 9)
	defer pace.Stop()
	for range size.ended {
		<-pace.C
		e, err := used.CreateEngagement(ctx, nil)
		if err != nil {
			return r, err
		}
		agent := uuid.NewString()
		if err := cluster.Accept(ctx, c.desk, e.EngagementID, agent); err != nil {
			return r, err
		}
		if err := c.desk.End(ctx, e.EngagementID, agent); err != nil {
			return r, err
		}
	}
	for v, n := range map[*visitor]int{short: size.short, long: size.history} {
		if err := cluster.Fill(ctx, c.desk, v.Chat, v.Agent, n, "Some words that are as many as people write in a chat."); err != nil {
			return r, err
		}
	}
	found := series{}
	timed := func(name string, call func() error) error {
		<-pace.C
		begun := time.Now()
		err := call()
		found.add(name, time.Since(begun).Seconds()*1000)
		return err
	}
	list := func(v *visitor) func() error {
		return func() error {
			chats, err := v.Engagements(ctx)
			if err == nil && len(chats) != 1 {
				err = fmt.Errorf("%d chats are listed, not 1", len(chats))
			}
			return err
		}
	}
	post := func(v *visitor) func() error {
		return func() error { return v.Send(ctx, "Some words.") }
	}
	// Another agent each time.
	claim := func(v *visitor) func() error {
		return func() error {
			_, err := c.desk.Call(ctx, "POST", "/engagements/"+v.Chat+":accept", map[string]any{"agentId": uuid.NewString(), "agentName": "Agent", "takeOver": true})
			return err
		}
	}
	kinds := []struct {
		what         string
		little, much func() error
	}{
		{fmt.Sprintf("list the chats, with 0 and %d ended ones", size.ended), list(fresh), list(used)},
		{fmt.Sprintf("post, with 0 and %d ended chats", size.ended), post(fresh), post(used)},
		{fmt.Sprintf("post into a chat of %d and of %d messages", size.short, size.history), post(short), post(long)},
		{fmt.Sprintf("claim a chat of %d and of %d messages", size.short, size.history), claim(short), claim(long)},
	}
	t := table{title: "Gateway: what a call passes over", head: []string{"call", "little", "much"},
		notes: []string{"Medians of single calls, in turn, with nothing else going on."}}
	for _, k := range kinds {
		for range size.calls {
			if err := errors.Join(timed(k.what+" little", k.little), timed(k.what+" much", k.much)); err != nil {
				return r, fmt.Errorf("%s: %w", k.what, err)
			}
		}
		little, much := found.median(k.what+" little"), found.median(k.what+" much")
		t.rows = append(t.rows, []string{k.what, ms(little), ms(much)})
		r.goals = append(r.goals, goal{what: "Gateway: " + k.what, unit: "×", value: much / little, must: flat, aim: 1.1})
	}
	r.tables = []table{t}
	c.abandon(g.Process)
	return r, nil
}
