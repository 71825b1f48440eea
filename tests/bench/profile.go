package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/profiler"
	"github.com/chromedp/chromedp"
)

const (
	// profileEvery is the profiler's interval, in microseconds.
	profileEvery = 100
	// profiledLoads are the loads over which a profile of loading is taken: one has too few
	// samples.
	profiledLoads = 7
	// profileLines are the lines of a table; the rest is one.
	profileLines = 14
)

// measureProfile tells where the main thread's time goes: by package for Go, for which
// the same wasm is built with its names.
func measureProfile(ctx context.Context, o options) (r report, err error) {
	s, browser, end, err := openSite(ctx)
	if err != nil {
		return r, err
	}
	defer end()
	if err := s.addNamed(ctx); err != nil {
		return r, err
	}
	load, err := s.profileLoads(browser, []subject{
		s.ours("ours", "/named/"+sdkScript),
		{name: "bare Go", src: "/bare/bare.js", how: "bare", argument: func() any { return nil }},
	})
	if err != nil {
		return r, err
	}
	events, err := s.profileEvents(browser)
	if err != nil {
		return r, err
	}
	r.tables = []table{load, events}
	return r, nil
}

// addNamed serves the SDK in /named/ and bare Go in /bare/, both with the names of their
// functions. It is the shipped one in all else: the build's steps leave these names, which stand
// in a section of their own, alone.
func (s *site) addNamed(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join("dist", "build-info.json"))
	if err != nil {
		return err
	}
	var info struct{ Version, Build string }
	if err := json.Unmarshal(text, &info); err != nil {
		return err
	}
	goroot, err := goroot(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "openchat-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, command := range [][]string{
		{"./build.sh", "wasm", "-w -X main.build=" + info.Build, filepath.Join(dir, sdkWasm), "./wasm"},
		{"go", "run", "./js/pack", "-version", info.Version, "-build", info.Build, "-goroot", goroot, "-out", dir},
	} {
		if out, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("building the SDK with names: %w\n%s", err, out)
		}
	}
	if err := s.addSDK("/named/", dir); err != nil {
		return err
	}
	return s.addBare(ctx, "")
}

// profileLoads profiles several loads of each subject.
func (s *site) profileLoads(browser context.Context, subjects []subject) (t table, err error) {
	times := make([]map[string]float64, len(subjects))
	for i, sub := range subjects {
		times[i] = map[string]float64{}
		for range profiledLoads {
			if err := s.profileLoad(browser, sub, times[i]); err != nil {
				return t, fmt.Errorf("%s: %w", sub.name, err)
			}
		}
		for name := range times[i] {
			times[i][name] /= profiledLoads
		}
	}
	t = table{title: "Where the time goes: loading, ms of the main thread", head: []string{""}}
	for _, sub := range subjects {
		t.head = append(t.head, sub.name)
	}
	row := func(name string, value func(i int) string) {
		cells := []string{name}
		for i := range subjects {
			cells = append(cells, value(i))
		}
		t.rows = append(t.rows, cells)
	}
	names, rest := largest(times[0])
	for _, name := range names {
		row(name, func(i int) string { return fmt.Sprintf("%.1f", times[i][name]) })
	}
	row("all else", func(i int) string {
		sum := 0.0
		for _, name := range rest {
			sum += times[i][name]
		}
		return fmt.Sprintf("%.1f", sum)
	})
	t.notes = []string{fmt.Sprintf("Means of %d cold loads, with the names of the functions and a sample each %d µs, which slows them down. The engine compiles a function when it is first called, "+
		"on the main thread, and the profiler counts that as the browser's.", profiledLoads, profileEvery)}
	return t, nil
}

func (s *site) profileLoad(browser context.Context, sub subject, times map[string]float64) error {
	t, err := openTab(browser, s.url+"/pages/load.html", true)
	if err != nil {
		return err
	}
	defer t.Close()
	return t.profile(times, func() error { return t.Eval(nil, "load.run(%s, %s, %s)", sub.src, sub.how, sub.argument()) })
}

// profileEvents profiles the path of many events to the page's handler.
func (s *site) profileEvents(browser context.Context) (t table, err error) {
	s.add("/pages/named.html", []byte(`<!doctype html><html lang="en"><meta charset="utf-8"><title>bench</title><link rel="icon" href="data:,"><script src="bench.js"></script><script src="/named/`+sdkScript+`"></script>`), nil)
	p, c, l, err := s.openChat(browser, "named.html", "ours")
	if err != nil {
		return t, err
	}
	defer p.Close()
	receive := func(n int) error {
		if err := p.Eval(nil, "bench.expect(%s)", n); err != nil {
			return err
		}
		if err := l.blast(c.frames(l, n)); err != nil {
			return err
		}
		return p.Eval(nil, "bench.received().then(() => null)")
	}
	if err := receive(warmUp); err != nil {
		return t, err
	}
	times := map[string]float64{}
	if err := p.profile(times, func() error { return receive(blastSize) }); err != nil {
		return t, err
	}
	t = table{title: "Where the time goes: an event among many, µs of the main thread", head: []string{"", "ours"}}
	names, rest := largest(times)
	cell := func(ms float64) string { return fmt.Sprintf("%.1f", ms/blastSize*1000) }
	for _, name := range names {
		t.rows = append(t.rows, []string{name, cell(times[name])})
	}
	sum := 0.0
	for _, name := range rest {
		sum += times[name]
	}
	t.rows = append(t.rows, []string{"all else", cell(sum)})
	t.notes = []string{fmt.Sprintf("%d events at once, after %d to warm up.", blastSize, warmUp)}
	return t, nil
}

// profile adds the time that the main thread spends in each package while f runs, in
// milliseconds.
func (t *tab) profile(times map[string]float64, f func() error) error {
	if err := t.Run(profiler.Enable(), profiler.SetSamplingInterval(profileEvery), profiler.Start()); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	var p *profiler.Profile
	if err := t.Run(chromedp.ActionFunc(func(ctx context.Context) (err error) { p, err = profiler.Stop().Do(ctx); return err })); err != nil {
		return err
	}
	packages := map[int64]string{}
	for _, n := range p.Nodes {
		packages[n.ID] = packageOf(n.CallFrame.FunctionName, n.CallFrame.URL)
	}
	for i, id := range p.Samples {
		if name := packages[id]; name != "" && i < len(p.TimeDeltas) {
			times[name] += float64(p.TimeDeltas[i]) / 1000
		}
	}
	return nil
}

// packageOf is to what a function's time is counted: Go's package, or who else computes;
// "" while nobody does.
func packageOf(function, url string) string {
	switch {
	case function == "(idle)" || function == "(root)":
		return ""
	case function == "(garbage collector)":
		return "JavaScript's garbage collector"
	case function == "(program)" || url == "":
		return "the browser"
	case !strings.Contains(url, "wasm"):
		if strings.HasSuffix(url, "/"+sdkScript) || strings.HasSuffix(url, "/bare.js") {
			return "the script"
		}
		return "the page"
	}
	// The linker writes every other character as an underscore.
	name, _, ok := strings.Cut(function, ".")
	if !ok || name == "type_" {
		return "Go: runtime"
	}
	return "Go: " + strings.ReplaceAll(name, "_", "/")
}

// largest are the names with the largest times, and the rest.
func largest(times map[string]float64) (names, rest []string) {
	names = slices.SortedFunc(maps.Keys(times), func(a, b string) int { return cmp.Compare(times[b], times[a]) })
	n := min(profileLines, len(names))
	return names[:n], names[n:]
}
