package desk

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// This file gives chats out in portions: whatever the number and the size of the chats, a
// frame and an answer have a bound.

// place is where a chat stands in the list of chats.
type place struct {
	group int   // see group
	since int64 // waitingSince, in milliseconds since 1970
	id    string
}

func placeOf(e *engagement) place {
	return place{group(e), waitingSince(e).UnixMilli(), e.EngagementID}
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.group, q.group), cmp.Compare(p.since, q.since), cmp.Compare(p.id, q.id))
}

// String is the place as a cursor of GET /engagements.
func (p place) String() string {
	return strconv.Itoa(p.group) + "." + strconv.FormatInt(p.since, 10) + "." + p.id
}

var errCursor = errors.New("desk: no cursor of this call")

// parsePlace reads what String writes.
func parsePlace(text string) (place, error) {
	head, rest, _ := strings.Cut(text, ".")
	since, id, _ := strings.Cut(rest, ".")
	group, err := strconv.Atoi(head)
	if err != nil || group < 0 || group > lastGroup || !wire.IsUUID(id) {
		return place{}, errCursor
	}
	p := place{group: group, id: id}
	if p.since, err = strconv.ParseInt(since, 10, 64); err != nil || p.String() != text {
		return place{}, errCursor
	}
	return p, nil
}

// sorted returns the accounts' chats in that state that have not ended, "" for all of them:
// those that lost their agent first, then longest waiting first, then those with an
// agent, oldest first. For callers that hold the lock.
func (v *view) sorted(of httpapi.Accounts, state State) []*entry {
	type placed struct {
		place
		entry *entry
	}
	open := make([]placed, 0, len(v.chats))
	for _, c := range v.chats {
		if s := stateOf(&c.engagement); s != StateEnded && (state == "" || s == state) && of.Has(c.engagement.Customer.Account) {
			open = append(open, placed{placeOf(&c.engagement), c})
		}
	}
	slices.SortFunc(open, func(a, b placed) int { return a.compare(b.place) })
	list := make([]*entry, len(open))
	for i := range open {
		list[i] = open[i].entry
	}
	return list
}

// listQuery is what GET /engagements asks for.
type listQuery struct {
	state State  // "": all
	after *place // nil: from the first one
	limit int    // of chats
}

// maxList is how large an answer of GET /engagements is, in bytes; one chat fits always.
const maxList = 1 << 20

// page returns a JSON array of the chats that q asks for, and where the next page begins;
// nil when there is none.
func (v *view) page(of httpapi.Accounts, q listQuery) (list []byte, next *place) {
	v.mu.Lock()
	defer v.mu.Unlock()
	open := v.sorted(of, q.state)
	if q.after != nil {
		first, found := slices.BinarySearchFunc(open, *q.after, func(c *entry, p place) int { return placeOf(&c.engagement).compare(p) })
		if found {
			first++
		}
		open = open[first:]
	}
	list, n := appendChats([]byte{'['}, open[:min(q.limit, len(open))], maxList-1)
	if n > 0 && n < len(open) {
		last := placeOf(&open[n-1].engagement)
		next = &last
	}
	return append(list, ']'), next
}

// appendChats appends the chats, separated by commas, as long as b has at most max bytes,
// and at least the first of them. It returns how many it has appended.
func appendChats(b []byte, chats []*entry, max int) ([]byte, int) {
	for i, c := range chats {
		text := encode(chatOf(&c.engagement, c.newest))
		if i > 0 && len(b)+1+len(text) > max {
			return b, i
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text...)
	}
	return b, len(chats)
}

// What stands before and after the chats of a snapshot.
const (
	snapshotHead = `{"type":"snapshot","chats":[`
	snapshotMore = `],"more":true}`
	snapshotTail = `]}`
)

var frameComplete = []byte(`{"type":"complete"}`)

// add queues the snapshot of the socket's accounts as its first frame; changes follow. What
// the frame has no room for comes by sendPending.
//
// The chats that the socket's agent is in stand first: desks that know of one frame only read what
// they have missed in the chats of that frame.
func (v *view) add(s *socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	open := v.sorted(s.who.accounts, "")
	if s.agentID != "" {
		slices.SortStableFunc(open, func(a, b *entry) int {
			return cmp.Compare(boolInt(staff(&b.engagement, s.agentID) != nil), boolInt(staff(&a.engagement, s.agentID) != nil))
		})
	}
	b, n := appendChats([]byte(snapshotHead), open, wire.MaxServerFrame-len(snapshotMore))
	for _, c := range open[n:] {
		s.pending = append(s.pending, c.engagement.EngagementID)
	}
	if len(s.pending) == 0 {
		s.send(append(b, snapshotTail...))
	} else {
		s.unsent.Store(true)
		s.send(append(b, snapshotMore...))
	}
	v.sockets[s] = struct{}{}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sendPending queues some of the chats that the snapshot had no room for, in their present
// state, and after the last of them the frame that says so. The socket's writer calls it
// when all that was queued is written, so that a long list does not wait in memory.
func (v *view) sendPending(s *socket) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for size := 0; len(s.pending) > 0; s.pending = s.pending[1:] {
		c := v.chats[s.pending[0]]
		if c == nil || c.engagement.Ended() {
			continue // its end went out as a change
		}
		if size > wire.MaxServerFrame || size > 0 && len(s.queue) >= cap(s.queue)/2 {
			return
		}
		f := chatFrame(c)
		size += len(f)
		s.send(f)
	}
	s.pending = nil
	s.unsent.Store(false)
	s.send(frameComplete)
}

func chatFrame(c *entry) []byte {
	return frame(`{"type":"chat","chat":`, encode(chatOf(&c.engagement, c.newest)))
}
