// Package sdktest is a whole chat platform in memory: gateway, bot and agents
// behind an sdk.Transport, without a network and without real time. It speaks
// docs/protocol.md, written from that text alone, so that a mistake of the
// SDK is not excused by the same mistake here.
//
// It is meant for testing/synctest bubbles: everything that takes time uses
// package time, no two parcels arrive at the same instant (so that a run repeats
// itself exactly), and Close ends every goroutine and connection.
//
// # Recipe
//
//	synctest.Test(t, func(t *testing.T) {
//		p := sdktest.New(sdktest.Options{AutoBot: true})
//		defer p.Close()
//		c := sdk.NewCore(sdk.Options{Transport: p.Transport(), Storage: p.Storage(), Deliver: …})
//		c.Init(p.Params(sdktest.Claims{Name: "Ann"}), sdk.Config{}, …)
//		synctest.Wait() or time.Sleep(time.Second) // virtual
//		id := p.Engagements()[0].EngagementID
//		bo := p.Agent("Bo")
//		bo.Accept(id)
//		bo.Say(id, "How can I help?")
//	})
//
// End every client before the bubble ends (Shutdown, then Close of the platform):
// a bubble's time stands still once its function has returned.
//
// # What can be made to go wrong
//
// One knob a level, all in faults.go:
//
//   - a REST call: OnRequest sees each and may answer it, delay it, lose it before
//     or after the platform acted, or never answer;
//   - the opening of a stream: OnDial may refuse, delay, hang, or open a dead one;
//   - a frame: OnFrame may delay it, or cut the connection before it arrives;
//   - all streams: CutStreams, Silence, SendRaw;
//   - the platform: Down and Up, Restart, EndSession, RaiseError;
//   - the platform's clock: SkewClock;
//   - the page's storage: Storage.Fail;
//   - what the page runs on: Device sleeps, loses its network, is gone, or has a wall
//     clock that is wrong.
//
// # All of it, from a seed
//
// NewSchedule makes a schedule of such faults, and of agents that write, join, leave and
// end; Faults makes it happen. A schedule is data: print it, store it, cut it down with
// Shrink until only what matters is left, and play that again:
//
//	f := p.Faults()
//	f.Run(ctx, sdktest.NewSchedule(seed, sdktest.ScheduleOptions{Length: time.Hour}))
//	f.Clear() // and then see whether all came right
//
// Give the client a seeded sdk.Options.Random, and a seed plays the same life again but
// for the order in which Go runs goroutines that are ready at the same virtual instant.
// A test that shuts its clients down ends by seeing that Busy is 0. tests/faults/sim is built
// of these parts.
//
// Requests and Frames return what was received, in order.
package sdktest
