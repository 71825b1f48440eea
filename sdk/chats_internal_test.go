package sdk

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// chatsTest drives chats and names what is to happen.
type chatsTest struct {
	*testing.T
	chats
	calls []*call // under way, oldest first
	got   []string
}

const (
	chatA = "00000000-0000-4000-8000-00000000000a"
	chatB = "00000000-0000-4000-8000-00000000000b"
)

func newChatsTest(t *testing.T) *chatsTest {
	keys := 0
	return &chatsTest{T: t, chats: chats{
		session:     "s",
		customer:    "Ann",
		sendTimeout: time.Minute,
		newID:       func() string { keys++; return fmt.Sprint("key", keys) },
		log:         &logger{},
		engagements: map[string]*engagement{},
		creating:    map[string]*creation{},
	}}
}

// run does what is to happen, as far as a test can see it.
func (c *chatsTest) run() {
	for _, o := range c.out {
		switch o.kind {
		case chatEmit:
			switch e := o.event; {
			case e.Type == "":
				c.got = append(c.got, "("+string(e.Changed.EngagementStatus)+")")
			case e.Message != nil:
				c.got = append(c.got, e.Message.Body.Text)
			default:
				name := strings.TrimPrefix(strings.TrimPrefix(string(e.Type), "ENGAGEMENT_"), "PARTICIPANT_")
				c.got = append(c.got, strings.TrimSpace(name+" "+e.Participant.DisplayName))
			}
		case chatSettle:
			o.run()
		case chatRequest:
			c.calls = append(c.calls, o.call)
			c.got = append(c.got, o.call.name)
		case chatStopRetrying:
			c.got = append(c.got, "stop retrying")
		case chatDrop:
			c.got = append(c.got, "drop")
		case chatReread:
			c.got = append(c.got, "re-read to "+o.position.String())
		case chatRereadFailed:
			c.got = append(c.got, "re-reading failed")
		}
	}
	c.out = nil
}

func (c *chatsTest) want(want string) {
	c.Helper()
	c.run()
	if s := strings.Join(c.got, ", "); s != want {
		c.Errorf("%s, want %s", s, want)
	}
	c.got = nil
}

// answer settles the oldest call that is under way.
func (c *chatsTest) answer(a answer) {
	c.Helper()
	c.run()
	if len(c.calls) == 0 {
		c.Fatal("no call is under way")
	}
	l := c.calls[0]
	c.calls = c.calls[1:]
	l.then(a)
}

func (c *chatsTest) answerBody(body []byte) { c.answer(answer{status: 200, body: body}) }

// settled notes the outcome of a call of the page.
func settled[T any](c *chatsTest, what string) func(T, error) {
	return func(_ T, err error) {
		if err != nil {
			what += " " + err.(*Error).Code.String()
		}
		c.got = append(c.got, what)
	}
}

func (c *chatsTest) active(at wire.EventID, id string) {
	c.event(at, &wire.Event{Type: wire.EventEngagementActive, EngagementID: id, DialogID: "d"})
}

func (c *chatsTest) terminated(at wire.EventID, id string) {
	c.event(at, &wire.Event{Type: wire.EventEngagementTerminated, EngagementID: id})
}

func (c *chatsTest) says(at wire.EventID, id, text string) {
	c.event(at, &wire.Event{Type: wire.EventMessages, EngagementID: id, Message: &wire.Message{
		EngagementID: id, SenderParticipantType: wire.ParticipantAgent, Body: wire.Body{Text: text},
	}})
}

func snapshot(at wire.EventID, id string, status wire.EngagementStatus) *wire.Engagement {
	return &wire.Engagement{EngagementID: id, DialogID: "d", EngagementStatus: status, EventID: at}
}

func engagementJSON(w *wire.Engagement) []byte { return w.Append(nil) }

