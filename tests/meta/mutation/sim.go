package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// simulated are the faults that the simulation (tests/faults/sim) must show, as make test does
// with -sim: what they break, as in faults. They are of all kinds that the simulation is
// there for; make mutation meets the simulation with all of the core's.
var simulated = []string{
	"STREAM-3 what was handled is handled again",
	"STREAM-3 a reconnected stream begins one event too late",
	"STREAM-3 a connection of an old attempt counts",
	"STREAM-2 STREAM-4 the timer is not armed for the stream",
	"STREAM-4 a silent connection is found dead after 80 seconds",
	"STREAM-5 online waits for the next attempt",
	"STREAM-7 what was lost for good is not re-read",
	"STREAM-7 newer events overtake those that were missed",
	"EV-12 frames are handled while init still reads the chats",
	"EV-14 SHUTDOWN twice",
	"IDLE-2 activity in the grace period leaves it running",
	"JWT-3 the live stream does not learn of a new token",
	"MSG-3 messages overtake each other",
	"MSG-4 a message is given up after ten seconds of outage",
	"PAGE-3 messages after the snapshot are in it",
	"SHUT-2 the stream's reader outlives the session",
}

// simulation plays seeds in copies of the tree with a fault each, until one fails,
// and tells which seed that was and what the model said. A fault that is not seen within
// so many seeds has survived.
func simulation(ctx context.Context, list []mutant, copies []tree, seeds int) ([]verdict, error) {
	verdicts := make([]verdict, len(list))
	all := func(int) bool { return true }
	return verdicts, plantEach(ctx, copies, list, verdicts, record{}, all, func(c tree, _ mutant) (by catch, err error) {
		by.test, err = c.simulate(ctx, seeds)
		return by, err
	})
}

// simulate plays seeds from 1 on until one fails.
func (c tree) simulate(ctx context.Context, seeds int) (by string, err error) {
	binary, err := filepath.Abs(filepath.Join(string(c), "sim"))
	if err != nil {
		return "", err
	}
	// -trimpath lets copies share the build cache.
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./tests/faults/sim")
	build.Dir = string(c)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not compile: %w\n%s", err, out)
	}
	words := append(strings.Fields(bounded), binary, "-quiet", "-processes", "1", "-failures", "1", "-seeds", strconv.Itoa(seeds))
	out, err := exec.CommandContext(ctx, words[0], words[1:]...).Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &exit):
		return "", err
	}
	first, _, _ := strings.Cut(string(out), "\n")
	if !strings.HasPrefix(first, "seed ") {
		return "", fmt.Errorf("tests/faults/sim: %w\n%s%s", err, exit.Stderr, out)
	}
	return first, nil
}

// inSimulation chooses the faults of simulated.
func inSimulation(all []mutant) (list []mutant, err error) {
	for _, breaks := range simulated {
		i := slices.IndexFunc(all, func(f mutant) bool { return f.breaks == breaks })
		if i < 0 {
			return nil, fmt.Errorf("no fault is called %q", breaks)
		}
		list = append(list, all[i])
	}
	return list, nil
}
