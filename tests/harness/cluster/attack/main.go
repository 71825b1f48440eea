// Command attack is a hostile customer as a process of its own, with the least priority: on the one machine
// of a test it shall take from the gateway and from the other customers what an attacker elsewhere
// would take, and not their processors.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"

	"openchat/tests/harness/cluster"
)

// The first line of its input says whom to attack; the end of its input ends the attack. Then it prints what
// it did.
func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return err
	}
	in := json.NewDecoder(os.Stdin)
	var t cluster.Target
	if err := in.Decode(&t); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	counts := map[string]int{}
	t.Attack(ctx, counts)
	return json.NewEncoder(os.Stdout).Encode(counts)
}
