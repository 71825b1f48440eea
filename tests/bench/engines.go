package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"openchat/tests/harness"
)

// engineMessages arrive, memoryBatch at once, before memory is measured a second time.
const engineMessages = 1000

// measureEngines measures in each engine what it lets a page or its processes be asked: how soon ours is
// ready beside bare Go, and what memory both take. An engine that is not installed is an error.
func measureEngines(ctx context.Context, o options) (r report, err error) {
	s, err := newSite()
	if err != nil {
		return r, err
	}
	defer s.Close()
	subjects, err := s.startSubjects(ctx, "")
	if err != nil {
		return r, err
	}
	start := table{title: "Engines: start beside bare Go", head: []string{"", "version", "cold: ours ready after, ms", "bare Go", "ours over bare Go",
		"warm: ours ready after, ms", "bare Go", "ours over bare Go"}}
	memory := table{title: "Engines: memory of a page, MB", head: []string{"", "wasm: ours in a chat", fmt.Sprintf("after %d messages", engineMessages), "bare Go",
		"all processes, over those with an empty page: ours in a chat", fmt.Sprintf("after %d messages", engineMessages), "bare Go"}}
	start.notes = []string{"From asking for the script, in a page that is quiet, to being ready, by the page's clock, as in the section on Chromium's start; no line or processor is slowed down. " +
		"Cold: a user's first load. Warm: the same user's fourth, without asking for the wasm again. The ratio is the median of those of each run."}
	memory.notes = []string{fmt.Sprintf("The wasm's memory is what the page sees of it. Processes: the proportional set sizes of the browser's processes, "+
		"less those with the same user's empty page in the same run. Messages arrive %d at a time.", memoryBatch)}
	for _, e := range harness.Engines {
		all, version, err := s.measureEngine(ctx, o, e, subjects)
		if err != nil {
			return r, fmt.Errorf("%s: %w", e, err)
		}
		f := func(format, key string) string {
			if math.IsNaN(all.median(key)) {
				return ""
			}
			return fmt.Sprintf(format, all.median(key))
		}
		row := []string{e.Title(), version}
		for _, state := range []string{"cold", "warm"} {
			row = append(row, f("%.1f", "ours "+state), f("%.1f", "bare Go "+state), f("%.2f ×", "ratio "+state))
		}
		start.rows = append(start.rows, row)
		row = []string{e.Title()}
		for _, figure := range []string{"wasm", "processes"} {
			for _, what := range []string{"ours", "messages", "bare Go"} {
				row = append(row, f("%.2f", figure+" "+what))
			}
		}
		memory.rows = append(memory.rows, row)
		if why := e.Lack(harness.CachingFiles); why != "" {
			start.notes = append(start.notes, "Warm, "+e.Title()+" asks for the wasm again: "+why+".")
		}
		if why := e.Lack(harness.DevTools); why != "" {
			start.notes = append(start.notes, "Not measured in "+e.Title()+": the main thread's time, the tasks that block, the functions compiled, a slower processor or line: "+why+".")
		}
		if why := e.Lack(harness.Memory); why != "" {
			memory.notes = append(memory.notes, "Not measured in "+e.Title()+": JavaScript's heap: "+why+".")
		}
	}
	r.tables = []table{start, memory}
	return r, nil
}

func (s *site) measureEngine(ctx context.Context, o options, e harness.Engine, subjects []subject) (all series, version string, err error) {
	b, err := harness.StartEngine(ctx, e)
	if err != nil {
		return nil, "", err
	}
	defer b.End()
	all = series{}
	for run := range o.runs {
		if version, err = s.startIn(ctx, e, b, rotated(subjects, run), all); err != nil {
			return nil, "", fmt.Errorf("start: %w", err)
		}
		for _, state := range []string{"cold", "warm"} {
			all.add("ratio "+state, last(all["ours "+state])/last(all["bare Go "+state]))
		}
		if err := s.memoryIn(ctx, b, subjects, all); err != nil {
			return nil, "", fmt.Errorf("memory: %w", err)
		}
		fmt.Fprintf(o.log, "run %d, %s: ready after %.0f ms cold, %.0f warm\n", run+1, e.Title(), last(all["ours cold"]), last(all["ours warm"]))
	}
	return all, version, nil
}

// visit lets a new user use a browser.
func visit(b *harness.EngineBrowser, do func(v *harness.Visitor, p harness.Page) error) error {
	v, err := b.Visit()
	if err != nil {
		return err
	}
	defer v.End()
	p, err := v.Open()
	if err != nil {
		return err
	}
	defer p.Close()
	return do(v, p)
}

// evaluate evaluates an expression in a page, with arguments for %s in it, and reads its value into out.
func evaluate(ctx context.Context, p harness.Page, out any, expression string, args ...any) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	list := make([]any, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		list[i] = text
	}
	expression = fmt.Sprintf(expression, list...)
	value, err := p.Evaluate(ctx, expression, harness.AsDebugger)
	if err != nil {
		return fmt.Errorf("%w in\n%s", err, expression)
	}
	return json.Unmarshal(value, out)
}

