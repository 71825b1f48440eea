package sdk

import (
	"context"
	"strconv"
	"time"
)

// Transport is what the platform gives the core to reach the gateway. Its methods
// are called from several goroutines at once.
type Transport interface {
	// Do performs one HTTP request and reads the whole answer, at most
	// wire.MaxAnswer bytes. An error means that no complete answer arrived; any
	// status is an answer. It returns promptly when ctx ends.
	Do(ctx context.Context, r Request) (Response, error)
	// Dial opens a WebSocket. It returns promptly when ctx ends; an error means that
	// no connection is left open.
	Dial(ctx context.Context, url, subprotocol string) (Conn, error)
}

// Request is one HTTP request. The token is in Authorization only.
type Request struct {
	Method        string
	URL           string
	Authorization string // value of the Authorization header
	Appkey        string // value of the appkey header
	Body          []byte // JSON, or nil for none
	WantDate      bool   // the answer's Date is of use; else it may be left out
}

// Response is one complete HTTP answer.
type Response struct {
	Status     int
	RetryAfter time.Duration // of a Retry-After header in seconds; 0 for none
	Date       time.Time     // of the Date header, whole seconds; zero for none, or if it was not wanted
	Body       []byte
}

// Conn is one WebSocket connection of text frames.
type Conn interface {
	// Read returns the next frame. After the connection has ended it returns a
	// *CloseError, with code 1006 when there was no close frame.
	Read() ([]byte, error)
	// Write queues a frame. It does not wait for the network.
	Write(frame []byte) error
	// Close ends the connection and any Read. It may be called more than once, at any
	// time, and does not wait for the peer. Code is 1000 or 4000–4999.
	Close(code int, reason string)
}

// CloseError says how a Conn ended.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	return "connection closed with code " + strconv.Itoa(e.Code) + " " + e.Reason
}

// Storage is where the session id survives a reload: sessionStorage in a browser.
type Storage interface {
	// Load returns "" for a key that is not there.
	Load(key string) (string, error)
	Save(key, value string) error
	Remove(key string) error
}

// StorageKey is the only key the SDK uses; existing pages remove it by name (SES-1).
const StorageKey = "ccaasClientSessionId"
