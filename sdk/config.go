package sdk

import "time"

// InitParams are init's first argument (INIT-1 to INIT-5).
type InitParams struct {
	HostURL           string            // http or https URL of the gateway; required
	IntegrationID     string            // UUID; required
	Token             string            // JWT; required
	Appkey            string            // required
	DisplayName       string            // used where the token carries no name
	SessionParameters map[string]string // keys ≤ 64, values ≤ 256 UTF-16 units
}

// Config is init's second argument. Its zero value is the documented default.
type Config struct {
	// ReconnectionTimeout is for how long the stream is reconnected after a break:
	// 120 s to 300 s; 0 means 120 s.
	ReconnectionTimeout time.Duration
	// IdleTimeout is how long a user may do nothing: 300 s to 3300 s; 0 means 300 s,
	// IdleDisabled never.
	IdleTimeout time.Duration
	// IdleShutdownGraceTimeout is how long after that the session still lives: 30 s to
	// 120 s; 0 means 30 s.
	IdleShutdownGraceTimeout time.Duration
	// LogLevel is DEBUG, INFO, WARN, ERROR or OFF; empty leaves it as it is, ERROR at
	// first.
	LogLevel LogLevel

	given bool // a page passed an object, be it empty: no ACS-201
}

// Bounds and defaults of Config (INIT-6).
const (
	minReconnectionTimeout     = 120 * time.Second
	maxReconnectionTimeout     = 300 * time.Second
	defaultReconnectionTimeout = 120 * time.Second

	minIdleTimeout     = 300 * time.Second
	maxIdleTimeout     = 3300 * time.Second
	defaultIdleTimeout = 300 * time.Second

	minIdleGrace     = 30 * time.Second
	maxIdleGrace     = 120 * time.Second
	defaultIdleGrace = 30 * time.Second
)

// IdleDisabled as Config.IdleTimeout turns the idle timers off; a page writes 0.
const IdleDisabled time.Duration = -1

// LogLevel says which log lines are written.
type LogLevel string

// Log levels, each including those after it.
const (
	LogDebug LogLevel = "DEBUG"
	LogInfo  LogLevel = "INFO"
	LogWarn  LogLevel = "WARN"
	LogError LogLevel = "ERROR"
	LogOff   LogLevel = "OFF"
)

// rank orders levels; -1 for a word that is none.
func (l LogLevel) rank() int {
	switch l {
	case LogDebug:
		return 0
	case LogInfo:
		return 1
	case LogWarn:
		return 2
	case LogError:
		return 3
	case LogOff:
		return 4
	}
	return -1
}
