package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"openchat/sdk/wire"
)

// cluster starts three servers and returns them with the URLs of all.
func cluster(t *testing.T) (nodes map[string]*server.Server, urls string) {
	t.Helper()
	nodes = map[string]*server.Server{}
	// A clustered server wants to know its peers before they are there, so their
	// ports are found first.
	var ports []int
	var routes []*url.URL
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		l.Close()
	}
	for i, port := range ports {
		name := "node" + strconv.Itoa(i)
		srv, err := server.NewServer(&server.Options{
			ServerName: name, Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(),
			NoSigs: true, NoLog: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		nodes[name] = srv
	}
	for _, srv := range nodes {
		if !srv.ReadyForConnections(30 * time.Second) {
			t.Fatal("a server is not ready")
		}
		if urls != "" {
			urls += ","
		}
		urls += srv.ClientURL()
	}
	return nodes, urls
}

// In a cluster, replicas lag, keys are checked before the expected sequence, and the
// leader can go: nothing is lost, doubled or out of order, and no call fails.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	nodes, urls := cluster(t)
	stores := []*Store{openStore(t, Config{URL: urls, Replicas: 3}), openStore(t, Config{URL: urls, Replicas: 3})}
	if !stores[0].replicated {
		t.Fatal("the stream is not replicated")
	}
	t.Run("races", func(t *testing.T) { races(t, stores) })
	t.Run("a send against the end", func(t *testing.T) { sendAgainstEnd(t, stores[0], stores[1]) })
	t.Run("a repeat finds the first after the end", func(t *testing.T) {
		session := newSession(t, stores[0], ann, "repeat")
		e := newChat(t, stores[0], session, "repeat")
		first, _, err := stores[0].Append(testContext(t), ann, e.EngagementID, from(session, "x", "x"))
		if err != nil {
			t.Fatal(err)
		}
		end(t, stores[1], e)
		for _, s := range stores {
			if again, created, err := s.Append(testContext(t), ann, e.EngagementID, from(session, "x", "x")); err != nil || created || again != first {
				t.Errorf("%+v %v %v, not %+v", again, created, err, first)
			}
			if _, err := s.Sent(testContext(t), ann, e.EngagementID, session.ParticipantID, "never"); !errors.Is(err, ErrNotFound) {
				t.Errorf("what was never sent: %v", err)
			}
		}
	})
	t.Run("read what was just written elsewhere", func(t *testing.T) {
		for i := range 50 {
			session := newSession(t, stores[i%2], ann, "fresh "+strconv.Itoa(i))
			if _, err := stores[1-i%2].Session(testContext(t), ann, session.SessionID); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
		}
	})
	t.Run("the leader goes", func(t *testing.T) {
		ctx := testContext(t)
		session := newSession(t, stores[0], ann, "leader")
		e := newChat(t, stores[0], session, "leader")
		caughtUp(t, stores[1])
		const n = 300
		followed := make(chan int64, 2*n)
		if err := stores[1].Follow(ctx, func(entry Entry) {
			if entry.Message != nil && entry.EngagementID == e.EngagementID {
				followed <- entry.Message.MessageIndex
			}
		}); err != nil {
			t.Fatal(err)
		}
		info, err := stores[0].stream.Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		leader := nodes[info.Cluster.Leader]
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				for i := range n / 3 {
					if w == 0 && i == n/10 {
						leader.Shutdown()
					}
					key := fmt.Sprint(w, i)
					m, created, err := stores[w%2].Append(ctx, ann, e.EngagementID, from(session, key, key))
					if err != nil || !created || m.Body.Text != key {
						t.Errorf("%s: %v %v", key, created, err)
					}
					if i%10 == 0 {
						if _, err := stores[w%2].Update(ctx, ann, e.EngagementID, func(e *Engagement) ([]wire.Event, error) {
							return e.Add(wire.Participant{ParticipantID: key, ParticipantType: wire.ParticipantAgent}), nil
						}); err != nil {
							t.Errorf("adding %s: %v", key, err)
						}
					}
				}
			})
		}
		wg.Wait()
		all := history(t, stores[1], e)
		seen := map[string]bool{}
		for i, m := range all {
			if m.MessageIndex != int64(i+1) || seen[m.CorrelationID] {
				t.Errorf("message %d: %+v", i, m)
			}
			seen[m.CorrelationID] = true
		}
		if len(all) != n {
			t.Errorf("%d messages", len(all))
		}
		for i := range n {
			if index := receive(t, followed); index != int64(i+1) {
				t.Fatalf("message %d is followed by %d", i, index)
			}
		}
		if now, err := stores[1].Engagement(ctx, ann, e.EngagementID); err != nil || len(now.Members) != 1+3*(n/30) {
			t.Errorf("%d members, %v", len(now.Members), err)
		}
	})
}

// Nothing of an erased customer is left in the stream's files of any node. The logs from which the
// nodes bring each other up to date are theirs: they keep the latest entries until they compact them.
func TestErasedBytesAreGoneFromEveryNodeOfACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers")
	}
	nodes, urls := cluster(t)
	s, ctx := openStore(t, Config{URL: urls, Replicas: 3}), testContext(t)
	session := newSession(t, s, bob, "s")
	other := newChat(t, s, session, "e")
	life(t, s, ann, "anna", func() {
		if _, _, err := s.Append(ctx, bob, other.EngagementID, from(session, "bob says", "")); err != nil {
			t.Fatal(err)
		}
	})
	stored := func(srv *server.Server) string { return srv.JetStreamConfig().StoreDir }
	stream := func(dir string) string {
		return filepath.Join(dir, server.DEFAULT_GLOBAL_ACCOUNT, "streams", streamName)
	}
	dirs := map[string]string{}
	for name, srv := range nodes {
		dirs[name] = stored(srv)
	}
	// alike waits until every node has what the leader has.
	alike := func() {
		t.Helper()
		for try := 0; ; try++ {
			want, same := server.StreamState{}, true
			for _, srv := range nodes {
				all, err := srv.Jsz(&server.JSzOptions{Accounts: true, Streams: true})
				if err != nil {
					t.Fatal(err)
				}
				var state server.StreamState
				for _, account := range all.AccountDetails {
					for _, stream := range account.Streams {
						if stream.Name == streamName {
							state = stream.State
						}
					}
				}
				if want.LastSeq == 0 {
					want = state
				}
				same = same && state.LastSeq > 0 && state.Msgs == want.Msgs && state.LastSeq == want.LastSeq && state.NumDeleted == want.NumDeleted
			}
			if same {
				return
			}
			if err := s.pause(ctx, min(try, 5)); err != nil {
				t.Fatal("the nodes do not come to the same")
			}
		}
	}
	alike()
	for name, dir := range dirs {
		if found := files(t, stream(dir), wordsOf(ann, "anna")...); len(found) < 7 {
			t.Fatalf("the test does not see what %s stores: %q", name, found)
		}
	}
	if n, complete, err := s.Erase(ctx, ann, time.Now().Add(time.Minute)); err != nil || !complete || n < 50 {
		t.Fatalf("%d erased, complete %v: %v", n, complete, err)
	}
	alike()
	for name, dir := range dirs {
		if found := files(t, stream(dir), wordsOf(ann, "anna")...); len(found) > 0 {
			t.Errorf("left in the stream's files of %s: %q", name, found)
		}
		if found := files(t, stream(dir), "bob says"); len(found) == 0 {
			t.Errorf("another customer's messages are gone from %s", name)
		}
	}
}
