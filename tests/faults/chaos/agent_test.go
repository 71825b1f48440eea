package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// agent is a desk's program, written after docs/desk-api.md: it gets every message over
// its socket, and after a lost connection reads what it has missed of its own chats.
type agent struct {
	name, id string
	w        *platform
	desk     *harness.Desk
	pad      string // after each text

	news                         // of the books and sends
	books   map[string]*received // of its chats, by engagementId
	sent    []*said
	feed    string   // the last that was received of it
	repeats int      // calls that were repeated
	wrong   []string // what a connection's frames must not be: messages twice, or left out
	cuts    int
}

func newAgent(w *platform, n int) *agent {
	return &agent{
		name: fmt.Sprintf("agent-%d", n), id: uuid.NewString(), w: w,
		desk:  w.account.Desk(w.url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}),
		books: map[string]*received{},
	}
}

// attemptTime bounds one attempt of a call.
const attemptTime = 12 * time.Second

// call makes a call of the desk's API, again and again until it is answered: every one
// of them may be repeated.
func (a *agent) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	for try := 0; ; try++ {
		answer, err := a.attempt(ctx, method, path, body)
		var r *harness.RefusedError
		refused := errors.As(err, &r)
		if err == nil || refused && r.Status < 500 && r.Status != http.StatusTooManyRequests {
			return answer, err
		}
		if refused && r.Status == http.StatusServiceUnavailable {
			a.w.unavailable.count()
		}
		if try == 0 {
			a.mu.Lock()
			a.repeats++
			a.mu.Unlock()
		}
		after := rand.N(min(50*time.Millisecond<<min(try, 5), time.Second))
		if refused {
			after = max(after, r.RetryAfter)
		}
		if !pause(ctx, after) {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

func (a *agent) attempt(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	return a.desk.Call(ctx, method, path, body)
}

// accept takes a chat.
func (a *agent) accept(ctx context.Context, chat string) error {
	a.mu.Lock()
	a.books[chat] = &received{who: a.name, chat: chat}
	a.mu.Unlock()
	_, err := a.call(ctx, "POST", "/engagements/"+chat+":accept", map[string]string{"agentId": a.id, "agentName": a.name})
	return err
}

// say says something in a chat, and returns when that is settled.
func (a *agent) say(ctx context.Context, chat string) *said {
	a.mu.Lock()
	s := &said{chat: chat, sender: a.name, n: len(a.sent) + 1, began: time.Now()}
	s.text = fmt.Sprintf("%s: %s %d", marker, a.name, s.n) + a.pad
	a.sent = append(a.sent, s)
	a.mu.Unlock()
	answer, err := a.call(ctx, "POST", "/engagements/"+chat+"/messages", map[string]string{
		"agentId": a.id, "text": s.text, "correlationId": a.name + "/" + strconv.Itoa(s.n),
	})
	var m wire.Message
	if err == nil {
		m, err = wire.DecodeMessage(answer)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change()
	if s.err = err; err == nil {
		s.acked, s.index, s.id = true, m.MessageIndex, m.MessageID
	}
	if ctx.Err() == nil {
		s.settled++
	}
	return s
}

// write says things until ctx ends; what has begun then is brought to its end.
func (a *agent) write(ctx, end context.Context, r *rand.Rand, every time.Duration, chats []string) {
	for pause(ctx, time.Duration(r.ExpFloat64()*float64(every))) {
		a.say(end, chats[r.IntN(len(chats))])
	}
}

// listen follows the feed until ctx ends.
func (a *agent) listen(ctx context.Context) {
	for ctx.Err() == nil {
		err := a.follow(ctx)
		a.mu.Lock()
		a.cuts++
		a.feed = fmt.Sprintf("%v at %s", err, time.Now().Format("15:04:05.000"))
		a.mu.Unlock()
		pause(ctx, rand.N(400*time.Millisecond))
	}
}

// follow is one connection.
func (a *agent) follow(ctx context.Context) error {
	newest := map[string]int64{} // of every chat, as this connection has delivered
	err := a.desk.Follow(ctx, "", func(f harness.DeskFrame) error {
		switch f.Type {
		case "snapshot":
			return a.snapshot(ctx, f.Chats)
		case "message":
			m := &f.Message
			if n, ok := newest[m.EngagementID]; ok && m.MessageIndex != n+1 {
				return a.complain("after message %d of chat %s comes %d on one connection", n, m.EngagementID, m.MessageIndex)
			}
			newest[m.EngagementID] = m.MessageIndex
			return a.note(m)
		}
		return nil
	})
	if errors.Is(err, harness.ErrFrame) {
		return a.complain("%w", err)
	}
	return err
}

func (a *agent) complain(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = append(a.wrong, err.Error())
	return err
}

// snapshot reads what its own chats have beyond what it knows. Live frames wait
// meanwhile.
func (a *agent) snapshot(ctx context.Context, chats []harness.Chat) error {
	for _, c := range chats {
		for {
			a.mu.Lock()
			b := a.books[c.EngagementID]
			last := b.last()
			a.mu.Unlock()
			if b == nil || last >= c.NewestIndex {
				break
			}
			answer, err := a.attempt(ctx, "GET", fmt.Sprintf("/engagements/%s/messages?pageSize=50&after=%d", c.EngagementID, last), nil)
			if err != nil {
				return err // the next connection begins again from where this has come to
			}
			page, err := wire.DecodeMessagePage(answer)
			if err != nil {
				return a.complain("a page cannot be read: %v", err)
			}
			for i := range page.Messages {
				if err := a.note(&page.Messages[i]); err != nil {
					return err
				}
			}
			if a.lastOf(c.EngagementID) == last {
				return a.complain("chat %s has %d messages, and none is read after %d", c.EngagementID, c.NewestIndex, last)
			}
		}
	}
	return nil
}

func (a *agent) lastOf(chat string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.books[chat].last()
}

// note takes a message of its own chats into the book. The history may have been ahead
// of the live frames; the other way round, something was left out.
func (a *agent) note(m *wire.Message) error {
	a.mu.Lock()
	b := a.books[m.EngagementID]
	last := b.last()
	if b != nil && m.MessageIndex == last+1 {
		b.messages = append(b.messages, message{index: m.MessageIndex, id: m.MessageID, text: m.Body.Text, sender: m.SenderParticipantID})
		a.change()
	}
	a.mu.Unlock()
	if b != nil && m.MessageIndex > last+1 {
		return a.complain("chat %s goes on with %d after %d", m.EngagementID, m.MessageIndex, last)
	}
	return nil
}

// receivedUpTo waits for the message of that index.
func (a *agent) receivedUpTo(ctx context.Context, chat string, index int64) bool {
	return a.until(ctx, func() bool { return a.books[chat].last() >= index })
}

// history reads the whole of a chat, as it is stored.
func (a *agent) history(ctx context.Context, chat string) ([]message, error) {
	var list []message
	for after := int64(0); ; {
		answer, err := a.call(ctx, "GET", fmt.Sprintf("/engagements/%s/messages?pageSize=50&after=%d", chat, after), nil)
		if err != nil {
			return nil, err
		}
		page, err := wire.DecodeMessagePage(answer)
		if err != nil {
			return nil, err
		}
		for i := range page.Messages {
			m := &page.Messages[i]
			list = append(list, message{index: m.MessageIndex, id: m.MessageID, text: m.Body.Text, sender: m.SenderParticipantID, kind: m.SenderParticipantType})
			after = m.MessageIndex
		}
		if !page.HasNewer {
			return list, nil
		}
		if len(page.Messages) == 0 {
			return list, fmt.Errorf("after %d comes an empty page that is not the last: the newest is %d", after, page.NewestIndex)
		}
	}
}

// state says where the agent stands, for who looks for what hangs.
func (a *agent) state() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: feed: %s", a.name, a.feed)
	for chat, h := range a.books {
		fmt.Fprintf(&b, "; chat %s up to %d", chat, h.last())
	}
	for _, s := range a.sent {
		if s.settled == 0 {
			fmt.Fprintf(&b, "; say %d waits for %v", s.n, time.Since(s.began).Round(time.Millisecond))
		}
	}
	return b.String()
}