// What the page receives of a chat in each state of its membership.
func TestChatsMembership(t *testing.T) {
	for _, test := range []struct {
		name     string
		steps    func(c *chatsTest)
		state    membership
		receives string // of ACTIVE, a message, Bo's coming, the customer's going and the end
	}{
		{"outside", func(c *chatsTest) { c.merge(snapshot(1, chatA, wire.EngagementPending)) }, memberOutside,
			"ACTIVE, hi, ADDED Agent, DISCONNECTED Ann, TERMINATED"},
		{"created", func(c *chatsTest) {
			c.create(nil, settled[Engagement](c, "created"))
			c.answerBody(engagementJSON(snapshot(1, chatA, wire.EngagementPending)))
		}, memberCreated, "ACTIVE, hi, ADDED Agent, DISCONNECTED Ann, TERMINATED"},
		{"joined", func(c *chatsTest) {
			c.merge(snapshot(1, chatA, wire.EngagementPending))
			c.join(chatA, settled[Engagement](c, "joined"))
			c.answerBody(engagementJSON(snapshot(2, chatA, wire.EngagementActive)))
		}, memberJoined, "ACTIVE, hi, ADDED Agent, DISCONNECTED Ann, TERMINATED"},
		{"left", func(c *chatsTest) {
			c.active(1, chatA)
			c.disconnect(chatA, "", settled[Engagement](c, "left"))
			c.answerBody(engagementJSON(snapshot(2, chatA, wire.EngagementTerminating)))
		}, memberLeft, "(TERMINATING), DISCONNECTED Ann, TERMINATED"},
		{"withdrawn", func(c *chatsTest) {
			c.merge(snapshot(1, chatA, wire.EngagementPending))
			c.join(chatA, settled[Engagement](c, "joined"))
			c.answerBody(engagementJSON(snapshot(2, chatA, wire.EngagementActive)))
			c.disconnect(chatA, "", settled[Engagement](c, "left"))
			c.answerBody(engagementJSON(snapshot(2, chatA, wire.EngagementTerminating)))
		}, memberWithdrawn, "(TERMINATING), (TERMINATING), (TERMINATED)"},
		{"left in vain", func(c *chatsTest) {
			c.active(1, chatA)
			c.disconnect(chatA, "", settled[Engagement](c, "left"))
			c.answer(answer{err: fail(CodeUpdateFailed, "")})
		}, memberInside, "ACTIVE, hi, ADDED Agent, DISCONNECTED Ann, TERMINATED"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newChatsTest(t)
			test.steps(c)
			if e := c.engagements[chatA]; e.member != test.state {
				t.Errorf("state %d, want %d", e.member, test.state)
			}
			c.run()
			c.got = nil
			c.active(10, chatA)
			c.says(11, chatA, "hi")
			c.event(12, &wire.Event{Type: wire.EventParticipantAdded, EngagementID: chatA, Participant: wire.Participant{ParticipantID: "bo", ParticipantType: wire.ParticipantAgent}})
			c.event(13, &wire.Event{Type: wire.EventParticipantDisconnected, EngagementID: chatA, Participant: wire.Participant{ParticipantID: "ann", ParticipantType: wire.ParticipantCustomer}})
			c.terminated(14, chatA)
			c.want(test.receives)
			c.says(15, chatA, "after the end")
			c.want("")
		})
	}
}

func TestChatsCreate(t *testing.T) {
	t.Run("its event overtakes its answer", func(t *testing.T) {
		c := newChatsTest(t)
		c.create(nil, settled[Engagement](c, "created"))
		c.event(5, &wire.Event{Type: wire.EventEngagementActive, EngagementID: chatA, CorrelationID: "key1"})
		c.want("create engagement, created, ACTIVE")
		c.answerBody(engagementJSON(snapshot(6, chatA, wire.EngagementActive)))
		c.want("(ACTIVE)")
	})
	t.Run("its answer is none", func(t *testing.T) {
		c := newChatsTest(t)
		c.create(nil, settled[Engagement](c, "created"))
		c.answerBody([]byte(`{}`))
		c.want("create engagement, created ACS-304")
	})
	t.Run("an older snapshot undoes nothing", func(t *testing.T) {
		c := newChatsTest(t)
		c.active(5, chatA)
		if e := c.merge(snapshot(4, chatA, wire.EngagementPending)); e.status != wire.EngagementActive {
			t.Errorf("it is %s", e.status)
		}
	})
}

