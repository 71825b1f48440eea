package sdk

import (
	"math"
	"slices"
	"strconv"

	"openchat/sdk/wire"
)

// newestPage reads the first page of a new snapshot. Its bound is the place in the
// stream that the page's handlers have been told up to when it asked: what is
// stored later comes as an event, and nothing comes both ways or neither (PAGE-3).
// Messages that the page has sent and knows to be stored belong to it too.
func (s *session) newestPage(id string, size int, done func(Page, error)) {
	if size < 1 || size > wire.MaxPageSize {
		s.c.warn(CodePageSize, "")
		size = wire.DefaultPageSize
	}
	at := Cursor{EngagementID: id, Size: size, Seen: math.MaxUint64, End: math.MaxInt64}
	refuse := func(err *Error) {
		s.later(func() { done(Page{}, failBecause(CodeIteratorFailed, err.Message, err)) })
	}
	e, err := s.known(id)
	if err != nil {
		refuse(err)
		return
	}
	at.DialogID = e.dialogID
	switch {
	case e.member && !e.left:
		at.Seen, at.Own = s.stream.lastID, e.ownID
	case e.joinedID != 0:
		at.Seen, at.Own = max(s.stream.lastID, e.joinedID), e.ownID
	}
	s.fetch(at, "", func(p wire.MessagePage, err *Error) {
		if err != nil {
			refuse(err)
			return
		}
		kept := at.keep(p.Messages)
		if len(kept) == len(p.Messages) || !p.HasOlder {
			s.firstPage(at, kept, p.HasOlder, done)
			return
		}
		// The newest messages are still to come as events; fill the page from behind.
		more := at
		more.Size = size - len(kept)
		s.fetch(more, "&before="+strconv.FormatInt(p.Messages[0].MessageIndex, 10), func(older wire.MessagePage, err *Error) {
			if err != nil {
				refuse(err)
				return
			}
			s.firstPage(at, append(older.Messages, kept...), older.HasOlder, done)
		})
	})
}

func (s *session) firstPage(at Cursor, list []wire.Message, older bool, done func(Page, error)) {
	at.End = 0
	if n := len(list); n > 0 {
		at.End = list[n-1].MessageIndex
	}
	p := s.page(at, list, older, false)
	s.later(func() { done(p, nil) })
}

// turn moves to the page beside at.
func (s *session) turn(at Cursor, to Direction, done func(Page, error)) {
	refuse := func(detail string, cause error) {
		s.later(func() { done(Page{}, failBecause(CodeFetchFailed, detail, cause)) })
	}
	var query string
	switch {
	case to == Older && at.Oldest > 1:
		query = "&before=" + strconv.FormatInt(at.Oldest, 10)
	case to == Older:
		refuse("there is no older page", nil)
		return
	case at.Newest != 0 && at.Newest < at.End:
		query = "&after=" + strconv.FormatInt(at.Newest, 10)
	default:
		refuse("there is no newer page", nil)
		return
	}
	s.fetch(at, query, func(p wire.MessagePage, err *Error) {
		if err != nil {
			refuse(err.Message, err)
			return
		}
		kept := at.keep(p.Messages)
		if len(kept) == 0 {
			refuse("the server has no such page", nil)
			return
		}
		older := p.HasOlder || to == Newer
		newer := kept[len(kept)-1].MessageIndex < at.End
		page := s.page(at, kept, older, newer)
		s.later(func() { done(page, nil) })
	})
}

// keep drops what is newer than the snapshot.
func (at *Cursor) keep(list []wire.Message) []wire.Message {
	return slices.DeleteFunc(slices.Clone(list), func(m wire.Message) bool {
		own := m.SenderParticipantType == wire.ParticipantCustomer && m.EventID <= at.Own
		return m.MessageIndex > at.End || m.EventID > at.Seen && !own
	})
}

// page gives messages in rising order the page's shape.
func (s *session) page(at Cursor, list []wire.Message, older, newer bool) Page {
	p := Page{HasPrevious: older, HasNext: newer, Cursor: at, Items: make([]Message, 0, len(list))}
	p.Cursor.Oldest, p.Cursor.Newest = 0, 0
	if n := len(list); n > 0 {
		p.Cursor.Oldest, p.Cursor.Newest = list[0].MessageIndex, list[n-1].MessageIndex
	}
	for i := range list {
		p.Items = append(p.Items, s.message(&list[len(list)-1-i]))
	}
	return p
}

// fetch reads messages in rising order of their index.
func (s *session) fetch(at Cursor, query string, then func(wire.MessagePage, *Error)) {
	s.request(&call{
		name: "read messages", method: "GET",
		path: "/engagements/" + at.EngagementID + "/messages?dialogId=" + at.DialogID + "&pageSize=" + strconv.Itoa(at.Size) + query,
		then: func(a answer) {
			if a.err != nil {
				then(wire.MessagePage{}, a.err)
				return
			}
			p, err := wire.DecodeMessagePage(a.body)
			if err != nil {
				then(p, failBecause(CodeUnexpectedAnswer, "reading messages", err))
				return
			}
			then(p, nil)
		},
	})
}
