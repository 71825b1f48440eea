package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
)

// message is a message in a log or in the store.
type message struct {
	index            int64
	id, text, sender string
	kind             wire.ParticipantType // of the sender; in the store only
}

// said is one message that someone tried to send.
type said struct {
	chat   string
	sender string // the name of whoever said it
	n      int    // counts what the sender says
	text   string // unique
	began  time.Time

	settled int // how often the promise has settled
	err     error
	acked   bool // the gateway has acknowledged it
	index   int64
	id      string
}

// received is what one participant has received of a chat.
type received struct {
	who, chat string
	messages  []message
	breaks    []int // before these places, the SDK has said that continuity was lost
}

func (h *received) last() int64 {
	if h == nil || len(h.messages) == 0 {
		return 0
	}
	return h.messages[len(h.messages)-1].index
}

// verdict is the result of a run. In the zero value nothing was wrong.
type verdict struct {
	sends, acked, rejected, rejectedStored int
	delivered                              int // messages in all logs
	unsettled, settledTwice                int
	duplicates                             int // in a log, or stored twice
	lost                                   int // stored or acknowledged, and not there
	announcedLoss                          int // lost, and the SDK had said so before anything newer
	outOfOrder                             int
	unsaid                                 int // there, and nobody said it
	breaks                                 int // continuity was lost, the SDK said
	complaints                             []string
}

func (v *verdict) guilty() bool {
	return v.unsettled+v.settledTwice+v.duplicates+v.lost+v.outOfOrder+v.unsaid > 0
}

// maxComplaints bounds what is printed of what is wrong.
const maxComplaints = 30

func (v *verdict) complain(count *int, format string, args ...any) {
	*count++
	if len(v.complaints) < maxComplaints {
		v.complaints = append(v.complaints, fmt.Sprintf(format, args...))
	}
}

// judge compares what is stored of every chat with what was said and what was received.
func judge(stored map[string][]message, sayings []*said, logs []*received) verdict {
	var v verdict
	for chat, list := range stored {
		v.judgeStored(chat, list)
	}
	v.judgeSaid(stored, sayings)
	for _, h := range logs {
		v.judgeReceived(h, stored[h.chat])
	}
	return v
}

// judgeStored: indexes count from 1 without gaps, and nothing is there twice.
func (v *verdict) judgeStored(chat string, list []message) {
	ids := map[string]bool{}
	for i, m := range list {
		switch {
		case m.index > int64(i)+1:
			v.complain(&v.lost, "the history of %s has %d at place %d", chat, m.index, i+1)
		case m.index < int64(i)+1:
			v.complain(&v.duplicates, "the history of %s has %d at place %d", chat, m.index, i+1)
		}
		if ids[m.id] {
			v.complain(&v.duplicates, "the history of %s has the message %s twice", chat, m.id)
		}
		ids[m.id] = true
	}
}

// judgeSaid: what was acknowledged is stored once, under the index of the
// acknowledgement and in the order in which its sender said it; what was rejected at
// most once; and nothing else is stored but what the platform itself says.
func (v *verdict) judgeSaid(stored map[string][]message, sayings []*said) {
	places := map[string][]message{} // by chat and text
	for chat, list := range stored {
		for _, m := range list {
			places[chat+m.text] = append(places[chat+m.text], m)
		}
	}
	newest := map[string]int64{} // by chat and sender
	slices.SortStableFunc(sayings, func(a, b *said) int { return a.n - b.n })
	for _, s := range sayings {
		v.sends++
		switch {
		case s.settled == 0:
			v.complain(&v.unsettled, "%s: what it said as number %d has not settled", s.sender, s.n)
		case s.settled > 1:
			v.complain(&v.settledTwice, "%s: what it said as number %d has settled %d times", s.sender, s.n, s.settled)
		}
		found := places[s.chat+s.text]
		delete(places, s.chat+s.text)
		if len(found) > 1 {
			v.complain(&v.duplicates, "%s: what it said as number %d is stored %d times", s.sender, s.n, len(found))
		}
		if s.acked {
			v.acked++
			switch {
			case len(found) == 0:
				v.complain(&v.lost, "%s: what it said as number %d was acknowledged and is not stored", s.sender, s.n)
			case found[0].index != s.index || found[0].id != s.id:
				v.complain(&v.outOfOrder, "%s: what it said as number %d was acknowledged as %d %s and is stored as %d %s", s.sender, s.n, s.index, s.id, found[0].index, found[0].id)
			}
		} else if s.settled > 0 {
			v.rejected++
			v.rejectedStored += len(found)
		}
		if len(found) > 0 {
			key := s.chat + s.sender
			if found[0].index < newest[key] {
				v.complain(&v.outOfOrder, "%s: what it said as number %d is stored as %d, after what it said later", s.sender, s.n, found[0].index)
			}
			newest[key] = max(newest[key], found[0].index)
		}
	}
	for _, list := range places {
		for _, m := range list {
			if m.kind != wire.ParticipantBot && m.kind != wire.ParticipantSystem || strings.HasPrefix(m.text, marker) {
				v.complain(&v.unsaid, "the message %d %s is stored, and nobody said it", m.index, m.id)
			}
		}
	}
}