func TestChatsRefuse(t *testing.T) {
	c := newChatsTest(t)
	c.merge(snapshot(1, chatA, wire.EngagementTerminated))
	c.active(2, chatB)
	c.run()
	c.got = nil
	never := func(Engagement, error) { t.Error("it was settled") }
	for name, want := range map[*Error]Code{
		c.join("no such", never):                                CodeNoEngagement,
		c.join(chatA, never):                                    CodeDefunctEngagement,
		c.join(chatB, never):                                    CodeAlreadyActive,
		c.disconnect(chatA, "", never):                          CodeNotActive,
		c.disconnect(chatB, "BORED", never):                     CodeConstraintViolation,
		c.send(chatA, "hi", "", epoch0, nil):                    CodeNotActive,
		c.send(chatB, "", "", epoch0, nil):                      CodeConstraintViolation,
		c.send(chatB, strings.Repeat("x", 1), "p", epoch0, nil): CodeConstraintViolation,
	} {
		if name == nil || name.Code != want {
			t.Errorf("%v, want %v", name, want)
		}
	}
	c.want("")
}

func TestChatsSend(t *testing.T) {
	message := func(key string, at wire.EventID) []byte {
		m := wire.Message{EngagementID: chatA, MessageIndex: int64(at), CorrelationID: key, EventID: at}
		return m.Append(nil)
	}
	{
		c := newChatsTest(t)
		c.active(1, chatA)
		for _, text := range []string{"one", "two", "three"} {
			if err := c.send(chatA, text, "", epoch0, settled[Message](c, text)); err != nil {
				t.Fatal(err)
			}
		}
		c.want("ACTIVE, send message")
		if until := c.calls[0].until; until != epoch0+time.Minute {
			t.Errorf("it is tried for %v", until-epoch0)
		}
		c.answerBody(message("key1", 5))
		c.want("one, send message")
		if own := c.engagements[chatA].ownID; own != 5 {
			t.Errorf("own messages up to %v", own)
		}
		// The event is here before the answer.
		c.event(6, &wire.Event{Type: wire.EventMessages, EngagementID: chatA, Message: &wire.Message{
			EngagementID: chatA, CorrelationID: "key2", SenderParticipantType: wire.ParticipantCustomer, Body: wire.Body{Text: "two!"},
		}})
		c.want("stop retrying, two, send message, two!")
		c.answerBody(message("key2", 6))
		c.want("")
		// The chat ends: what is under way may still succeed.
		c.send(chatA, "four", "", epoch0, settled[Message](c, "four"))
		c.terminated(7, chatA)
		c.want("TERMINATED, four ACS-313")
		c.answer(answer{err: fail(CodeUpdateFailed, "")})
		c.want("three ACS-319")
	}
}

