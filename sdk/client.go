package sdk

import "openchat/sdk/wire"

// Options of New.
type Options struct {
	Transport Transport // required
	Storage   Storage   // nil: nothing survives a reload
	// Deliver gets every event, one at a time, in order. nil: events are dropped. It
	// should return soon; what it does not take stays queued, and beyond a bound the
	// stream is no longer read.
	Deliver func(Event)
	// Log gets log lines at or above the level. nil: none. Lines hold neither tokens
	// nor message texts.
	Log func(level LogLevel, line string)
}

// Wake tells the SDK that the world around it may have changed.
type Wake int

// Wake-ups (STREAM-5, JWT-1).
const (
	WakeVisible Wake = iota // the page became visible, was resumed, or came back from the cache
	WakeOnline
	WakeOffline
)

// Client is the SDK: at most one session at a time. Its methods are safe for
// concurrent use. Each done callback runs exactly once (see the package comment);
// nil is allowed.
type Client struct{ o Options }

// New returns a client without a session. It starts nothing.
func New(o Options) *Client { return &Client{o: o} }

// Init creates or resumes the session and opens the event stream (INIT-*).
func (c *Client) Init(p InitParams, cfg Config, done func(UserContext, error)) {}

// Shutdown ends the session (SHUT-*). reason "" means USER_CLOSED.
func (c *Client) Shutdown(reason wire.Reason, done func(error)) {}

// CreateEngagement starts a chat (NS-4, ENG-8).
func (c *Client) CreateEngagement(parameters map[string]string, done func(Engagement, error)) {}

// Engagements asks the server for all ongoing chats of the user (NS-5).
func (c *Client) Engagements(done func([]Engagement, error)) {}

// EngagementByID finds one; ok is false when there is none of that id (NS-6).
func (c *Client) EngagementByID(id string, done func(e Engagement, ok bool, err error)) {}

// Join puts this session into a chat (ENG-4).
func (c *Client) Join(engagementID string, done func(Engagement, error)) {}

// Disconnect takes the user out of a chat (ENG-5). reason "" means USER_CLOSED.
func (c *Client) Disconnect(engagementID string, reason wire.Reason, done func(Engagement, error)) {
}

// SendMessage sends a text (MSG-*). parentMessageID may be empty.
func (c *Client) SendMessage(engagementID, text, parentMessageID string, done func(Message, error)) {
}

// Messages reads the newest page of history (PAGE-*). A size out of bounds is
// logged as ACS-211 and means 10.
func (c *Client) Messages(engagementID string, size int, done func(Page, error)) {}

// Turn reads the page beside the one at cursor (PAGE-4).
func (c *Client) Turn(at Cursor, to Direction, done func(Page, error)) {}

// SetJWTToken replaces the token (JWT-3, JWT-4).
func (c *Client) SetJWTToken(token string) error { return nil }

// ResetIdleTimeout starts the idle timers anew (NS-8).
func (c *Client) ResetIdleTimeout() error { return nil }

// RetryConnection reconnects now (NS-9).
func (c *Client) RetryConnection() error { return nil }

// SetLogLevel changes the level (NS-10). It needs no session.
func (c *Client) SetLogLevel(level LogLevel) error { return nil }

// Wake tells the client of a change around it. Without a session it does nothing.
func (c *Client) Wake(w Wake) {}

// DecodeInit reads init's two arguments from JSON, as a page gave them: params and
// config are JSON texts, "" for an absent one. It applies every rule of INIT-1 to
// INIT-6; warnings are config values that were replaced by their default.
func DecodeInit(params, config string) (p InitParams, c Config, warnings []Code, err error) {
	return
}

// DecodeParameters reads MappedData, "" for an absent one, and applies its bounds;
// its error names what (such as "engagementParameters") and the key (ENG-8).
func DecodeParameters(what, text string) (map[string]string, error) { return nil, nil }
