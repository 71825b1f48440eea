package wire

import "time"

// Limits of the protocol. The gateway enforces them; the SDK checks them first, so
// that a page learns of a mistake without a round trip.
const (
	// MaxText is the longest message text, in UTF-16 code units (MSG-1).
	MaxText = 4096
	// MaxParameters is the number of entries in session or engagement parameters.
	MaxParameters = 20
	// MaxParameterKey and MaxParameterValue bound each entry, in UTF-16 code units (INIT-5).
	MaxParameterKey   = 64
	MaxParameterValue = 256
	// MaxDisplayName bounds a display name, in UTF-16 code units.
	MaxDisplayName = 70
	// MaxCorrelationID bounds an idempotency key, in bytes.
	MaxCorrelationID = 256
	// DefaultPageSize and MaxPageSize bound a page of history (PAGE-1).
	DefaultPageSize = 10
	MaxPageSize     = 50
	// MaxBody is the largest REST request body the gateway reads, in bytes.
	MaxBody = 64 << 10
	// MaxClientFrame is the largest frame a client may send, in bytes.
	MaxClientFrame = 16 << 10
	// MaxServerFrame is the largest frame the gateway sends, and the longest WebSocket
	// message of several, in bytes. A text of MaxText code units takes at most 6 bytes
	// each in escaped JSON.
	MaxServerFrame = 64 << 10
	// MaxAnswer is the largest REST answer a client reads, in bytes: a full page
	// of the longest messages, with room to spare.
	MaxAnswer = MaxPageSize*MaxServerFrame + 64<<10
)

// Times of the event stream.
const (
	// AuthTimeout is how long a connection may stay unauthenticated.
	AuthTimeout = 5 * time.Second
	// HeartbeatInterval is the ready frame's default; two of them without any
	// frame mean that the connection is dead (STREAM-4).
	HeartbeatInterval = 20 * time.Second
	// MinHeartbeatInterval and MaxHeartbeatInterval bound it, in whole seconds. A client
	// takes what is out of these bounds for the nearer one.
	MinHeartbeatInterval = time.Second
	MaxHeartbeatInterval = time.Minute
)

// UTF16Len returns the length of s as a browser's String.length counts it.
func UTF16Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// IsUUID reports whether s has the 36-character form of a UUID.
func IsUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return false
			}
		}
	}
	return true
}
