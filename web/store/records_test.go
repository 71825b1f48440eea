package store

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"openchat/sdk/wire"
)

// testdata/records/‹version›/‹kind›.json are records as the code of that version has
// written them; those of version 1 are what commits f3778dd and 89665f6 wrote of the
// values of golden. Those of a version that was released never change.
var update = flag.Bool("update", false, "write the golden records of the present version")

// golden are records of every kind, with every field set.
func golden() map[string]*commit {
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 5_000_000, time.UTC) }
	who := Customer{Account: "ABCDEF", ID: "ann@example.com"}
	const integration, sessionID, engagementID, dialogID = "6f9e2a1c-0d53-4c5e-9a52-1f6d0c6b7a01", "5e551000-0000-8000-8000-000000000001", "e46a6e00-0000-8000-8000-000000000001", "d1a10600-0000-8000-8000-000000000001"
	customer := wire.Participant{ParticipantID: "c0570000-0000-8000-8000-000000000001", ParticipantType: wire.ParticipantCustomer, DisplayName: "Ann \"<é😀>\""}
	bot := wire.Participant{ParticipantID: "10558bed-3868-4a05-9d13-80eb587e8b9a", ParticipantType: wire.ParticipantBot, DisplayName: "Assistant"}
	agent := wire.Participant{ParticipantID: "a6e17000-0000-4000-8000-000000000001", ParticipantType: wire.ParticipantAgent, DisplayName: "Bo"}
	supervisor := wire.Participant{ParticipantID: "a6e17000-0000-4000-8000-000000000002", ParticipantType: wire.ParticipantSupervisor, DisplayName: "Kim"}
	session := Session{
		Session: wire.Session{
			SessionID: sessionID, ParticipantID: customer.ParticipantID, DisplayName: customer.DisplayName, SessionParameters: map[string]string{"page": "shop", "a": "<&>"},
			SessionStatus: wire.SessionActive, CreatedAt: at(1), LastUpdatedAt: at(1),
		},
		Customer: who, IntegrationID: integration,
	}
	ended := session
	ended.SessionStatus, ended.LastUpdatedAt, ended.SessionParameters = wire.SessionTerminated, at(9), nil
	pending := Engagement{
		Customer: who, CustomerName: customer.DisplayName, EngagementID: engagementID, DialogID: dialogID, IntegrationID: integration, Status: wire.EngagementPending,
		Parameters: map[string]string{"topic": "tea"}, SessionID: sessionID, CorrelationID: "key", CreatedAt: at(2), LastUpdatedAt: at(2),
	}
	waiting := pending
	waiting.Status, waiting.LastUpdatedAt = wire.EngagementActive, at(3)
	waiting.Members = []Member{{Participant: customer, Sessions: []string{sessionID}, JoinedAt: at(2)}, {Participant: bot, JoinedAt: at(3)}}
	active := waiting
	active.LastUpdatedAt = at(4)
	active.Members = []Member{waiting.Members[0], {Participant: agent, JoinedAt: at(4)}, {Participant: supervisor, JoinedAt: at(4)}}
	over := pending
	over.Status, over.LastUpdatedAt, over.Parameters = wire.EngagementTerminated, at(5), nil
	list := map[string]*commit{
		"session":            {Session: &session},
		"session-ended":      {Session: &ended},
		"engagement-pending": {Engagement: &pending},
		"engagement-waiting": {Engagement: &waiting},
		"engagement-active":  {Engagement: &active},
		"engagement-ended":   {Engagement: &over},
	}
	add := func(name string, e wire.Event) {
		e.Date = list[name].date()
		list[name].add(e)
	}
	add("session-ended", wire.Event{Type: wire.EventSessionTerminated, SessionID: sessionID, Reason: wire.ReasonUserClosed})
	add("engagement-waiting", wire.Event{Type: wire.EventEngagementActive, EngagementID: engagementID, DialogID: dialogID, SessionID: sessionID, CorrelationID: "key"})
	add("engagement-waiting", wire.Event{Type: wire.EventParticipantAdded, EngagementID: engagementID, DialogID: dialogID, SessionID: sessionID, Participant: customer})
	add("engagement-waiting", wire.Event{Type: wire.EventParticipantAdded, EngagementID: engagementID, DialogID: dialogID, Participant: bot})
	add("engagement-active", wire.Event{Type: wire.EventParticipantDisconnected, EngagementID: engagementID, DialogID: dialogID, Participant: bot})
	add("engagement-ended", wire.Event{Type: wire.EventEngagementTerminated, EngagementID: engagementID, DialogID: dialogID})
	keep(list, agent, at)
	return list
}

func (k *commit) date() time.Time {
	if k.Session != nil {
		return k.Session.LastUpdatedAt
	}
	return k.Engagement.LastUpdatedAt
}

// goldenMessage is a message's record with every field set.
func goldenMessage() wire.Event {
	at := time.Date(2026, 1, 2, 3, 4, 6, 5_000_000, time.UTC)
	return wire.Event{Type: wire.EventMessages, Date: at, Message: &wire.Message{
		MessageID: "3e55a6e0-0000-8000-8000-000000000001", EngagementID: "e46a6e00-0000-8000-8000-000000000001", DialogID: "d1a10600-0000-8000-8000-000000000001", MessageIndex: 7,
		Body:                wire.Body{ElementType: wire.ElementText, Text: "<b>\"Hello\"</b> \\ \u2028 é😀", TextFormat: wire.TextPlain},
		SenderParticipantID: "c0570000-0000-8000-8000-000000000001", SenderParticipantName: "Ann", SenderParticipantType: wire.ParticipantCustomer,
		SessionID: "5e551000-0000-8000-8000-000000000001", CorrelationID: "key", ParentMessageID: "3e55a6e0-0000-8000-8000-000000000002",
		ReceivedAt: at, LastUpdatedAt: at,
	}}
}