// judgeReceived: the log is what is stored, each once and in order; or the SDK said that
// continuity was lost before anything newer.
func (v *verdict) judgeReceived(h *received, stored []message) {
	v.delivered += len(h.messages)
	v.breaks += len(h.breaks)
	byIndex := map[int64]message{}
	for _, m := range stored {
		byIndex[m.index] = m
	}
	seen := map[int64]bool{}
	last := int64(0)
	for i, m := range h.messages {
		was, ok := byIndex[m.index]
		switch {
		case !ok || was.id != m.id || was.text != m.text || was.sender != m.sender:
			v.complain(&v.unsaid, "%s received a message %d %s that is not stored so", h.who, m.index, m.id)
			continue
		case seen[m.index]:
			v.complain(&v.duplicates, "%s received the message %d twice", h.who, m.index)
			continue
		case m.index < last:
			v.complain(&v.outOfOrder, "%s received the message %d after %d", h.who, m.index, last)
			seen[m.index] = true
			continue
		}
		for missing := last + 1; missing < m.index; missing++ {
			if slices.Contains(h.breaks, i) {
				v.announcedLoss++
			} else {
				v.complain(&v.lost, "%s did not receive the message %d before %d", h.who, missing, m.index)
			}
		}
		seen[m.index] = true
		last = m.index
	}
	for _, m := range stored {
		if m.index > last {
			v.complain(&v.lost, "%s did not receive the message %d, nor anything newer", h.who, m.index)
		}
	}
}

