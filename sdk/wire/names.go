package wire

// Paths and names of the protocol. BasePath follows the page's hostURL.
const (
	// BasePath is the root of the browser's REST calls and event stream.
	BasePath = "/api/digital/chat/v1"
	// Subprotocol is the WebSocket subprotocol of the event stream.
	Subprotocol = "axp.chat.v1"
	// HeaderAppkey carries the application key of the account.
	HeaderAppkey = "appkey"
	// TokenPrefix may stand before a JWT, as the platform's own tokens have it.
	TokenPrefix = "jwt."
)

// Calls, below BasePath. The ones about a session or a chat have its id after the path and a slash;
// MessagesPath and EventsPath follow that, and JoinVerb and DisconnectVerb with a colon before them.
const (
	SessionsPath    = "/sessions"
	EngagementsPath = "/engagements"
	MessagesPath    = "/messages" // of an engagement
	EventsPath      = "/events"   // of a session
	JoinVerb        = "join"
	DisconnectVerb  = "disconnect"
)

// Members of queries, and members that problems name in their violations.
const (
	FieldSessionID     = "sessionId"
	FieldIntegrationID = "integrationId"
	FieldEngagementID  = "engagementId"
	FieldDialogID      = "dialogId"
	FieldReason        = "reason"
	FieldPageSize      = "pageSize"
	FieldBefore        = "before" // a messageIndex, as FieldAfter
	FieldAfter         = "after"
)

// EngagementStatus is the state of an engagement as one session sees it.
type EngagementStatus string

// Engagement states, in the order in which an engagement passes through them.
const (
	EngagementPending     EngagementStatus = "PENDING"
	EngagementActive      EngagementStatus = "ACTIVE"
	EngagementTerminating EngagementStatus = "TERMINATING"
	EngagementTerminated  EngagementStatus = "TERMINATED"
)

// SessionStatus is the state of a session at the gateway.
type SessionStatus string

// Session states.
const (
	SessionActive     SessionStatus = "ACTIVE"
	SessionTerminated SessionStatus = "TERMINATED"
)

// ParticipantType says on whose side a participant is.
type ParticipantType string

// Participant types of the public API.
const (
	ParticipantCustomer   ParticipantType = "CUSTOMER" //wire:frequent
	ParticipantAgent      ParticipantType = "AGENT"    //wire:frequent
	ParticipantSupervisor ParticipantType = "SUPERVISOR"
	ParticipantBot        ParticipantType = "BOT" //wire:frequent
	ParticipantSystem     ParticipantType = "SYSTEM"
)

// Reason says why a session or an engagement was ended.
type Reason string

// End reasons that a client may send.
const (
	ReasonUserClosed   Reason = "USER_CLOSED"
	ReasonUserInactive Reason = "USER_INACTIVE"
	ReasonSystemClosed Reason = "SYSTEM_CLOSED"
)

// TextFormat is the markup of a message's text.
type TextFormat string

// Text formats.
const (
	TextPlain    TextFormat = "PLAINTEXT" //wire:frequent
	TextMarkdown TextFormat = "MARKDOWN"
	TextHTML     TextFormat = "HTML"
)

// ElementText is the only element type a customer's client sends.
const ElementText = "text"

// Close codes of the event stream.
const (
	CloseGoingAway      = 1001 // the gateway is leaving: come back
	CloseServerError    = 1011 // the gateway failed: come back later
	CloseServiceRestart = 1012 // the same as CloseGoingAway, from gateways of earlier versions
	CloseMalformed      = 4400 // a frame was not understood
	CloseTokenExpired   = 4401 // the token's exp has passed
	CloseTokenRefused   = 4403 // the token or appkey is not accepted
	CloseSessionGone    = 4404 // the session does not exist or was ended
	CloseAuthTimeout    = 4408 // no authenticate frame in time
	CloseSuperseded     = 4409 // the session's stream is open elsewhere
	CloseTooMuch        = 4429 // too many frames, or too slow to read them
)

// Problem types: the last part of a Problem's type member, after '#'.
const (
	ProblemBadRequest   = "bad-request"
	ProblemConstraint   = "constraint-violation"
	ProblemUnauthorized = "unauthorized"
	ProblemForbidden    = "forbidden"
	ProblemNotFound     = "not-found"
	ProblemConflict     = "conflict"
	ProblemTooMany      = "too-many-requests"
	ProblemServerError  = "server-error"
)

// Violation codes. The first two are the platform's own.
const (
	ViolationNull     = 20002 // must not be null
	ViolationPattern  = 20006 // must match a pattern or a list of words
	ViolationLength   = 20007 // too short or too long
	ViolationNotFound = 20404 // names something that does not exist for the caller
	ViolationState    = 20409 // names something whose state forbids the call
)
