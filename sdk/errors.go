package sdk

import (
	"strconv"
)

// Code is the number of an ACSException or of a warning: 303 is "ACS-303".
type Code int

// String returns the form pages compare with, such as "ACS-303".
func (c Code) String() string { return "ACS-" + strconv.Itoa(int(c)) }

// Warnings. They are logged at WARN, those of a developer's mistake (203, 207 to 210) at
// ERROR the first time, and never returned, but for CodeAlreadyInitialized (INIT-8) and
// CodeLogLevel's text (NS-10).
const (
	CodeNoConfiguration     Code = 201
	CodeAllHandlersRemoved  Code = 202
	CodeUnknownEvent        Code = 203
	CodeAlreadyInitialized  Code = 204
	CodeNoHandler           Code = 205
	CodeIdleTimeout         Code = 206
	CodeReconnectionTimeout Code = 207
	CodeIdleTimeoutValue    Code = 208
	CodeIdleGraceValue      Code = 209
	CodeLogLevel            Code = 210
	CodePageSize            Code = 211
	CodeStorageRead         Code = 212
	CodeStorageWrite        Code = 213
)

// Errors.
const (
	CodeNoURL               Code = 301
	CodeInitParams          Code = 302
	CodeConfiguration       Code = 303
	CodeUnexpectedAnswer    Code = 304
	CodeTokenInvalid        Code = 305
	CodeUnreachable         Code = 306
	CodeIntegrationID       Code = 307
	CodeNoToken             Code = 308
	CodeInvalidURL          Code = 309
	CodeNotInitialized      Code = 310
	CodeInitFailed          Code = 311
	CodeDefunctEngagement   Code = 312
	CodeNotActive           Code = 313
	CodeNoEngagement        Code = 314
	CodeAlreadyActive       Code = 315
	CodeIteratorFailed      Code = 316
	CodeFetchFailed         Code = 317
	CodeRetryNotAllowed     Code = 318
	CodeUpdateFailed        Code = 319
	CodeNoSession           Code = 320
	CodeInProgress          Code = 321
	CodeConstraintViolation Code = 322
)

// texts are the documented words of each code (docs/errors.md). A map would be filled
// at each start.
var texts = [...]string{
	CodeNoConfiguration:     "No custom configuration provided, using the defaults",
	CodeAllHandlersRemoved:  "Removing the handlers of all events",
	CodeUnknownEvent:        "Event does not exist",
	CodeAlreadyInitialized:  "SDK is already initialized",
	CodeNoHandler:           "No handler is registered for the event",
	CodeIdleTimeout:         "The idle timeout has expired",
	CodeReconnectionTimeout: "reconnectionTimeout must be 120 to 300 seconds, using 120",
	CodeIdleTimeoutValue:    "idleTimeout must be 300 to 3300 seconds or 0, using 300",
	CodeIdleGraceValue:      "idleShutdownGraceTimeout must be 30 to 120 seconds, using 30",
	CodeLogLevel:            "logLevel must be DEBUG, INFO, WARN, ERROR or OFF",
	CodePageSize:            "Page size must be 1 to 50, using 10",
	CodeStorageRead:         "Reading sessionStorage failed",
	CodeStorageWrite:        "Writing sessionStorage failed",

	CodeNoURL:               "Server URL not provided",
	CodeInitParams:          "Invalid init parameters",
	CodeConfiguration:       "Invalid configuration values",
	CodeUnexpectedAnswer:    "Server responded unexpectedly",
	CodeTokenInvalid:        "JWT token is invalid",
	CodeUnreachable:         "Server is unreachable",
	CodeIntegrationID:       "Invalid IntegrationId",
	CodeNoToken:             "JWT Token not provided",
	CodeInvalidURL:          "Invalid URL",
	CodeNotInitialized:      "SDK is not initialized",
	CodeInitFailed:          "SDK failed to initialize",
	CodeDefunctEngagement:   "Unable to join defunct engagement",
	CodeNotActive:           "Engagement is not activated",
	CodeNoEngagement:        "Engagement doesn't exist",
	CodeAlreadyActive:       "Engagement is already active",
	CodeIteratorFailed:      "PageIterator failed to initialize",
	CodeFetchFailed:         "Failed to fetch older messages",
	CodeRetryNotAllowed:     "Retry connection is allowed only in case of Event Stream Failure",
	CodeUpdateFailed:        "Failed to update engagement",
	CodeNoSession:           "Session not found",
	CodeInProgress:          "Cannot perform this operation as init/shutdown is in progress",
	CodeConstraintViolation: "Constraint Violation Error",
}

// Error is what the page sees as an ACSException.
type Error struct {
	Code    Code
	Message string // the code's documented words, and " - " with what is wrong here
	Cause   error  // what lies behind it, for engineers; nil if nothing does
}

func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is compare by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// fail makes the error of a code; detail, if any, says which and what to do.
func fail(code Code, detail string) *Error { return failBecause(code, detail, nil) }

func failBecause(code Code, detail string, cause error) *Error {
	m := texts[code]
	if detail != "" {
		m += " - " + detail
	}
	return &Error{Code: code, Message: m, Cause: cause}
}
