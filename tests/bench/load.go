package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// condition is under what a page loads.
type condition struct {
	name    string
	slowed  float64 // factor on the main thread's work, 0 for none
	network bool    // 10 Mbit/s and 40 ms to each answer
}

var (
	plain      = condition{name: "plain"}
	slowCPU    = condition{name: "4× slower CPU", slowed: 4}
	slowLine   = condition{name: "10 Mbit/s, 40 ms", network: true}
	conditions = []condition{plain, slowCPU, slowLine}
)

// subject is a script that is loaded.
type subject struct {
	name, src, how string
	argument       func() any
	peer           *peer
}

func measureLoad(ctx context.Context, o options) (r report, err error) {
	s, err := newSite()
	if err != nil {
		return r, err
	}
	defer s.Close()
	if err := s.addBare(ctx, "-s -w"); err != nil {
		return r, err
	}
	subjects := []subject{
		s.ours("ours", "/sdk/"+sdkScript),
		{name: "bare Go", src: "/bare/bare.js", how: "bare", argument: func() any { return nil }},
	}
	found, missing := bundleAll(ctx, o.log)
	for _, p := range found {
		src := "/peers/" + strings.NewReplacer("@", "", "/", "-").Replace(p.name) + ".js"
		s.add(src, p.code, nil)
		subjects = append(subjects, subject{name: p.name, src: src, how: "peer", argument: func() any { return p.callable }, peer: &p})
	}

	profile, err := os.MkdirTemp("", "openchat-bench-profile")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(profile)

	// Peers that do not load at all are reported, and left out from here on.
	browser, end, err := harness.StartBrowser(ctx)
	if err != nil {
		return r, err
	}
	defer func() { end() }()
	subjects = slices.DeleteFunc(subjects, func(sub subject) bool {
		if sub.peer == nil {
			return false
		}
		if _, err := loadOnce(browser, s, sub, plain, true, false); err != nil {
			reason, _, _ := strings.Cut(err.Error(), "\n")
			missing = append(missing, fmt.Sprintf("%s %s is left out, as it does not run in a page: %s.", sub.name, sub.peer.version, reason))
			return true
		}
		return false
	})

	all := series{}
	key := func(sub subject, state string, c condition, figure string) string {
		return strings.Join([]string{sub.name, state, c.name, figure}, "|")
	}
	measure := func(browser context.Context, state string, c condition, run int) error {
		for _, sub := range rotated(subjects, run) {
			// A script has no more to tell than that.
			if sub.peer != nil && (state == "restart" || state == "warm" && c != plain) {
				continue
			}
			l, err := loadOnce(browser, s, sub, c, state == "cold", false)
			if err != nil {
				return fmt.Errorf("%s, %s, %s: %w", sub.name, state, c.name, err)
			}
			fmt.Fprintf(o.log, "run %d %s, %s, %s: ready after %.0f ms, blocked %.0f\n", run+1, sub.name, state, c.name, l.Ready, l.Blocked)
			all.add(key(sub, state, c, "ready"), l.Ready)
			all.add(key(sub, state, c, "blocked"), l.Blocked)
			all.add(key(sub, state, c, "main thread"), l.mainThread)
			if c != plain || state == "restart" {
				continue
			}
			// Tracing takes time itself, so what it tells is of a load of its own.
			if l, err = loadOnce(browser, s, sub, c, state == "cold", true); err != nil {
				return fmt.Errorf("%s, %s, traced: %w", sub.name, state, err)
			}
			all.add(key(sub, state, c, "evaluate"), l.evaluate)
		}
		return nil
	}
	for run := range o.runs {
		for _, c := range conditions {
			if err := measure(browser, "cold", c, run); err != nil {
				return r, err
			}
		}
	}

	// Warm, and after a restart: a browser with a profile that stays.
	end()
	start := func() (err error) {
		browser, end, err = harness.StartBrowser(ctx, chromedp.UserDataDir(profile))
		if err != nil {
			end = func() {}
		}
		return err
	}
	restart := func() error {
		// Asked to close, it writes its caches to the end.
		if err := chromedp.Cancel(browser); err != nil {
			return err
		}
		end()
		return start()
	}
	if err := start(); err != nil {
		return r, err
	}
	for i := range 3 { // the engine keeps code from the second or third time on
		fmt.Fprintf(o.log, "warming the caches, %d of 3\n", i+1)
		for _, sub := range subjects {
			if _, err := loadOnce(browser, s, sub, plain, false, false); err != nil {
				return r, fmt.Errorf("%s: %w", sub.name, err)
			}
		}
	}
	for run := range o.runs {
		for _, c := range conditions {
			if err := measure(browser, "warm", c, run); err != nil {
				return r, err
			}
		}
		for _, c := range conditions {
			if err := restart(); err != nil {
				return r, err
			}
			// A browser that has just started has much else to do.
			if err := chromedp.Run(browser, chromedp.Navigate(s.url+"/pages/load.html"), chromedp.Sleep(500*time.Millisecond)); err != nil {
				return r, err
			}
			if err := measure(browser, "restart", c, run); err != nil {
				return r, err
			}
		}
	}

	ms := func(sub subject, state string, c condition, figure string) string {
		v := all.median(key(sub, state, c, figure))
		if math.IsNaN(v) {
			return ""
		}
		return fmt.Sprintf("%.1f", v)
	}
	main := table{title: "Load: the page's main thread, ms", head: []string{"", "script evaluated, cold", "warm", "all until ready, cold", "warm",
		"blocking, cold", "blocking, cold, 4× slower CPU", "warm, 4× slower CPU"}}
	wall := table{title: "Load: ready after, ms", head: []string{""}}
	for _, state := range []string{"cold", "warm", "restart"} {
		for _, c := range conditions {
			name := state
			if c != plain {
				name += ", " + c.name
			}
			wall.head = append(wall.head, name)
		}
	}
	for _, sub := range subjects {
		main.rows = append(main.rows, []string{sub.name, ms(sub, "cold", plain, "evaluate"), ms(sub, "warm", plain, "evaluate"),
			ms(sub, "cold", plain, "main thread"), ms(sub, "warm", plain, "main thread"), ms(sub, "cold", plain, "blocked"),
			ms(sub, "cold", slowCPU, "blocked"), ms(sub, "warm", slowCPU, "blocked")})
		row := []string{sub.name}
		for _, state := range []string{"cold", "warm", "restart"} {
			for _, c := range conditions {
				row = append(row, ms(sub, state, c, "ready"))
			}
		}
		wall.rows = append(wall.rows, row)
	}
	main.notes = append([]string{"Script evaluated: after it the API can be called. All until ready: everything that the main thread computed. Blocking: the sum over tasks of over 50 ms of what is over 50 ms."}, missing...)
	wall.notes = []string{"From asking for the script, in a page that is quiet, to being ready: ours when `init`, called as soon as there is one, makes its first request; " +
		"bare Go, a program that does nothing, built as ours is, when its main waits; peers when they can be called. Cold: no cache. Warm: HTTP and code caches. Restart: the same after the browser was restarted."}
	r.tables = []table{main, wall}

	// The goals beside bare Go are those of the section before.
	// These are set by the peers, and without them there is none.
	least, amazon, lightest := math.NaN(), math.NaN(), math.NaN()
	size := math.MaxInt
	for _, sub := range subjects {
		if sub.peer == nil {
			continue
		}
		if v := all.median(key(sub, "cold", plain, "evaluate")); !(v >= least) {
			least = v
		}
		blocked := all.median(key(sub, "cold", slowCPU, "blocked"))
		if sub.name == "amazon-connect-chatjs" {
			amazon = blocked
		}
		if n := len(compress(sub.peer.code)); sub.peer.contactCenter && n < size {
			size, lightest = n, blocked
		}
	}
	if !math.IsNaN(least) {
		r.goals = append(r.goals, goal{what: "main-thread time to API callable (must: the least of the peers)", unit: "ms",
			value: all.median(key(subjects[0], "cold", plain, "evaluate")), must: least, aim: min(5, least)})
	}
	if !math.IsNaN(amazon) {
		r.goals = append(r.goals, goal{what: "total blocking time of loading, 4× throttled (must: amazon-connect-chatjs, aim: the lightest contact-center peer)", unit: "ms",
			value: all.median(key(subjects[0], "cold", slowCPU, "blocked")), must: amazon, aim: lightest})
	}
	return r, nil
}

