package sdk

import (
	"math"
	"strconv"

	"openchat/sdk/wire"
)

// newestPage reads the first page of a new snapshot. Its bound is what had been delivered to the
// page's handlers when the page asked; delivered is the messageIndex of the chat's last such
// message, 0 for none. What is delivered later comes as an event, and nothing comes both ways or
// neither (PAGE-3). Messages that the page has sent and knows to be stored belong to it too.
func (c *chats) newestPage(id string, size int, delivered int64, done func(Page, error)) {
	if size < 1 || size > wire.MaxPageSize {
		c.log.warn(CodePageSize, "")
		size = wire.DefaultPageSize
	}
	at := Cursor{EngagementID: id, Size: size, Seen: math.MaxUint64, End: math.MaxInt64}
	refuse := func(err *Error) {
		c.settle(func() { done(Page{}, failBecause(CodeIteratorFailed, err.Message, err)) })
	}
	e, err := c.known(id)
	if err != nil {
		refuse(err)
		return
	}
	at.DialogID = e.dialogID
	switch {
	case e.member == memberInside:
		at.Seen, at.Own = max(c.position, e.reReadID), e.ownID
	case e.member != memberLeft && e.liveFrom != 0:
		at.Seen, at.Own = max(c.position, e.liveFrom), e.ownID
	}
	// These were raised, and are still on their way to the page's handlers.
	at.UndeliveredFrom, at.UndeliveredTo = max(delivered+1, e.raisedFrom), e.raisedTo
	cameIn := func() bool { return e.wasInside() || e.liveFrom != 0 }
	outside := !cameIn()
	var read func(list []wire.Message, older bool, err *Error)
	read = func(list []wire.Message, older bool, err *Error) {
		switch {
		case err != nil:
			refuse(err)
			return
		case outside && (cameIn() || e.raisedTo > at.UndeliveredTo):
			// It came in meanwhile, and may be out again; what was stored since came or comes as
			// events.
			outside = false
			if cameIn() {
				at.Seen = e.liveFrom
			}
			at.UndeliveredFrom, at.UndeliveredTo = e.raisedFrom, e.raisedTo
			kept := at.keep(c.session, list)
			if len(kept) < len(list) && older {
				rest := at
				rest.Oldest = list[0].MessageIndex
				c.collect(rest, Older, kept, read)
				return
			}
			list = kept
		}
		at.End = 0
		if n := len(list); n > 0 {
			at.End = list[n-1].MessageIndex
		}
		p := c.page(at, list, older, false)
		c.settle(func() { done(p, nil) })
	}
	c.collect(at, Older, nil, read)
}

// turn moves to the page beside at.
func (c *chats) turn(at Cursor, to Direction, done func(Page, error)) {
	refuse := func(detail string, cause error) {
		c.settle(func() { done(Page{}, failBecause(CodeFetchFailed, detail, cause)) })
	}
	switch {
	case to == Older && at.Oldest <= 1:
		refuse("there is no older page", nil)
		return
	case to == Newer && at.Newest >= at.End:
		refuse("there is no newer page", nil)
		return
	}
	c.collect(at, to, nil, func(list []wire.Message, more bool, err *Error) {
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
		page := c.page(at, list, older, newer)
		c.settle(func() { done(page, nil) })
	})
}

// collect reads messages of the snapshot beside at until there is a page of them, and
// reports whether there are more on that side. What is not of the snapshot stands only
// between its newest messages, so it seldom takes more than one request; the further
// ones are as large as they may be.
func (c *chats) collect(at Cursor, to Direction, list []wire.Message, then func(list []wire.Message, more bool, err *Error)) {
	rest := at
	if list != nil {
		rest.Size = wire.MaxPageSize
	}
	query := ""
	switch {
	case to == Newer:
		query = "&" + wire.FieldAfter + "=" + strconv.FormatInt(at.Newest, 10)
	case at.Oldest > 0:
		query = "&" + wire.FieldBefore + "=" + strconv.FormatInt(at.Oldest, 10)
	}
	c.fetch(rest, query, func(p wire.MessagePage, err *Error) {
		if err != nil {
			then(nil, false, err)
			return
		}
		kept := at.keep(c.session, p.Messages)
		more := p.HasOlder
		if to == Newer {
			list = append(list, kept...)
			more = p.HasNewer
		} else {
			list = append(kept, list...)
		}
		n := len(p.Messages)
		// What is older than a message that is here as the page's own only may all be newer than
		// the snapshot: then only a further message shows that there is an older page.
		unsure := to == Older && more && len(list) == at.Size && !at.reaches(&list[0])
		if extra := len(list) - at.Size; extra > 0 {
			more = true
			if to == Newer {
				list = list[:at.Size]
			} else {
				list = list[extra:]
			}
		}
		if len(list) >= at.Size && !unsure || !more || n == 0 || to == Newer && p.Messages[n-1].MessageIndex >= at.End {
			then(list, more, nil)
			return
		}
		at.Oldest, at.Newest = p.Messages[0].MessageIndex, p.Messages[n-1].MessageIndex
		c.collect(at, to, list, then)
	})
}

// keep drops what is not of the snapshot: what is newer, and what had yet to be delivered to
// the page. session is the one whose own messages belong to it as soon as they are known to be
// stored.
func (at *Cursor) keep(session string, list []wire.Message) []wire.Message {
	kept := make([]wire.Message, 0, len(list))
	for i := range list {
		m := &list[i]
		own := m.SessionID == session && m.EventID <= at.Own
		if m.MessageIndex <= at.End && (at.reaches(m) || own) {
			kept = append(kept, *m)
		}
	}
	return kept
}

// reaches reports whether m had been delivered to the page's handlers when the snapshot was made,
// or never would be.
func (at *Cursor) reaches(m *wire.Message) bool {
	undelivered := at.UndeliveredFrom <= m.MessageIndex && m.MessageIndex <= at.UndeliveredTo
	return m.EventID <= at.Seen && !undelivered
}

// page gives messages in rising order the page's shape.
func (c *chats) page(at Cursor, list []wire.Message, older, newer bool) Page {
	p := Page{HasPrevious: older, HasNext: newer, Cursor: at, Items: make([]Message, 0, len(list))}
	p.Cursor.Oldest, p.Cursor.Newest = 0, 0
	if n := len(list); n > 0 {
		p.Cursor.Oldest, p.Cursor.Newest = list[0].MessageIndex, list[n-1].MessageIndex
	}
	for i := range list {
		p.Items = append(p.Items, c.message(&list[len(list)-1-i]))
	}
	return p
}

// fetch reads messages in rising order of their index.
func (c *chats) fetch(at Cursor, query string, then func(wire.MessagePage, *Error)) {
	c.add(chatRequest).call = &call{
		name: "read messages", method: "GET",
		path: wire.EngagementsPath + "/" + at.EngagementID + wire.MessagesPath + "?" + wire.FieldDialogID + "=" + at.DialogID +
			"&" + wire.FieldPageSize + "=" + strconv.Itoa(at.Size) + query,
		then: func(a answer) {
			v, bad := wire.DecodeMessagePage(a.body)
			then(v, a.check("reading messages", bad, true))
		},
	}
}
