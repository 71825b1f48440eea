package wire

import (
	"testing"
	"time"
)

// typical is an event frame as a chat has most of.
func typical() []byte {
	at := time.Date(2026, 11, 22, 10, 17, 18, 123e6, time.UTC)
	m := &Message{
		MessageID: "0b5c6f0e-51c2-4d7e-9a55-3f3c3f6f2a11", EngagementID: "1b5c6f0e-51c2-4d7e-9a55-3f3c3f6f2a11",
		DialogID: "2b5c6f0e-51c2-4d7e-9a55-3f3c3f6f2a11", MessageIndex: 12,
		Body:                Body{ElementType: ElementText, Text: "Your parcel left our depot this morning; it is due tomorrow.", TextFormat: TextPlain},
		SenderParticipantID: "3b5c6f0e-51c2-4d7e-9a55-3f3c3f6f2a11", SenderParticipantName: "Bo", SenderParticipantType: ParticipantAgent,
		CorrelationID: "4b5c6f0e-51c2-4d7e-9a55-3f3c3f6f2a11", ReceivedAt: at, LastUpdatedAt: at,
	}
	e := Event{Type: EventMessages, Date: at, EngagementID: m.EngagementID, DialogID: m.DialogID, Message: m}
	return AppendEventFrame(nil, 1234599, e.Append(nil))
}

func BenchmarkDecodeServerFrame(b *testing.B) {
	text := typical()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeServerFrame(text); err != nil {
			b.Fatal(err)
		}
	}
}