// loaded is what one load took, in milliseconds.
type loaded struct {
	Ready, Blocked float64
	evaluate       float64 // computed by the script's own evaluation, if it was traced
	mainThread     float64 // computed on the main thread altogether
}

// loadOnce loads a subject in a tab of its own.
func loadOnce(browser context.Context, s *site, sub subject, c condition, fresh, traced bool) (l loaded, err error) {
	t, err := openTab(browser, s.url+"/pages/load.html", fresh)
	if err != nil {
		return l, err
	}
	defer t.Close()
	if err := t.unobserved(); err != nil {
		return l, err
	}
	if c.network {
		const bytes = 10e6 / 8
		if err := t.Run(network.Enable(), network.EmulateNetworkConditions(false, 40, bytes, bytes)); err != nil {
			return l, err
		}
	}
	if c.slowed > 0 {
		if err := t.Run(emulation.SetCPUThrottlingRate(c.slowed)); err != nil {
			return l, err
		}
	}
	load := func() error { return t.Eval(&l, "load.run(%s, %s, %s)", sub.src, sub.how, sub.argument()) }
	if traced {
		trace, err := t.trace([]string{"devtools.timeline"}, load)
		for _, e := range trace {
			if e.Name == "EvaluateScript" && strings.HasSuffix(e.Args.Data.URL, sub.src) {
				l.evaluate += e.TDur / 1000
			}
		}
		if err == nil && l.evaluate == 0 {
			err = fmt.Errorf("the browser's trace of %d events does not tell of the script", len(trace))
		}
		return l, err
	}
	before, err := t.cpu()
	if err != nil {
		return l, err
	}
	if err := load(); err != nil {
		return l, err
	}
	after, err := t.cpu()
	l.mainThread = (after - before) * 1000
	return l, err
}