// The judge must find what it is there for.
func TestVerdict(t *testing.T) {
	const chat = "chat"
	fresh := func() (map[string][]message, []*said, []*received) {
		stored := []message{
			{1, "bot", "Hello!", "b", wire.ParticipantBot},
			{2, "c1", marker + "c 1", "c", wire.ParticipantCustomer},
			{3, "a1", marker + "a 1", "a", wire.ParticipantAgent},
			{4, "c2", marker + "c 2", "c", wire.ParticipantCustomer},
		}
		sayings := []*said{
			{chat: chat, sender: "c", n: 1, text: marker + "c 1", settled: 1, acked: true, index: 2, id: "c1"},
			{chat: chat, sender: "a", n: 1, text: marker + "a 1", settled: 1, acked: true, index: 3, id: "a1"},
			{chat: chat, sender: "c", n: 2, text: marker + "c 2", settled: 1, acked: true, index: 4, id: "c2"},
			{chat: chat, sender: "c", n: 3, text: marker + "c 3", settled: 1},
		}
		delivered := slices.Clone(stored)
		for i := range delivered {
			delivered[i].kind = ""
		}
		return map[string][]message{chat: stored}, sayings, []*received{
			{who: "c", chat: chat, messages: slices.Clone(delivered)}, {who: "a", chat: chat, messages: delivered},
		}
	}
	stored, sayings, logs := fresh()
	if v := judge(stored, sayings, logs); v.guilty() || v.acked != 3 || v.delivered != 8 || v.rejected != 1 || v.rejectedStored != 0 {
		t.Fatalf("what is right is judged %+v", v)
	}
	for name, tt := range map[string]struct {
		harm func(stored map[string][]message, sayings []*said, logs []*received)
		want func(v verdict) int
	}{
		"a log lacks one": {func(_ map[string][]message, _ []*said, l []*received) {
			l[0].messages = slices.Delete(l[0].messages, 2, 3)
		}, func(v verdict) int { return v.lost }},
		"a log lacks the last": {func(_ map[string][]message, _ []*said, l []*received) { l[1].messages = l[1].messages[:3] }, func(v verdict) int { return v.lost }},
		"a log has one twice": {func(_ map[string][]message, _ []*said, l []*received) {
			l[0].messages = slices.Insert(l[0].messages, 2, l[0].messages[1])
		}, func(v verdict) int { return v.duplicates }},
		"a log is out of order":  {func(_ map[string][]message, _ []*said, l []*received) { m := l[0].messages; m[1], m[2] = m[2], m[1] }, func(v verdict) int { return v.outOfOrder }},
		"a log has another text": {func(_ map[string][]message, _ []*said, l []*received) { l[0].messages[2].text += "!" }, func(v verdict) int { return v.unsaid }},
		"a log has a stranger": {func(_ map[string][]message, _ []*said, l []*received) {
			l[0].messages = append(l[0].messages, message{index: 5, id: "x"})
		}, func(v verdict) int { return v.unsaid }},
		"an acknowledged is gone": {func(s map[string][]message, _ []*said, _ []*received) { s[chat] = s[chat][:3] }, func(v verdict) int { return v.lost }},
		"the store has a gap":     {func(s map[string][]message, _ []*said, _ []*received) { s[chat][3].index = 5 }, func(v verdict) int { return v.lost }},
		"stored twice": {func(s map[string][]message, _ []*said, _ []*received) {
			m := s[chat][3]
			m.index, m.id = 5, "c2b"
			s[chat] = append(s[chat], m)
		}, func(v verdict) int { return v.duplicates }},
		"a rejected twice": {func(s map[string][]message, _ []*said, _ []*received) {
			for i := range int64(2) {
				s[chat] = append(s[chat], message{5 + i, fmt.Sprint(i), marker + "c 3", "c", wire.ParticipantCustomer})
			}
		}, func(v verdict) int { return v.duplicates }},
		"acknowledged as another": {func(_ map[string][]message, s []*said, _ []*received) { s[0].index = 3 }, func(v verdict) int { return v.outOfOrder }},
		"stored in another order": {func(s map[string][]message, l []*said, _ []*received) {
			s[chat][1].text, s[chat][3].text = s[chat][3].text, s[chat][1].text
		}, func(v verdict) int { return v.outOfOrder }},
		"nobody said it": {func(s map[string][]message, _ []*said, _ []*received) { s[chat][2].text = marker + "x" }, func(v verdict) int { return v.unsaid }},
		"unsettled":      {func(_ map[string][]message, s []*said, _ []*received) { s[3].settled = 0 }, func(v verdict) int { return v.unsettled }},
		"settled twice":  {func(_ map[string][]message, s []*said, _ []*received) { s[0].settled = 2 }, func(v verdict) int { return v.settledTwice }},
	} {
		stored, sayings, logs := fresh()
		tt.harm(stored, sayings, logs)
		if v := judge(stored, sayings, logs); tt.want(v) == 0 || !v.guilty() || len(v.complaints) == 0 {
			t.Errorf("%s: judged %+v", name, v)
		}
	}
	// A loss that was said before anything newer is no breach; said too late, it is.
	for at, guilty := range map[int]bool{2: false, 3: true} {
		stored, sayings, logs := fresh()
		logs[0].messages = slices.Delete(logs[0].messages, 2, 3)
		logs[0].breaks = []int{at}
		if v := judge(stored, sayings, logs); v.guilty() != guilty || v.breaks != 1 {
			t.Errorf("continuity lost before %d: judged %+v", at, v)
		}
	}
}
