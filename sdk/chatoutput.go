package sdk

import "openchat/sdk/wire"

// chatKind says what is to happen.
type chatKind int

const (
	chatNothing      chatKind = iota
	chatEmit                  // event is for the page
	chatSettle                // run settles a call of the page
	chatRequest               // start call
	chatStopRetrying          // call needs no further attempt
	chatDrop                  // the answer of call is no longer needed
	chatReread                // everything up to position was re-read: frames may come again
	chatRereadFailed          // what was missed could not be read
)

// chatOutput is one thing that is to happen. Which members are set depends on kind.
type chatOutput struct {
	kind     chatKind
	event    *Event
	run      func()
	call     *call
	position wire.EventID
}

// add puts something to do behind everything else.
func (c *chats) add(kind chatKind) *chatOutput {
	c.out = append(c.out, chatOutput{kind: kind})
	return &c.out[len(c.out)-1]
}

func (c *chats) emit(e *Event) { c.add(chatEmit).event = e }

func (c *chats) settle(run func()) { c.add(chatSettle).run = run }

func (c *chats) settleEngagement(e *engagement, done func(Engagement, error)) {
	snapshot := e.snapshot()
	c.settle(func() { done(snapshot, nil) })
}
