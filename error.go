package flow

import (
	"errors"
	"net/http"
	"time"
)

// Code names what went wrong, as clients see it. The codes are part of the wire contract.
type Code string

// The codes of flow.v1.
const (
	CodeInvalidMessage  Code = "invalid_message"
	CodeUnknownType     Code = "unknown_type"
	CodeInvalidRoom     Code = "invalid_room"
	CodeUnauthenticated Code = "unauthenticated"
	CodeTokenExpired    Code = "token_expired"
	CodeForbidden       Code = "forbidden"
	CodeNotJoined       Code = "not_joined"
	CodeNotFound        Code = "not_found"
	CodeGap             Code = "gap"
	CodeDuplicate       Code = "duplicate"
	CodeStaleSession    Code = "stale_session"
	CodeDiverged        Code = "diverged"
	CodeLocked          Code = "locked"
	CodeRoomDeleted     Code = "room_deleted"
	CodeTrimmed         Code = "trimmed"
	CodeTooLarge        Code = "too_large"
	CodeRejected        Code = "rejected"
	CodeRateLimited     Code = "rate_limited"
	CodeTooManyRooms    Code = "too_many_rooms"
	CodeQueueFull       Code = "queue_full"
	CodeInternal        Code = "internal"
	CodeUnavailable     Code = "unavailable"
	CodeRoomFull        Code = "room_full"
)

// Codes returns every code of the contract, in the order of its table.
func Codes() []Code {
	return []Code{
		CodeInvalidMessage, CodeUnknownType, CodeInvalidRoom, CodeUnauthenticated, CodeTokenExpired,
		CodeForbidden, CodeNotJoined, CodeNotFound, CodeGap, CodeDuplicate, CodeStaleSession,
		CodeDiverged, CodeLocked, CodeRoomDeleted, CodeTrimmed, CodeTooLarge, CodeRejected,
		CodeRateLimited, CodeTooManyRooms, CodeQueueFull, CodeInternal, CodeUnavailable, CodeRoomFull,
	}
}

// Status returns the HTTP status of the code; 500 for a code that the contract does not know.
func (c Code) Status() int {
	switch c {
	case CodeInvalidMessage, CodeUnknownType, CodeInvalidRoom:
		return http.StatusBadRequest
	case CodeUnauthenticated, CodeTokenExpired:
		return http.StatusUnauthorized
	case CodeForbidden, CodeNotJoined:
		return http.StatusForbidden
	case CodeNotFound:
		return http.StatusNotFound
	case CodeGap, CodeDuplicate, CodeStaleSession, CodeDiverged, CodeLocked:
		return http.StatusConflict
	case CodeRoomDeleted, CodeTrimmed:
		return http.StatusGone
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeRejected:
		return http.StatusUnprocessableEntity
	case CodeRateLimited, CodeTooManyRooms, CodeQueueFull:
		return http.StatusTooManyRequests
	case CodeUnavailable, CodeRoomFull:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Error is the one error of this module: a code and a message that are safe to show, and the cause,
// which stays in the server's log.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // zero: a retry is not worth it, or the caller knows better when
	Err        error         // the cause; never sent to a client
}

// Errorf returns an error with a code, a message that clients may see, and no cause.
func Errorf(code Code, message string) *Error {
	return &Error{Code: code, Message: message}
}

// Unavailable wraps the failure of a backend: worth a retry after a moment.
func Unavailable(err error) *Error {
	return &Error{Code: CodeUnavailable, Message: "the backend is away, try again", RetryAfter: time.Second, Err: err}
}

// Error returns code, message and cause, for logs.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrorCode returns the code of the first [Error] in err's chain, "" for nil and
// [CodeInternal] for any other error.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// ErrorMessage returns the message of the first [Error] in err's chain, "" for nil and a neutral
// sentence for any other error: causes are never shown.
func ErrorMessage(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return "something went wrong on the server"
}

// ErrorRetryAfter returns how long to wait before a retry; zero when err does not say.
func ErrorRetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
