package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/sdk"
)

// The lives that every change of the SDK must survive: 2,000 of them, or as many as a busy
// machine gets through in its time, as make sim. Which row breaks is in what the model says.
func TestLives(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "sim")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	sim := exec.Command(binary, "-for", "50s")
	sim.Stderr = os.Stderr
	out, err := sim.Output()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	if strings.HasPrefix(string(out), "0 lives") {
		t.Error("none was played")
	}
}

// A seed is a life: the same schedule each time, and the same record nearly always.
func TestSeedRepeatsItself(t *testing.T) {
	if a, b := NewLife(7), NewLife(7); !reflect.DeepEqual(a, b) {
		t.Error("two schedules of one seed differ")
	}
	if a, b := NewLife(7), NewLife(8); reflect.DeepEqual(a.Steps, b.Steps) {
		t.Error("two seeds have one schedule")
	}
	for seed := uint64(1); seed < 500; seed++ {
		if l := NewLife(seed); l.Length < 10*time.Minute || l.Length > 2*time.Hour {
			t.Errorf("seed %d lives %v", seed, l.Length)
		}
	}
}

func TestRanges(t *testing.T) {
	for text, list := range map[string][]int{"none": nil, "3": {3}, "3,8-10,12": {3, 8, 9, 10, 12}, "0-1": {0, 1}} {
		if got := ranges(list); got != text {
			t.Errorf("%v is written %s, want %s", list, got, text)
		}
		if got, err := parseRanges(text); err != nil || !slices.Equal(got, list) {
			t.Errorf("%s is read %v, %v", text, got, err)
		}
	}
	if _, err := parseRanges("3,x"); err == nil {
		t.Error("x is taken for a number")
	}
}

func TestRow(t *testing.T) {
	for problem, want := range map[string]string{
		"12.500s p0 MSG-6 exactly once": "MSG-6",
		"SHUT-2 a goroutine is left":    "SHUT-2",
		"HANG the life does not end":    "HANG",
		"1.000s p12 every message":      "every",
	} {
		if got := row(problem); got != want {
			t.Errorf("%q is about %q, want %q", problem, got, want)
		}
	}
}

// A life that crashes its process, or never ends, is an outcome like others.
func TestProcessThatDies(t *testing.T) {
	p := &process{cmd: exec.CommandContext(context.Background(), "sh", "-c", "read order; echo too bad >&2; exit 3"), err: &tail{}}
	p.cmd.Stderr = p.err
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.read(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r, alive := p.play(order{Seed: 5})
	if alive || r.Seed != 5 || len(r.Problems) != 1 || r.Problems[0] != "CRASH too bad\n" {
		t.Errorf("%v %+v", alive, r)
	}
}

// What was in flight when a call acted goes before the call, and nothing else moves.
func TestDecided(t *testing.T) {
	raised := func(at time.Duration, e sdk.EventType) Entry {
		return Entry{At: at, What: wasRaised, Event: &sdk.Event{Type: e}}
	}
	// A token is set in the handler of TOKEN_EXPIRED. The break came before that, and is
	// delivered after.
	set := &Call{N: 1, Kind: doToken, Behind: 4}
	list := []Entry{
		raised(1, sdk.EventTokenExpired),
		{At: 1, What: wasCalled, Call: set},
		{At: 1, What: wasSettled, Call: set},
		raised(2, sdk.EventStreamFailed),
		raised(3, sdk.EventStreamConnecting),
	}
	for i := range list {
		list[i].place = i
	}
	var got []string
	for _, e := range decided(list) {
		word := map[What]string{wasCalled: "call", wasSettled: "settled"}[e.What]
		if e.Event != nil {
			word = string(e.Event.Type)
		}
		got = append(got, e.At.String()+" "+word)
	}
	want := []string{"1ns TOKEN_EXPIRED", "1ns EVENT_STREAM_FAILED", "1ns call", "1ns settled", "3ns EVENT_STREAM_CONNECTING"}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
}
