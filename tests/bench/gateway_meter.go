package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"openchat/tests/harness"
	"openchat/tests/harness/cluster"
)

// meter reads what a gateway's process uses.
type meter struct {
	*harness.Process
	profiles string // where it serves them
}

// startMetered starts a gateway.
func startMetered(ctx context.Context, bin cluster.Binaries, name string, args ...string) (*meter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{profiles: l.Addr().String()}
	l.Close()
	m.Process, err = bin.StartGateway(ctx, name, append(args, "--profile-addr", m.profiles)...)
	return m, err
}

// memory is in KiB.
type memory struct {
	rss    float64 // what the process holds, its garbage included
	heap   float64 // what of it is in use by Go's objects
	stacks float64 // and by its goroutines' stacks
}

func (m memory) minus(o memory) memory {
	return memory{m.rss - o.rss, m.heap - o.heap, m.stacks - o.stacks}
}

func (m memory) over(n int) memory {
	return memory{m.rss / float64(n), m.heap / float64(n), m.stacks / float64(n)}
}

// memory is what the process uses now: its resident set as it is, then the rest as it
// is after a garbage collection.
func (m *meter) memory(ctx context.Context) (memory, error) {
	rss, err := strconv.ParseFloat(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/status", m.PID()), "VmRSS"), " kB"), 64)
	if err != nil {
		return memory{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.profiles+"/debug/pprof/heap?debug=1&gc=1", nil)
	if err != nil {
		return memory{}, err
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return memory{}, err
	}
	defer a.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// "# HeapAlloc = 123", "# Stack = in use / of the system"
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "# "), " = "); ok {
			value, _, _ = strings.Cut(value, " ")
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return memory{}, err
	}
	if values["HeapAlloc"] == 0 || values["Stack"] == 0 {
		return memory{}, fmt.Errorf("%s tells nothing of its heap", m.Name)
	}
	return memory{rss, values["HeapAlloc"] / 1024, values["Stack"] / 1024}, nil
}

// cpu is the processor time that processes have used.
func cpu(list ...*harness.Process) (time.Duration, error) {
	var ticks int64
	for _, p := range list {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			return 0, err
		}
		// The name in the second field may hold anything but this.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, f := range fields[11:13] { // utime and stime
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100, nil // USER_HZ, 100 on every Linux
}
