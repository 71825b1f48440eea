package desk

import (
	"time"

	"github.com/go-json-experiment/json"

	"openchat/sdk/wire"
	"openchat/web/store"
)

// State says what a chat needs.
type State string

// States of a chat.
const (
	StateWaiting State = "waiting" // for an agent
	StateActive  State = "active"  // an agent is in
	StateEnded   State = "ended"
)

// Presence says whether the customer is connected.
type Presence string

// Presences.
const (
	PresencePresent Presence = "present"
	PresenceAway    Presence = "away" // for longer than the grace
)

// Chat is an engagement as the desk shows it.
type Chat struct {
	EngagementID         string            `json:"engagementId"`
	DialogID             string            `json:"dialogId"`
	AccountID            string            `json:"accountId"`
	CustomerName         string            `json:"customerName"` // "" when the customer gave none
	Topic                string            `json:"topic"`        // the engagement parameter "topic", or ""
	EngagementParameters map[string]string `json:"engagementParameters"`
	State                State             `json:"state"`
	Participants         []Participant     `json:"participants"`
	CreatedAt            string            `json:"createdAt"`              // ISO 8601 in UTC with milliseconds, as all dates
	WaitingSince         string            `json:"waitingSince,omitempty"` // absent unless waiting
	Requeued             bool              `json:"requeued,omitzero"`      // it waits because its agent was disconnected
	CustomerPresence     Presence          `json:"customerPresence"`
	CustomerSeenAt       string            `json:"customerSeenAt,omitempty"` // while away: when the customer was last present
	LastUpdatedAt        string            `json:"lastUpdatedAt"`
	NewestIndex          int64             `json:"newestIndex"` // of the newest message, 0 for none
}

// Participant is who is in a Chat. An agent's ParticipantID is its agentId.
type Participant struct {
	ParticipantID   string               `json:"participantId"`
	ParticipantType wire.ParticipantType `json:"participantType"`
	DisplayName     string               `json:"displayName"`
}

// Me says whose the credential of a call is.
type Me struct {
	// AgentID, AgentName and Role are absent for a shared credential, whose holder speaks for
	// the agents that it names.
	AgentID   string   `json:"agentId,omitempty"`
	AgentName string   `json:"agentName,omitempty"`
	Role      Role     `json:"role,omitempty"`
	Accounts  []string `json:"accounts"` // whose chats it shows; httpapi.AllAccounts: every account's
}

func stateOf(e *engagement) State {
	if e.Ended() {
		return StateEnded
	}
	if memberOf(e, wire.ParticipantAgent) != nil {
		return StateActive
	}
	return StateWaiting
}

// waitingSince orders the queue: a chat that is not routed yet waits since it began.
func waitingSince(e *engagement) time.Time {
	if e.WaitingSince.IsZero() {
		return e.CreatedAt
	}
	return e.WaitingSince
}

func chatOf(e *engagement, newest int64) Chat {
	c := Chat{
		EngagementID:         e.EngagementID,
		DialogID:             e.DialogID,
		AccountID:            e.Customer.Account,
		CustomerName:         customerName(e),
		Topic:                e.Parameters["topic"],
		EngagementParameters: e.Parameters,
		State:                stateOf(e),
		Participants:         make([]Participant, 0, len(e.Members)),
		CustomerPresence:     PresencePresent,
		CreatedAt:            date(e.CreatedAt),
		LastUpdatedAt:        date(e.LastUpdatedAt),
		NewestIndex:          newest,
	}
	for i := range e.Members {
		m := &e.Members[i]
		c.Participants = append(c.Participants, Participant{m.ParticipantID, m.ParticipantType, m.DisplayName})
	}
	if c.State == StateWaiting {
		c.WaitingSince = date(waitingSince(e))
		c.Requeued = e.Requeued
	}
	if !e.AwaySince.IsZero() {
		c.CustomerPresence = PresenceAway
		c.CustomerSeenAt = date(e.AwaySince)
	}
	return c
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// encode cannot fail for the types of this package: their strings come out of
// JSON and are valid UTF-8.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("desk: " + err.Error())
	}
	return b
}

func memberOf(e *engagement, t wire.ParticipantType) *store.Member {
	for i := range e.Members {
		if e.Members[i].ParticipantType == t {
			return &e.Members[i]
		}
	}
	return nil
}

// staff returns the agent or supervisor of that id, nil when there is none.
func staff(e *engagement, id string) *store.Member {
	m := e.Member(id)
	if m != nil && m.ParticipantType != wire.ParticipantAgent && m.ParticipantType != wire.ParticipantSupervisor {
		return nil
	}
	return m
}

// customerName is the token's, else the one that the customer's page gave, else "".
func customerName(e *engagement) string {
	if m := e.CustomerMember(); m != nil && e.CustomerName == "" {
		return m.DisplayName
	}
	return e.CustomerName
}
