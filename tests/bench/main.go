// Command bench measures what a visitor and an operator pay, beside peers and beside
// bare minimums measured in the same run, and holds it against the goals.
//
//	go run ./tests/bench                       all sections, as make bench
//	go run ./tests/bench -only 'load|events'   those whose names match
//	go run ./tests/bench -runs 1               quick, for whoever writes a section
//	go run ./tests/bench -only '^(start|events)$' -beside ../main/dist
//	                                           how soon this build starts, how many events it
//	                                           takes, and the same of another build
//	go run ./tests/bench -check                what does not depend on the machine
//	go run ./tests/bench -write tests/BENCH.md also writes what it prints
//
// Machines are noisy: each figure is the median of interleaved runs, and what matters
// is the ratio to what was measured beside it. A goal that is missed makes it exit
// with 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// section measures one thing and reports it.
type section struct {
	name string
	run  func(context.Context, options) (report, error)
}

// sections are measured in this order.
var sections = []section{
	{"bytes", measureBytes},
	{"start", measureStart},
	{"load", measureLoad},
	{"events", measureEvents},
	{"profile", measureProfile},
	{"calls", measureCalls},
	{"memory", measureMemory},
	{"engines", measureEngines},
	{"gateway", measureGateway},
	{"hostile", measureHostile},
	{"flat", measureFlat},
}

// options are what the command line says to every section.
type options struct {
	runs   int       // interleaved runs of which the median counts, at least 1
	beside string    // folders of other builds, separated by commas, which start and events measure, too
	log    io.Writer // progress, for whoever waits
}

// report is a section's outcome.
type report struct {
	tables []table
	goals  []goal
}

// table is printed as Markdown.
type table struct {
	title string
	head  []string
	rows  [][]string
	notes []string // below the table, a paragraph each
}

// goal compares one figure with what it must be and what is aimed for.
type goal struct {
	what       string
	unit       string
	value      float64
	must, aim  float64
	moreIsGood bool // the bounds are minimums
}

func (g goal) meets(bound float64) bool {
	if g.moreIsGood {
		return g.value >= bound
	}
	return g.value <= bound
}

func main() {
	only := flag.String("only", "", "measure only sections whose name matches this `regexp`")
	runs := flag.Int("runs", 7, "interleaved `runs`, of which the median counts")
	check := flag.Bool("check", false, "measure only what does not depend on the machine, and compare it with the committed bounds")
	beside := flag.String("beside", "", "let the sections start and events measure other builds, too, in these `folders` with commas between")
	write := flag.String("write", "", "write the report to this `file`, too")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() (bool, error) { return bench(ctx, *only, *runs, *beside, *write) }
	if *check {
		run = func() (bool, error) { return checkBounds(ctx, os.Stdout) }
	}
	met, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !met {
		os.Exit(1)
	}
}

func bench(ctx context.Context, only string, runs int, beside, file string) (met bool, err error) {
	is, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	if runs < 1 {
		return false, fmt.Errorf("-runs %d: at least 1 is needed", runs)
	}
	var out strings.Builder
	machine, err := describeMachine()
	if err != nil {
		return false, err
	}
	fmt.Fprintf(&out, "# What it costs\n\nThe output of `make bench`. Medians of %d interleaved runs.\n\n%s\n", runs, machine)
	var goals []goal
	for _, s := range sections {
		if !is.MatchString(s.name) {
			continue
		}
		begun := time.Now()
		fmt.Fprintf(os.Stderr, "%s …\n", s.name)
		r, err := s.run(ctx, options{runs, beside, os.Stderr})
		if err != nil {
			return false, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %.0f s\n", s.name, time.Since(begun).Seconds())
		for _, t := range r.tables {
			t.print(&out)
		}
		goals = append(goals, r.goals...)
	}
	met = printGoals(&out, goals)
	fmt.Print(out.String())
	if file != "" {
		return met, os.WriteFile(file, []byte(out.String()), 0o644)
	}
	return met, nil
}

// checkBounds compares what does not depend on the machine with the committed bounds.
func checkBounds(ctx context.Context, out io.Writer) (met bool, err error) {
	r, err := measureCheck(ctx, options{runs: 1, log: os.Stderr})
	if err != nil {
		return false, err
	}
	t := table{title: "What does not depend on the machine", head: []string{"what", "measured", "bound", ""}}
	met = true
	for _, g := range r.goals {
		verdict := "holds"
		if !g.meets(g.must) {
			met, verdict = false, "exceeded"
		}
		t.rows = append(t.rows, []string{g.what, fmt.Sprintf("%.4g", g.value), fmt.Sprintf("%.4g", g.must), verdict})
	}
	t.print(out)
	return met, nil
}

func (t table) print(out io.Writer) {
	fmt.Fprintf(out, "\n## %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.head, " | "), strings.Repeat("---|", len(t.head)))
	for _, r := range t.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(r, " | "))
	}
	for _, n := range t.notes {
		fmt.Fprintf(out, "\n%s\n", n)
	}
}

func printGoals(out io.Writer, goals []goal) (met bool) {
	met = true
	t := table{title: "Goals", head: []string{"what", "measured", "must", "aim", ""}}
	for _, g := range goals {
		sign, verdict := "≤", "missed"
		if g.moreIsGood {
			sign = "≥"
		}
		switch {
		case g.meets(g.aim):
			verdict = "aim met"
		case g.meets(g.must):
			verdict = "met"
		default:
			met = false
		}
		t.rows = append(t.rows, []string{g.what, fmt.Sprintf("%.4g %s", g.value, g.unit),
			fmt.Sprintf("%s %.4g", sign, g.must), fmt.Sprintf("%s %.4g", sign, g.aim), verdict})
	}
	t.print(out)
	return met
}
