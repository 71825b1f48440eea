package main

import (
	"context"
	"fmt"
)

const callsMeasured, callsBefore = 300, 100 // the first ones warm up

func measureCalls(ctx context.Context, o options) (r report, err error) {
	s, browser, end, err := openSite(ctx)
	if err != nil {
		return r, err
	}
	defer end()
	all := series{}
	for run := range o.runs {
		var took struct{ Ours, Raw []float64 }
		err := func() error {
			t, err := openTab(browser, s.url+"/pages/"+sdkPage, true)
			if err != nil {
				return err
			}
			defer t.Close()
			c, other := s.newChat(), s.newChat()
			if err := t.Eval(nil, "bench.connect.ours(%s, %s)", c.url, s.params(c)); err != nil {
				return err
			}
			if err := t.Eval(nil, "bench.calls(%s, %s, %s)", other.url, s.params(other), callsBefore); err != nil {
				return err
			}
			return t.Eval(&took, "bench.calls(%s, %s, %s)", other.url, s.params(other), callsMeasured)
		}()
		if err != nil {
			return r, err
		}
		ours, raw := median(took.Ours), median(took.Raw)
		fmt.Fprintf(o.log, "run %d: sendMessage %.2f ms, fetch %.2f ms\n", run+1, ours, raw)
		all.add("ours", ours)
		all.add("ours p99", percentile(took.Ours, 99))
		all.add("raw", raw)
		all.add("raw p99", percentile(took.Raw, 99))
		all.add("over", ours-raw)
	}
	row := func(name, key string) []string {
		return []string{name, fmt.Sprintf("%.2f", all.median(key)), fmt.Sprintf("%.2f", all.median(key+" p99"))}
	}
	r.tables = []table{{
		title: "Calls",
		head:  []string{"", "median, ms", "p99, ms"},
		rows:  [][]string{row("`sendMessage`", "ours"), row("`fetch` and `json()`", "raw")},
		notes: []string{fmt.Sprintf("The same body to the same server, %d of each a run, in turns, after %d to warm up.", callsMeasured, callsBefore)},
	}}
	r.goals = []goal{{what: "`sendMessage` over raw `fetch`, median", unit: "ms", value: all.median("over"), must: 1, aim: 0.3}}
	return r, nil
}
