package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

// The simulation can fail: each fault of its list is planted in a copy of the tree, and
// some seed's life shows it. The table names the first that does, and what the model said.
func TestSimulationCanFail(t *testing.T) {
	list, err := inSimulation(located(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 15 {
		t.Fatalf("%d faults", len(list))
	}
	if testing.Short() {
		t.Skip("-short: without compiling a copy of the tree for each fault")
	}
	t.Chdir("../../..")
	var copies []tree
	for range runtime.NumCPU() {
		c := tree(t.TempDir())
		if err := c.fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		copies = append(copies, c)
	}
	began := time.Now()
	verdicts, err := simulation(t.Context(), list, copies, simSeeds)
	if err != nil {
		t.Fatal(err)
	}
	if !report(os.Stdout, list, verdicts, false) {
		t.Error("a fault survived")
	}
	t.Logf("%d faults in %v", len(list), time.Since(began).Round(time.Second))
}