func open(ctx context.Context, p harness.Page, url string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return p.Navigate(ctx, url)
}

// startIn measures how soon the subjects are ready for a new user, and for one who returns. It returns the
// browser's version.
func (s *site) startIn(ctx context.Context, e harness.Engine, b *harness.EngineBrowser, subjects []subject, all series) (version string, err error) {
	err = visit(b, func(v *harness.Visitor, p harness.Page) error {
		version = v.Version
		const loads = 4 // engines keep what they have compiled from the second or third on
		for i := range loads {
			asked := s.asked("/sdk/" + sdkWasm)
			for _, sub := range subjects {
				if err := open(ctx, p, s.url+"/pages/load.html"); err != nil {
					return err
				}
				var l loaded
				if err := evaluate(ctx, p, &l, "load.run(%s, %s, %s)", sub.src, sub.how, sub.argument()); err != nil {
					return err
				}
				switch i {
				case 0:
					all.add(sub.name+" cold", l.Ready)
				case loads - 1:
					all.add(sub.name+" warm", l.Ready)
				}
			}
			switch asked = s.asked("/sdk/"+sdkWasm) - asked; {
			case i == 0 && asked == 0:
				return errors.New("a new user's browser did not ask for the wasm: the start is not cold")
			case i == loads-1 && (asked > 0) != (e.Lack(harness.CachingFiles) != ""):
				return fmt.Errorf("the wasm was asked for %d times when warm: the table in tests/harness/driver.go says otherwise", asked)
			}
		}
		return nil
	})
	return version, err
}

// memoryIn measures what memory an empty page takes, one with bare Go, and one with ours in a chat.
func (s *site) memoryIn(ctx context.Context, b *harness.EngineBrowser, subjects []subject, all series) error {
	const mb = 1 << 20
	return visit(b, func(v *harness.Visitor, p harness.Page) error {
		var floor float64
		note := func(name, wasm string) error {
			var bytes float64
			if err := evaluate(ctx, p, &bytes, wasm); err != nil {
				return err
			}
			used, err := processes(v.Root)
			if errors.Is(err, fs.ErrNotExist) { // the table's cell stays empty
				used = math.NaN()
			} else if err != nil {
				return err
			}
			if name == "" {
				floor = used
				return nil
			}
			all.add("wasm "+name, bytes/mb)
			if !math.IsNaN(used) {
				all.add("processes "+name, (used-floor)/mb)
			}
			return nil
		}
		if err := open(ctx, p, s.url+"/pages/bare.html"); err != nil {
			return err
		}
		if err := note("", "0"); err != nil {
			return err
		}
		var got json.RawMessage
		bare := subjects[1]
		if err := evaluate(ctx, p, &got, `new Promise((done, fail) => {
			const script = document.createElement("script");
			script.onload = () => window.bare.then(done, fail);
			script.onerror = () => fail(new Error("the script did not load"));
			script.src = %s;
			document.head.append(script);
		})`, bare.src); err != nil {
			return err
		}
		if err := note(bare.name, "bareMemory.buffer.byteLength"); err != nil {
			return err
		}
		if err := open(ctx, p, s.url+"/pages/"+sdkPage); err != nil {
			return err
		}
		c := s.newChat()
		if err := evaluate(ctx, p, &got, "bench.connect.ours(%s, %s).then(() => null)", c.url, s.params(c)); err != nil {
			return err
		}
		waits, cancel := bounded(ctx)
		defer cancel()
		l, err := c.connected(waits)
		if err != nil {
			return err
		}
		const wasm = "bench.memory.buffer.byteLength"
		if err := note("ours", wasm); err != nil {
			return err
		}
		for range engineMessages / memoryBatch {
			if err := evaluate(ctx, p, &got, "(bench.expect(%s), null)", memoryBatch); err != nil {
				return err
			}
			if err := l.blast(c.frames(l, memoryBatch)); err != nil {
				return err
			}
			if err := evaluate(ctx, p, &got, "bench.received().then(() => null)"); err != nil {
				return err
			}
		}
		return note("messages", wasm)
	})
}

// processes is the memory of a process and of all that it has started, in bytes: its own, and its part of
// what it shares with others.
func processes(root int) (bytes float64, err error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	parents := map[int]int{}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name in the second field may hold anything but this.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			parents[pid], err = strconv.Atoi(fields[1])
		}
		if err != nil {
			return 0, err
		}
	}
	for pid := range parents {
		of := pid
		for of != root && of != 0 {
			of = parents[of]
		}
		if of != root {
			continue
		}
		kb, err := strconv.ParseFloat(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss"), " kB"), 64)
		if err == nil { // or it has ended
			bytes += kb * 1024
		}
	}
	if bytes == 0 {
		return 0, fs.ErrNotExist
	}
	return bytes, nil
}
