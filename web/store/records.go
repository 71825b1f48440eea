package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"openchat/sdk/wire"
)

// This file is what lies on disk. Each entry of the stream is a record:
//
//	subject …s.…   commitRecord with a session
//	subject …e.…   commitRecord with an engagement
//	subject …m.…   a message's event, as wire.Event.Append writes it; or, with the header
//	               Chat-End, the end mark of its engagement, which has no text (end.go)
//
// with the version of its format in the header Chat-Record, 1 where there is none, and, of few, the trace
// that it belongs to (headerTrace), which no reader needs. A field
// that older readers may ignore and newer ones may miss does not change the version; what
// an older reader would misread does. Golden records of each version are in
// testdata/records; records of all versions are read, the newest is written.
//
// The names in the tags are those that version 1 took from Go's fields: to rename a field
// is not to rename what is stored.
//
//	1  what the desk keeps of a chat stands between the engagement's own members
//	2  it stands in Sides
const recordVersion = 2

const headerRecord = "Chat-Record"

// version reads the version of an entry's record.
func (e *entry) version() (int, error) {
	text := e.header.Get(headerRecord)
	if text == "" {
		return 1, nil
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 || v > recordVersion {
		return 0, fmt.Errorf("store: the entry %d is of a version that is not known here; this one knows 1 to %d", e.sequence, recordVersion)
	}
	return v, nil
}

type commitRecord struct {
	Session    *sessionRecord    `json:"session,omitempty"`
	Engagement *engagementRecord `json:"engagement,omitempty"`
	Events     []eventRecord     `json:"events,omitempty"`
}

type eventRecord struct {
	Type      wire.EventType  `json:"type"`
	SessionID string          `json:"sessionId,omitempty"`
	Event     json.RawMessage `json:"event"` // wire.Event.Append
}

type sessionRecord struct {
	SessionID         string             `json:"SessionID"`
	ParticipantID     string             `json:"ParticipantID"`
	DisplayName       string             `json:"DisplayName"`
	SessionParameters map[string]string  `json:"SessionParameters"`
	SessionStatus     wire.SessionStatus `json:"SessionStatus"`
	CreatedAt         time.Time          `json:"CreatedAt"`
	LastUpdatedAt     time.Time          `json:"LastUpdatedAt"`
	Customer          Customer           `json:"Customer"`
	IntegrationID     string             `json:"IntegrationID"`
}

type engagementRecord struct {
	Customer      Customer                   `json:"Customer"`
	CustomerName  string                     `json:"CustomerName"`
	EngagementID  string                     `json:"EngagementID"`
	DialogID      string                     `json:"DialogID"`
	IntegrationID string                     `json:"IntegrationID"`
	Status        wire.EngagementStatus      `json:"Status"`
	Parameters    map[string]string          `json:"Parameters"`
	SessionID     string                     `json:"SessionID"`
	CorrelationID string                     `json:"CorrelationID"`
	Members       []memberRecord             `json:"Members"`
	CreatedAt     time.Time                  `json:"CreatedAt"`
	LastUpdatedAt time.Time                  `json:"LastUpdatedAt"`
	Sides         map[string]json.RawMessage `json:"Sides,omitempty"`

	deskV1
}

type memberRecord struct {
	ParticipantID   string               `json:"ParticipantID"`
	ParticipantType wire.ParticipantType `json:"ParticipantType"`
	DisplayName     string               `json:"DisplayName"`
	Sessions        []string             `json:"Sessions"`
	JoinedAt        time.Time            `json:"JoinedAt"`

	Watched bool `json:"Watched,omitzero"` // version 1 only
}

// deskV1 is what the desk kept of a chat in version 1, and with the ids of the watched
// members, what it reads of its side since.
type deskV1 struct {
	WaitingSince time.Time       `json:"WaitingSince,omitzero"`
	AwaySince    time.Time       `json:"AwaySince,omitzero"`
	Ending       bool            `json:"Ending,omitzero"`
	Requeued     bool            `json:"Requeued,omitzero"`
	Notice       json.RawMessage `json:"Notice,omitzero"`
}

// upgrade makes version 2 out of version 1.
func (r *engagementRecord) upgrade() error {
	old := struct {
		deskV1
		Watched []string `json:"Watched,omitempty"`
	}{deskV1: r.deskV1}
	r.deskV1 = deskV1{}
	for i := range r.Members {
		if m := &r.Members[i]; m.Watched {
			old.Watched = append(old.Watched, m.ParticipantID)
			m.Watched = false
		}
	}
	text, err := json.Marshal(old)
	if err != nil || string(text) == "{}" {
		return err
	}
	r.Sides = map[string]json.RawMessage{"desk": text}
	return nil
}

// record is the commit as it is stored.
func (k *commit) record() *commitRecord {
	r := &commitRecord{Events: k.Events}
	if s := k.Session; s != nil {
		r.Session = &sessionRecord{
			SessionID: s.SessionID, ParticipantID: s.ParticipantID, DisplayName: s.DisplayName,
			SessionParameters: s.SessionParameters, SessionStatus: s.SessionStatus,
			CreatedAt: s.CreatedAt, LastUpdatedAt: s.LastUpdatedAt,
			Customer: s.Customer, IntegrationID: s.IntegrationID,
		}
	}
	if e := k.Engagement; e != nil {
		r.Engagement = &engagementRecord{
			Customer: e.Customer, CustomerName: e.CustomerName,
			EngagementID: e.EngagementID, DialogID: e.DialogID, IntegrationID: e.IntegrationID,
			Status: e.Status, Parameters: e.Parameters, SessionID: e.SessionID, CorrelationID: e.CorrelationID,
			CreatedAt: e.CreatedAt, LastUpdatedAt: e.LastUpdatedAt, Sides: e.sides,
		}
		for i := range e.Members {
			m := &e.Members[i]
			r.Engagement.Members = append(r.Engagement.Members, memberRecord{
				ParticipantID: m.ParticipantID, ParticipantType: m.ParticipantType, DisplayName: m.DisplayName,
				Sessions: m.Sessions, JoinedAt: m.JoinedAt,
			})
		}
	}
	return r
}

// encode writes the record, of the version recordVersion.
func (k *commit) encode() ([]byte, error) { return json.Marshal(k.record()) }

// decodeCommit reads a record of any version.
func decodeCommit(version int, text []byte) (*commit, error) {
	var r commitRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	k := &commit{Events: r.Events}
	if s := r.Session; s != nil {
		k.Session = &Session{
			Session: wire.Session{
				SessionID: s.SessionID, ParticipantID: s.ParticipantID, DisplayName: s.DisplayName,
				SessionParameters: s.SessionParameters, SessionStatus: s.SessionStatus,
				CreatedAt: s.CreatedAt, LastUpdatedAt: s.LastUpdatedAt,
			},
			Customer: s.Customer, IntegrationID: s.IntegrationID,
		}
	}
	if e := r.Engagement; e != nil {
		if version == 1 {
			if err := e.upgrade(); err != nil {
				return nil, err
			}
		}
		k.Engagement = &Engagement{
			Customer: e.Customer, CustomerName: e.CustomerName,
			EngagementID: e.EngagementID, DialogID: e.DialogID, IntegrationID: e.IntegrationID,
			Status: e.Status, Parameters: e.Parameters, SessionID: e.SessionID, CorrelationID: e.CorrelationID,
			CreatedAt: e.CreatedAt, LastUpdatedAt: e.LastUpdatedAt, sides: e.Sides,
		}
		for i := range e.Members {
			m := &e.Members[i]
			k.Engagement.Members = append(k.Engagement.Members, Member{
				Participant: wire.Participant{ParticipantID: m.ParticipantID, ParticipantType: m.ParticipantType, DisplayName: m.DisplayName},
				Sessions:    m.Sessions, JoinedAt: m.JoinedAt,
			})
		}
	}
	return k, nil
}
