package sdk

// delivery is one thing that the page is to get: an event, or a call of a function that
// settles something.
type delivery struct {
	event *Event // nil: run
	run   func()
}

// outbox keeps what the page is to get, in order, until the dispatcher takes it.
type outbox struct{ items []delivery }

// emit puts an event behind everything else.
func (o *outbox) emit(e *Event) { o.items = append(o.items, delivery{event: e}) }

// run puts a function behind everything else.
func (o *outbox) run(f func()) { o.items = append(o.items, delivery{run: f}) }

// full reports whether so much waits that the stream is not to be read.
func (o *outbox) full() bool { return len(o.items) >= maxOutbox }

// dispatch makes deliveries one at a time, until the channel is closed. A session may begin
// while the SHUTDOWN handler of the one before runs: its deliveries wait for that one's.
func (c *Core) dispatch(runs <-chan []delivery) {
	for items := range runs {
		c.delivering <- struct{}{}
		for _, d := range items {
			if d.event == nil {
				d.run()
			} else if c.o.Deliver != nil {
				c.o.Deliver(*d.event)
			}
		}
		if c.o.Delivered != nil {
			c.o.Delivered()
		}
		<-c.delivering
	}
}
