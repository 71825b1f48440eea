package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"openchat/tests/harness"
)

// NATS is a JetStream cluster of several processes.
type NATS struct {
	Nodes []*harness.Process // node1, node2, …; URL is where clients connect
	URL   string             // of all, as --nats-url takes it
}

// StartNATS starts size servers that keep their files below dir, and returns when they
// have found each other and serve JetStream. The same dir again brings back what was
// stored there, on other ports. Everything is on disk before it is acknowledged.
func (b Binaries) StartNATS(ctx context.Context, dir string, size int) (*NATS, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// Each server must know all of them before they are there.
	ports, err := freePorts(2 * size)
	if err != nil {
		return nil, err
	}
	var routes []string
	for _, port := range ports[size:] {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	n := &NATS{}
	for i := range size {
		name := fmt.Sprintf("node%d", i+1)
		file := filepath.Join(dir, name+".conf")
		if err = os.MkdirAll(dir, 0o700); err == nil {
			err = os.WriteFile(file, fmt.Appendf(nil, config, name, ports[i], filepath.Join(dir, name), ports[size+i], strings.Join(routes, ", ")), 0o600)
		}
		p := &harness.Process{Name: name, Path: b.NATS, Args: []string{"-c", file}, URL: fmt.Sprintf("nats://127.0.0.1:%d", ports[i])}
		if err == nil {
			err = p.Start(ctx)
		}
		if err != nil {
			break
		}
		n.Nodes = append(n.Nodes, p)
		n.URL = strings.Trim(n.URL+","+p.URL, ",")
	}
	if err == nil {
		err = n.wait(ctx, size)
	}
	if err != nil {
		n.Kill()
		return nil, err
	}
	return n, nil
}

// config is a node's: name, port, folder, port of the cluster, all nodes' routes.
const config = `server_name: %s
listen: "127.0.0.1:%d"
jetstream { store_dir: %q, sync_interval: always }
cluster { name: openchat, listen: "127.0.0.1:%d", routes: [%s] }
`

// freePorts returns ports that nothing listens on now.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before all are found, or the same would come again
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// wait returns when a stream of that many copies could be made.
func (n *NATS) wait(ctx context.Context, size int) error {
	ctx, cancel := context.WithTimeout(ctx, harness.Timeout)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		for _, p := range n.Nodes {
			select {
			case <-p.Exited():
				return fmt.Errorf("%s ended while it started: %v: %s", p.Name, p.Err(), p.Log.Last(5))
			default:
			}
		}
		if last = n.probe(ctx, size); last == nil {
			return nil
		}
		// The servers have no way to tell that they have found each other.
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the NATS cluster was not ready in %v: %w: %s", harness.Timeout, last, n.Nodes[0].Log.Last(5))
}

func (n *NATS) probe(ctx context.Context, size int) error {
	// A cluster without a leader does not answer.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return n.with(func(js jetstream.JetStream) error {
		s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PROBE", Subjects: []string{"probe"}, Replicas: size})
		if err != nil {
			return err
		}
		info, err := s.Info(ctx)
		if err == nil && (info.Cluster == nil || len(info.Cluster.Replicas) != size-1) {
			err = errors.New("not all nodes are there")
		}
		return errors.Join(err, js.DeleteStream(ctx, "PROBE"))
	})
}

func (n *NATS) with(fn func(jetstream.JetStream) error) error {
	nc, err := nats.Connect(n.URL)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return fn(js)
}

// Leader returns the node that decides the order of a stream's messages.
func (n *NATS) Leader(ctx context.Context, stream string) (*harness.Process, error) {
	var leader *harness.Process
	err := n.with(func(js jetstream.JetStream) error {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			return err
		}
		cluster := s.CachedInfo().Cluster
		for _, p := range n.Nodes {
			if cluster != nil && p.Name == cluster.Leader {
				leader = p
			}
		}
		if leader == nil {
			return fmt.Errorf("the stream %s has no leader", stream)
		}
		return nil
	})
	return leader, err
}

// WaitSynced returns when every node has all of a stream.
func (n *NATS) WaitSynced(ctx context.Context, stream string) error {
	return n.with(func(js jetstream.JetStream) error {
		for {
			one, cancel := context.WithTimeout(ctx, 2*time.Second)
			s, err := js.Stream(one, stream)
			cancel()
			if err == nil {
				if c := s.CachedInfo().Cluster; c == nil || len(c.Replicas) != len(n.Nodes)-1 {
					err = errors.New("not all nodes are there")
				} else {
					for _, r := range c.Replicas {
						if !r.Current || r.Offline {
							err = fmt.Errorf("%s is not there or lags behind", r.Name)
						}
					}
				}
			}
			if err == nil {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the nodes have not synced: %w", err)
			case <-time.After(50 * time.Millisecond): // the servers have no way to tell
			}
		}
	})
}

// Kill ends all nodes as a crash does.
func (n *NATS) Kill() {
	for _, p := range n.Nodes {
		p.Kill()
	}
}