// traceEvent is as much of a trace's event as is used here.
type traceEvent struct {
	Name string
	TS   float64 // when it began, in microseconds of the browser's clock
	TDur float64 // computed by its thread, in microseconds
	Args struct{ Data struct{ URL string } }
}

// trace records the browser's events of some categories while f runs.
func (t *tab) trace(categories []string, f func() error) (events []traceEvent, err error) {
	ctx, cancel := context.WithCancel(t.Context)
	defer cancel()
	complete := make(chan error, 1)
	chromedp.ListenBrowser(ctx, func(event any) {
		switch e := event.(type) {
		case *tracing.EventDataCollected:
			for _, raw := range e.Value {
				var v traceEvent
				if err := json.Unmarshal(raw, &v); err != nil {
					continue // other events have other shapes
				}
				events = append(events, v)
			}
		case *tracing.EventTracingComplete:
			complete <- nil
		}
	})
	whole := func(action chromedp.Action) chromedp.Action {
		return chromedp.ActionFunc(func(ctx context.Context) error {
			return action.Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
		})
	}
	config := &tracing.TraceConfig{IncludedCategories: categories, ExcludedCategories: []string{"*"}}
	if err := t.Run(whole(tracing.Start().WithTransferMode(tracing.TransferModeReportEvents).WithTraceConfig(config))); err != nil {
		return nil, err
	}
	failed := f()
	if err := t.Run(whole(tracing.End())); err != nil {
		return nil, err
	}
	bound, stop := bounded(ctx)
	defer stop()
	select {
	case err = <-complete:
	case <-bound.Done():
		err = context.Cause(bound)
	}
	if failed != nil {
		err = failed
	}
	return events, err
}
