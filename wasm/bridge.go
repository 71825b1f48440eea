//go:build js && wasm

package main

import (
	"runtime"
	"strconv"
	"strings"
	"syscall/js"

	"openchat/sdk"
	"openchat/sdk/wire"
)

// The contract between core (Go) and porch (JavaScript). It stands in the same words
// in wasm/bridge.go and js/avaya-ccaas-chat-sdk.js.
//
// Core to porch, once: started(build, command). At any time: bound(f, id), a function of one
// argument that calls f with id and that.
//
// Porch to core: command(op, id, ...arguments) returns undefined, or an error text when
// the call failed at once. id names a pending call, which is settled once by deliver; 0:
// the call is over when command returns. An absent argument is undefined.
//
//	op                 arguments                  settled with
//	init               params text, config text   user
//	shutdown           reason                     nothing
//	createEngagement   parameters text            engagement
//	getEngagements                                [engagement]
//	getEngagementById  engagementId               engagement, or nothing
//	join               engagementId               engagement
//	disconnect         engagementId, reason       engagement
//	sendMessage        engagementId, text, parent message
//	getMessages        engagementId, size         page
//	turn               cursor, "older"/"newer"    page
//	setJwtToken        token                      (id 0, as all below)
//	resetIdleTimeout
//	retryConnection
//	setLogLevel        level
//	wake               "visible"/"online"/"offline"/"away"
//	drained
//
// Core to porch, in the order in which things happened: deliver(list) returns whether
// there is room for more. After a false the core holds back events until "drained". The
// list is the text of an array of
//
//	{"settle":id,"value":…} or {"settle":id,"error":{code,message,cause?}}
//	{"event":type,"payload":{…},"engagement":engagement?}
//	{"log":level,"line":…}
//
// Texts are JSON. Times are numbers, milliseconds since 1970. A cursor is a string that
// only the core reads.

// maxOut is how many bytes for the porch are collected before they are handed over.
const maxOut = 32 << 10

// bridge is the core's end of the contract. Goroutines of a wasm take turns only where
// they block, so out and full need no lock.
type bridge struct {
	client  *sdk.Client
	deliver js.Value
	command js.Func
	out     []byte        // what the porch has not been told yet, without the end
	full    bool          // the porch has no room
	drained chan struct{} // holds a token when full may have changed
}

func newBridge(deliver js.Value) *bridge {
	b := &bridge{deliver: deliver, drained: make(chan struct{}, 1)}
	b.client = sdk.New(sdk.Options{
		Transport: transport{},
		Storage:   storage{},
		Deliver:   b.event,
		Delivered: b.flush,
		Log:       b.log,
	})
	b.command = js.FuncOf(func(_ js.Value, args []js.Value) any {
		err := b.guarded(func() error { return b.run(arguments(args)) })
		b.flush() // what was refused is settled already
		if err == nil {
			return nil
		}
		return string(appendError(nil, err))
	})
	return b
}

// guarded turns a panic of f into an error, so that a mistake here costs one call and
// not the page's chat.
func (b *bridge) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = b.panicked(r)
		}
	}()
	return f()
}

func (b *bridge) panicked(r any) error {
	err := &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unexpected error in the SDK", Cause: panicError(panicText(r))}
	stack := make([]byte, 4096)
	stack = stack[:runtime.Stack(stack, false)]
	b.log(sdk.LogError, err.Error()+": "+err.Cause.Error()+"\n"+string(stack))
	return err
}

type panicError string

func (e panicError) Error() string { return string(e) }

func panicText(r any) string {
	switch r := r.(type) {
	case error:
		return r.Error()
	case string:
		return r
	}
	return "panic"
}

// tell adds one item, which add appends, to what the porch will be told.
func (b *bridge) tell(add func(dst []byte) []byte) {
	separator := byte(',')
	if len(b.out) == 0 {
		separator = '['
	}
	b.out = add(append(b.out, separator))
	if len(b.out) > maxOut {
		b.flush()
	}
}

// flush tells the porch.
func (b *bridge) flush() {
	if len(b.out) == 0 {
		return
	}
	list := string(append(b.out, ']'))
	b.out = b.out[:0]
	// The porch's deliver does not throw; if it did, the list is lost and Go goes on.
	defer func() { _ = recover() }()
	if !b.deliver.Invoke(list).Bool() {
		b.full = true
	}
}

// event is the core's Deliver. Waiting here is what keeps the porch's queue bounded:
// the core then stops reading the stream.
func (b *bridge) event(e sdk.Event) {
	for b.full {
		<-b.drained
	}
	b.tell(func(dst []byte) []byte { return appendEvent(dst, &e) })
}

func (b *bridge) log(level sdk.LogLevel, line string) {
	b.tell(func(dst []byte) []byte { return appendLog(dst, level, line) })
	b.flush()
}

// settle returns the callback that settles call id; value appends what it is settled
// with, nil for nothing.
func settle[T any](b *bridge, id int, value func(dst []byte, v *T) []byte) func(T, error) {
	return func(v T, err error) {
		b.tell(func(dst []byte) []byte {
			dst = strconv.AppendInt(append(dst, `{"settle":`...), int64(id), 10)
			switch {
			case err != nil:
				dst = appendError(append(dst, `,"error":`...), err)
			case value != nil:
				dst = value(append(dst, `,"value":`...), &v)
			}
			return append(dst, '}')
		})
	}
}