func TestChatsReread(t *testing.T) {
	list := func(all ...*wire.Engagement) []byte { return wire.AppendEngagements(nil, engagementValues(all)) }
	page := func(more bool, messages ...wire.Message) []byte {
		p := wire.MessagePage{Messages: messages, HasOlder: more}
		return p.Append(nil)
	}
	message := func(at wire.EventID, text string) wire.Message {
		return wire.Message{EngagementID: chatA, MessageIndex: int64(at), EventID: at, SenderParticipantType: wire.ParticipantAgent, Body: wire.Body{Text: text}}
	}
	setup := func(t *testing.T) *chatsTest {
		c := newChatsTest(t)
		c.active(5, chatA)
		c.run()
		c.got = nil
		c.reread(20)
		return c
	}
	t.Run("what was missed is raised once", func(t *testing.T) {
		c := setup(t)
		c.answerBody(list(snapshot(18, chatA, wire.EngagementActive)))
		c.want("list engagements, read messages")
		c.answerBody(page(true, message(12, "two"), message(15, "three")))
		c.want("read messages")
		c.answerBody(page(true, message(4, "known"), message(8, "one")))
		c.want("one, two, three, re-read to 20")
		c.says(15, chatA, "again")
		c.want("")
		c.says(21, chatA, "new")
		c.want("new")
	})
	t.Run("a chat that is not listed has ended", func(t *testing.T) {
		c := setup(t)
		c.answerBody(list())
		c.answerBody(page(false, message(8, "one"), message(25, "last")))
		c.want("list engagements, read messages, one, last, TERMINATED, re-read to 20")
		c.terminated(26, chatA)
		c.want("")
	})
	t.Run("a chat that this session came into is delivered", func(t *testing.T) {
		c := setup(t)
		b := snapshot(18, chatB, wire.EngagementActive)
		b.Participants = []wire.Participant{{ParticipantID: "bo", ParticipantType: wire.ParticipantAgent}, {ParticipantID: "ann", ParticipantType: wire.ParticipantCustomer}}
		c.answerBody(list(snapshot(18, chatA, wire.EngagementActive), b))
		c.answerBody(page(false))
		c.answerBody(page(false))
		c.want("list engagements, read messages, read messages, ACTIVE, ADDED Ann, ADDED Agent, re-read to 20")
	})
	t.Run("a failure", func(t *testing.T) {
		c := setup(t)
		c.answer(answer{err: fail(CodeUnreachable, "")})
		c.want("list engagements, re-reading failed")
		if c.position != 5 {
			t.Errorf("at %v", c.position)
		}
	})
	t.Run("its connection breaks", func(t *testing.T) {
		c := setup(t)
		c.stopReread()
		c.answerBody(list())
		c.want("list engagements")
	})
}

func engagementValues(list []*wire.Engagement) (all []wire.Engagement) {
	for _, w := range list {
		all = append(all, *w)
	}
	return all
}

// What is stored when the page asks is history; what is later comes as events.
func TestChatsPages(t *testing.T) {
	for _, test := range []struct {
		name string
		in   func(c *chatsTest)
		want string // of messages at 3, 8 and 12, read at position 10, when 2 had been delivered to the page
	}{
		{"outside", func(c *chatsTest) { c.merge(snapshot(1, chatA, wire.EngagementPending)) }, "12 8 3"},
		{"inside", func(c *chatsTest) { c.active(5, chatA) }, "8 3"},
		{"joined before", func(c *chatsTest) {
			c.merge(snapshot(1, chatA, wire.EngagementPending)).setJoined(9)
		}, "8 3"},
		{"joined after", func(c *chatsTest) {
			c.merge(snapshot(1, chatA, wire.EngagementPending)).setJoined(12)
		}, "12 8 3"},
		{"with an own message that is newer", func(c *chatsTest) {
			c.active(5, chatA)
			c.engagements[chatA].ownID = 12
		}, "12 8 3"},
		{"raised, and not delivered", func(c *chatsTest) {
			c.active(2, chatA)
			for index := int64(3); index <= 8; index++ {
				c.raiseMessage(c.engagements[chatA], &wire.Message{EngagementID: chatA, MessageIndex: index})
			}
		}, ""},
		{"left, and not all delivered", func(c *chatsTest) {
			c.active(2, chatA)
			c.raiseMessage(c.engagements[chatA], &wire.Message{EngagementID: chatA, MessageIndex: 3})
			c.engagements[chatA].setLeft()
		}, "12 8"},
		{"raised with a gap, and not delivered", func(c *chatsTest) {
			c.active(1, chatA)
			for _, index := range []int64{2, 8} {
				c.raiseMessage(c.engagements[chatA], &wire.Message{EngagementID: chatA, MessageIndex: index})
			}
		}, "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newChatsTest(t)
			test.in(c)
			c.position = 10
			var got []string
			c.newestPage(chatA, 10, 2, func(p Page, err error) {
				for _, m := range p.Items {
					got = append(got, fmt.Sprint(m.MessageIndex))
				}
			})
			var p wire.MessagePage
			for _, at := range []wire.EventID{3, 8, 12} {
				p.Messages = append(p.Messages, wire.Message{MessageIndex: int64(at), EventID: at, SessionID: "s"})
			}
			c.answerBody(p.Append(nil))
			c.run()
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("%s, want %s", s, test.want)
			}
		})
	}
}
