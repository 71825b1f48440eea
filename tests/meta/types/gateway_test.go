package types

import (
	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// newGateway stands in for the real one, so that all events come, and with every member
// that is optional: a chat is there from an earlier session, and an agent answers each
// message.
func newGateway() *harness.StandIn {
	g := harness.NewStandIn()
	g.NewEngagement(harness.Customer)
	g.Leaving = []wire.Participant{harness.Customer}
	g.Received = func(m wire.Message) {
		raise := func(e wire.Event) {
			e.EngagementID, e.DialogID = m.EngagementID, m.DialogID
			g.Raise(e)
		}
		raise(wire.Event{Type: wire.EventParticipantAdded, Participant: harness.Bob})
		// The first answers nothing, the second does: an optional member is seen absent and present.
		answer := wire.Message{EngagementID: m.EngagementID, Body: wire.Body{ElementType: wire.ElementText, Text: "an answer", TextFormat: wire.TextHTML}}
		if m.MessageIndex > 2 {
			answer.ParentMessageID = m.MessageID
		}
		g.Send(answer, harness.Bob)
		raise(wire.Event{Type: wire.EventParticipantDisconnected, Participant: harness.Bob})
		raise(wire.Event{Type: wire.EventEngagementError, ErrorType: "urn:test", ErrorTitle: "Test", ErrorDetail: "of " + m.MessageID})
	}
	return g
}
