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
		s.log.warn(CodePageSize, "")
		size = wire.DefaultPageSize
	}
	at := Cursor{EngagementID: id, Size: size, Seen: math.MaxUint64, End: math.MaxInt64}
	refuse := func(err *Error) {
		s.enqueue(func() { done(Page{}, failBecause(CodeIteratorFailed, err.Message, err)) })
	}
	e, err := s.known(id)
	if err != nil {
		refuse(err)
		return
	}
	at.DialogID = e.dialogID
	switch {
	case e.member && !e.left:
		at.Seen, at.Own = max(s.stream.lastID, e.reReadID), e.ownID
	case e.joinedID != 0:
		at.Seen, at.Own = max(s.stream.lastID, e.joinedID), e.ownID
	}
	outside := !e.member && e.joinedID == 0
	var read func(list []wire.Message, older bool, err *Error)
	read = func(list []wire.Message, older bool, err *Error) {
		switch {
		case err != nil:
			refuse(err)
			return
		case outside && (e.member || e.joinedID != 0):
			// It came in meanwhile; what is stored since comes as events.
			outside = false
			at.Seen = e.joinedID
			if e.member {
				at.Seen = e.sinceID
			}
			kept := at.keep(s.id, list)
			if len(kept) < len(list) && older {
				rest := at
				rest.Oldest = list[0].MessageIndex
				s.collect(rest, Older, kept, read)
				return
			}
			list = kept
		}
		at.End = 0
		if n := len(list); n > 0 {
			at.End = list[n-1].MessageIndex
		}
		p := s.page(at, list, older, false)
		s.enqueue(func() { done(p, nil) })
	}
	s.collect(at, Older, nil, read)
}

// turn moves to the page beside at.
func (s *session) turn(at Cursor, to Direction, done func(Page, error)) {
	refuse := func(detail string, cause error) {
		s.enqueue(func() { done(Page{}, failBecause(CodeFetchFailed, detail, cause)) })
	}
	switch {
	case to == Older && at.Oldest <= 1:
		refuse("there is no older page", nil)
		return
	case to == Newer && at.Newest >= at.End:
		refuse("there is no newer page", nil)
		return
	}
	s.collect(at, to, nil, func(list []wire.Message, more bool, err *Error) {
		if err != nil {
			refuse(err.Message, err)
			return
		}
		if len(list) == 0 {
			refuse("there is no such page any more", nil)
			return
		}
		older := more || to == Newer
		newer := list[len(list)-1].MessageIndex < at.End
		page := s.page(at, list, older, newer)
		s.enqueue(func() { done(page, nil) })
	})
}

// collect reads messages of the snapshot beside at until there is a page of them, and
// tells whether there are more on that side. What is not of the snapshot stands only
// between its newest messages, so it seldom takes more than one request; the further
// ones are as large as they may be.
func (s *session) collect(at Cursor, to Direction, list []wire.Message, then func(list []wire.Message, more bool, err *Error)) {
	rest := at
	if list != nil {
		rest.Size = wire.MaxPageSize
	}
	query := ""
	switch {
	case to == Newer:
		query = "&after=" + strconv.FormatInt(at.Newest, 10)
	case at.Oldest > 0:
		query = "&before=" + strconv.FormatInt(at.Oldest, 10)
	}
	s.fetch(rest, query, func(p wire.MessagePage, err *Error) {
		if err != nil {
			then(nil, false, err)
			return
		}
		kept := at.keep(s.id, p.Messages)
		more := p.HasOlder
		if to == Newer {
			list = append(list, kept...)
			more = p.HasNewer
		} else {
			list = append(kept, list...)
		}
		n := len(p.Messages)
		if extra := len(list) - at.Size; extra > 0 {
			more = true
			if to == Newer {
				list = list[:at.Size]
			} else {
				list = list[extra:]
			}
		}
		if len(list) >= at.Size || !more || n == 0 || to == Newer && p.Messages[n-1].MessageIndex >= at.End {
			then(list, more, nil)
			return
		}
		at.Oldest, at.Newest = p.Messages[0].MessageIndex, p.Messages[n-1].MessageIndex
		s.collect(at, to, list, then)
	})
}

// keep drops what is newer than the snapshot. session is the one whose own messages
// belong to it as soon as they are known to be stored.
func (at *Cursor) keep(session string, list []wire.Message) []wire.Message {
	return slices.DeleteFunc(slices.Clone(list), func(m wire.Message) bool {
		own := m.SessionID == session && m.EventID <= at.Own
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
