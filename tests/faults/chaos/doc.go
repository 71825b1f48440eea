// Package chaos proves the promise of the README against real faults: many customers
// (sdk/native) and agents (the desk's API) write to each other while the gateway and
// its NATS server are killed and restarted, stopped and frozen, and while the
// customers' links suffer latency, slicing, resets, black holes and refusals. Then the
// faults stop, everything settles, and the logs of all are compared with what is
// stored: every acknowledged message is in every participant's log, once, in order;
// nothing is there that nobody sent; every promise has settled. One hostile customer attacks the gateway all along.
//
// TestChaosOfTheStore has a second platform, with the same people and the same judge: one gateway
// with the NATS server inside, on a disk of its own, under a supervisor. Its disk gets full and
// read-only, it has no file descriptors left and too many connections, it is reloaded with good and bad settings,
// its customers' keys are replaced, and it is killed. After the end of each of these
// a send succeeds within 10 s. It needs Linux; where no file system can be mounted, or
// there is no prlimit, it says so and does the rest.
//
//	make chaos                       200 customers, 20 agents, 3 minutes on each platform
//	make chaos SEED=7 DURATION=10m   other faults, for longer
//	go test ./tests/faults/chaos     the short form, which make test runs
//
// platform_test.go runs the real gateway and a real NATS
// server as processes; link_test.go is the links, each a TCP fault proxy
// (toxiproxy), and the faults; customer_test.go and agent_test.go are who writes;
// verdict_test.go judges the logs, and is tested itself; chaos_test.go puts them
// together and prints the table. store_linux_test.go is the second platform and what
// happens to it, supervisor_test.go who starts its gateway again. stop_test.go is the gateway's graceful stop where it
// needs another NATS server or the SDK.
//
// The choice of faults follows from SEED, which is printed. What they hit does not:
// real processes on a real clock are not repeatable to the millisecond.
//
// Environment: SEED, DURATION, CUSTOMERS, AGENTS; OPENCHAT_LOG=1 shows the processes'
// logs as they come, and when each cause began and ended.
package chaos