// run performs one command. Its error is for what the core can not answer by itself.
func (b *bridge) run(a arguments) error {
	op, id := a.str(0), a.integer(1)
	c := b.client
	switch op {
	case "init":
		p, config, unknown, err := sdk.DecodeInit(a.str(2), a.str(3))
		for _, line := range unknown {
			c.Mistake(line)
		}
		if err != nil {
			return err
		}
		c.Init(p, config, settle(b, id, appendUser))
	case "shutdown":
		reason, err := a.optional(2, "reason")
		if err != nil {
			return err
		}
		done := settle[struct{}](b, id, nil)
		c.Shutdown(wire.Reason(reason), func(err error) { done(struct{}{}, err) })
	case "createEngagement":
		m, err := sdk.DecodeParameters("engagementParameters", a.str(2))
		if err != nil {
			return err
		}
		c.CreateEngagement(m, settle(b, id, appendEngagement))
	case "getEngagements":
		c.Engagements(settle(b, id, appendEngagements))
	case "getEngagementById":
		found, none := settle(b, id, appendEngagement), settle[struct{}](b, id, nil)
		c.EngagementByID(a.str(2), func(e sdk.Engagement, ok bool, err error) {
			if ok && err == nil {
				found(e, nil)
			} else {
				none(struct{}{}, err)
			}
		})
	case "join":
		c.Join(a.str(2), settle(b, id, appendEngagement))
	case "disconnect":
		reason, err := a.optional(3, "reason")
		if err != nil {
			return err
		}
		c.Disconnect(a.str(2), wire.Reason(reason), settle(b, id, appendEngagement))
	case "sendMessage":
		if a.at(3).Type() != js.TypeString {
			return constraint("text must be a string")
		}
		parent, err := a.optional(4, "parentMessageId")
		if err != nil {
			return err
		}
		c.SendMessage(a.str(2), a.str(3), parent, settle(b, id, appendMessage))
	case "getMessages":
		c.Messages(a.str(2), a.pageSize(3), settle(b, id, appendPage))
	case "turn":
		cursor, err := parseCursor(a.str(2))
		if err != nil {
			return err
		}
		to := sdk.Older
		if a.str(3) == "newer" {
			to = sdk.Newer
		}
		c.Turn(cursor, to, settle(b, id, appendPage))
	case "setJwtToken":
		return c.SetJWTToken(a.str(2))
	case "resetIdleTimeout":
		return c.ResetIdleTimeout()
	case "retryConnection":
		return c.RetryConnection()
	case "setLogLevel":
		return c.SetLogLevel(sdk.LogLevel(a.str(2)))
	case "wake":
		switch a.str(2) {
		case "online":
			c.Wake(sdk.WakeOnline)
		case "offline":
			c.Wake(sdk.WakeOffline)
		case "away":
			c.Wake(sdk.WakeAway)
		default:
			c.Wake(sdk.WakeVisible)
		}
	case "drained":
		b.full = false
		select {
		case b.drained <- struct{}{}:
		default:
		}
	default:
		return &sdk.Error{Code: sdk.CodeInitFailed, Message: "Unknown command " + op}
	}
	return nil
}

// constraint is the error for an argument of the wrong type, which the core's typed
// calls can not see.
func constraint(what string) error {
	return &sdk.Error{Code: sdk.CodeConstraintViolation, Message: "Constraint Violation Error - " + what}
}

// arguments are those of command; reading beyond them gives undefined.
type arguments []js.Value

func (a arguments) at(i int) js.Value {
	if i < len(a) {
		return a[i]
	}
	return js.Undefined()
}

// str returns argument i, "" if it is not a string.
func (a arguments) str(i int) string {
	if v := a.at(i); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}

// optional returns argument i, "" if it is absent, which is undefined or null. An empty
// string is not absent: like whatever else is no string, it is an error.
func (a arguments) optional(i int, name string) (string, error) {
	v := a.at(i)
	switch v.Type() {
	case js.TypeString:
		if s := v.String(); s != "" {
			return s, nil
		}
		return "", constraint(name + " must not be empty")
	case js.TypeUndefined, js.TypeNull:
		return "", nil
	}
	return "", constraint(name + " must be a string")
}

// integer returns argument i, 0 if it is not an integer of 32 bits.
func (a arguments) integer(i int) int {
	v := a.at(i)
	if v.Type() != js.TypeNumber {
		return 0
	}
	f := v.Float()
	if n := int32(f); float64(n) == f {
		return int(n)
	}
	return 0
}

// pageSize returns argument i, the default if it is absent, and 0, which the core
// warns of, for anything that is no size.
func (a arguments) pageSize(i int) int {
	if a.at(i).IsUndefined() {
		return wire.DefaultPageSize
	}
	return a.integer(i)
}

// appendCursor writes a cursor as the porch keeps it.
func appendCursor(dst []byte, c *sdk.Cursor) []byte {
	dst = append(dst, c.EngagementID...)
	dst = append(dst, ' ')
	dst = append(dst, c.DialogID...)
	for _, n := range []uint64{uint64(c.Size), uint64(c.Oldest), uint64(c.Newest), uint64(c.End), uint64(c.Seen), uint64(c.Own)} {
		dst = append(dst, ' ')
		dst = strconv.AppendUint(dst, n, 10)
	}
	return dst
}

func parseCursor(s string) (c sdk.Cursor, err error) {
	var n [6]uint64
	fields := strings.Split(s, " ")
	if len(fields) != 2+len(n) {
		return c, constraint("not a cursor")
	}
	c.EngagementID, c.DialogID = fields[0], fields[1]
	for i := range n {
		if n[i], err = strconv.ParseUint(fields[2+i], 10, 64); err != nil {
			return c, constraint("not a cursor")
		}
	}
	c.Size, c.Oldest, c.Newest, c.End = int(n[0]), int64(n[1]), int64(n[2]), int64(n[3])
	c.Seen, c.Own = wire.EventID(n[4]), wire.EventID(n[5])
	return c, nil
}