// keep adds what the desk keeps with an engagement, which version 1 had among the
// engagement's own members.
func keep(list map[string]*commit, agent wire.Participant, at func(int) time.Time) {
	waiting := list["engagement-waiting"].Engagement
	waiting.SetSide("desk", []byte(`{"WaitingSince":"`+at(2).Format("2006-01-02T15:04:05.000Z")+`"}`))
	kept := *list["engagement-active"].Engagement
	kept.SetSide("desk", []byte(`{"WaitingSince":"2026-01-02T03:04:06.005Z","AwaySince":"2026-01-02T03:04:07.005Z","Ending":true,"Requeued":true,`+
		`"Notice":{"Key":"lost:1","Text":"Bo was disconnected.","At":"2026-01-02T03:04:06.005Z"},"Watched":["`+agent.ParticipantID+`"]}`))
	list["engagement-kept"] = &commit{Engagement: &kept}
}

func goldenFile(version int, kind string) string {
	return filepath.Join("testdata", "records", strconv.Itoa(version), kind+".json")
}

func TestRecordsAreWritten(t *testing.T) {
	records := map[string][]byte{}
	for kind, k := range golden() {
		text, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		records[kind] = text
	}
	message := goldenMessage()
	records["message"] = message.Append(nil)
	for kind, text := range records {
		file := goldenFile(recordVersion, kind)
		if *update {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || !bytes.Equal(text, want) {
			t.Errorf("%s: %v; a record that is written otherwise needs a new version (records.go)\n%s\nis not\n%s", kind, err, text, want)
		}
	}
}

// Records of all versions read as the same.
func TestRecordsAreRead(t *testing.T) {
	for version := 1; version <= recordVersion; version++ {
		files, err := filepath.Glob(goldenFile(version, "*"))
		if err != nil || len(files) != len(golden())+1 {
			t.Fatalf("version %d: %q, %v", version, files, err)
		}
		header := nats.Header{headerCustomer: {customerHeader(Customer{"ABCDEF", "ann@example.com"})}}
		if version > 1 {
			header.Set(headerRecord, strconv.Itoa(version))
		}
		for _, file := range files {
			kind := strings.TrimSuffix(filepath.Base(file), ".json")
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e := &entry{sequence: 3, header: header, data: text}
			want, ok := golden()[kind]
			switch {
			case !ok:
				m := goldenMessage().Message
				m.EventID = position(3, 0)
				e.subject = messageSubject(ann, m.EngagementID, m.MessageIndex)
				if got, err := e.message(ann); err != nil || got != *m {
					t.Errorf("%s: %v\n%+v\nis not\n%+v", file, err, got, *m)
				}
				continue
			case want.Session != nil:
				e.subject = sessionSubject(want.Session.Customer, want.Session.SessionID)
			default:
				e.subject = engagementSubject(want.Engagement.Customer, want.Engagement.EngagementID)
				want.Engagement.EventID = after(3)
			}
			got, err := e.commit()
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if !reflect.DeepEqual(got.Session, want.Session) || !reflect.DeepEqual(got.Engagement, want.Engagement) {
				t.Errorf("%s:\n%+v\n%+v\nare not\n%+v\n%+v", file, got.Session, got.Engagement, want.Session, want.Engagement)
			}
			// Written again, events and all, it is today's record.
			again, err := got.encode()
			if present, readErr := os.ReadFile(goldenFile(recordVersion, kind)); err != nil || readErr != nil || !bytes.Equal(again, present) {
				t.Errorf("%s: written again it is\n%s, %v", file, again, err)
			}
		}
	}
}

// A record of a later version is not misread: it cannot be read.
func TestRecordOfALaterVersion(t *testing.T) {
	for _, version := range []string{strconv.Itoa(recordVersion + 1), "0", "-1", "x", "1.5"} {
		k := golden()["session"]
		text, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		message := goldenMessage()
		header := nats.Header{headerCustomer: {customerHeader(ann)}, headerRecord: {version}}
		for _, e := range []*entry{
			{subject: sessionSubject(ann, k.Session.SessionID), header: header, data: text},
			{subject: messageSubject(ann, message.Message.EngagementID, 7), header: header, data: message.Append(nil)},
		} {
			if got, err := e.decode(); err == nil {
				t.Errorf("version %s: %+v", version, got)
			}
		}
	}
}

// What is stored says its version, whatever its kind.
func TestEntriesSayTheirVersion(t *testing.T) {
	s := openStore(t, Config{})
	session := newSession(t, s, ann, "k")
	chat := newChat(t, s, session, "k")
	if _, _, err := s.Append(testContext(t), ann, chat.EngagementID, from(session, "x", "m")); err != nil {
		t.Fatal(err)
	}
	for sequence := uint64(1); sequence <= 3; sequence++ {
		e, err := s.at(testContext(t), sequence)
		if err != nil {
			t.Fatal(err)
		}
		if version, err := e.version(); err != nil || version != recordVersion {
			t.Errorf("entry %d: version %d, %v", sequence, version, err)
		}
	}
}
