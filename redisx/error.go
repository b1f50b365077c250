package redisx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// class says what an error of Redis means for the command and for the connection.
type class uint8

const (
	// answered: Redis works; what it said about the command is for the caller.
	answered class = iota
	// inDoubt: no answer. Whether the command was executed is unknown.
	inDoubt
	// refused: not executed, because of the state that the server is in.
	refused
	// moving: not executed, the key is moving to another node; go-redis follows, so this one was
	// moving for too long.
	moving
	// script: not executed, the server does not know the script; it is sent again.
	script
	// stuck: not executed, somebody's script blocks the server.
	stuck
	// configuration: not executed, and will not be until a person changes something.
	configuration
)

// String returns the word for logs.
func (c class) String() string {
	names := [...]string{"answered", "in doubt", "refused", "moving", "script", "stuck", "configuration"}
	return names[c]
}

// opens reports whether an error of this class means that Redis is away. A slot that moves is no
// outage, and a script that is not known is one command's matter.
func (c class) opens() bool {
	switch c {
	case inDoubt, refused, stuck, configuration:
		return true
	default:
		return false
	}
}

// classes of what Redis answers, by the first word; by the text after it where the word says nothing.
func replyClasses() map[string]class {
	return map[string]class{
		"OOM": refused, "MISCONF": refused, "NOREPLICAS": refused, "READONLY": refused,
		"MASTERDOWN": refused, "LOADING": refused, "CLUSTERDOWN": refused,
		"ERR max number of clients": refused,

		"MOVED": moving, "ASK": moving, "TRYAGAIN": moving,
		"NOSCRIPT": script,
		"BUSY":     stuck,

		"NOAUTH": configuration, "WRONGPASS": configuration, "NOPERM": configuration,
		"ERR AUTH":                                  configuration, // a password, and the server has none
		"ERR Client sent AUTH":                      configuration, // the same before Redis 6
		"ERR invalid password":                      configuration,
		"ERR DB index is out of range":              configuration,
		"ERR SELECT is not allowed":                 configuration, // a database other than 0 in a Cluster
		"ERR This instance has cluster support":     configuration, // a Cluster client, a single server
		"DENIED Redis is running in protected mode": configuration,
	}
}

// classOf returns the class of an error of go-redis, and the reason in a few words without secrets:
// Redis never repeats a password.
func classOf(err error) (c class, reason string) {
	if err == nil || errors.Is(err, redis.Nil) {
		return answered, ""
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return classOfReply(reply.Error())
	}
	if isTLSMismatch(err) {
		return configuration, err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return inDoubt, "no answer in time"
	}
	return inDoubt, err.Error()
}

func classOfReply(text string) (class, string) {
	// Before Redis 7 an error inside a script carries the place in front of its own words.
	if _, place, ok := strings.Cut(text, "@user_script:"); ok {
		if _, inner, ok := strings.Cut(place, ": "); ok {
			text = strings.TrimPrefix(inner, "-")
		}
	}
	// What a script may not do is no NOPERM in Redis 7.0, nor from 7.2 on.
	for _, start := range []string{"ERR The user executing the script", "ERR ACL failure in script"} {
		if strings.HasPrefix(text, start) {
			text = "NOPERM" + strings.TrimPrefix(text, "ERR")
		}
	}
	for start, c := range replyClasses() {
		rest, ok := strings.CutPrefix(text, start)
		if ok && (rest == "" || rest[0] == ' ' || rest[0] == ',') {
			return c, text
		}
	}
	return answered, text
}

// isTLSMismatch reports whether both sides are there and cannot agree, which no waiting mends.
func isTLSMismatch(err error) bool {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, misnamed := errors.AsType[x509.HostnameError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return unverified || unknown || invalid || misnamed || plain
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// wrap returns what the caller of a backend gets for an error of go-redis.
func wrap(err error) error {
	if err == nil {
		return nil
	}
	if c, _ := classOf(err); c == answered {
		return fmt.Errorf("redis: %w", err)
	}
	return flow.Unavailable(err)
}
