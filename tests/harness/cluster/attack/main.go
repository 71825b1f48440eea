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
	"runtime"
	"syscall"

	"openchat/tests/harness/cluster"
)

// It prints true when it has started. The first line of its input says whom to attack; the end of its input
// ends the attack. Then it prints what it did.
func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

func run() error {
	if err := leastPriority(); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(true); err != nil {
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
	return out.Encode(counts)
}

// leastPriority gives the process the least priority. Linux gives it to a thread, and to those that the thread
// begins: those that Go has begun before are ended by executing the program anew.
func leastPriority() error {
	const least = 19
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The system call answers 20 minus the priority.
	switch now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0); {
	case err != nil:
		return err
	case 20-now == least:
		return nil
	}
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, least); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, os.Environ())
}
