package redisx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// reply is an error as Redis sends it.
type reply string

func (r reply) Error() string { return string(r) }

func (reply) RedisError() {}

// classCase is what one class of errors means.
type classCase struct {
	want  class
	opens bool
	code  flow.Code
	errs  []error
}

// classCases have the texts of Redis 6.2 and 7.
func classCases() []classCase {
	return []classCase{
		{answered, false, flow.CodeInternal, []error{
			redis.Nil, reply("WRONGTYPE Operation against a key"), reply("ERR wrong number of arguments"),
			reply("BUSYGROUP already exists"), // begins like BUSY
		}},
		{inDoubt, true, flow.CodeUnavailable, []error{
			io.EOF, io.ErrUnexpectedEOF,
			&net.OpError{Op: "read", Err: syscall.ECONNRESET}, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
			&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, fmt.Errorf("exec: %w", context.DeadlineExceeded),
			redis.ErrPoolTimeout, redis.ErrClosed,
		}},
		{refused, true, flow.CodeUnavailable, []error{
			reply("OOM command not allowed when used memory > 'maxmemory'."),
			reply("MISCONF Redis is configured to save RDB snapshots script: 1f2e, on @user_script:12."),
			reply("ERR Error running script (call to f_1f2e): @user_script:12: -READONLY You can't write."),
			reply("NOREPLICAS Not enough good replicas to write."),
			reply("READONLY You can't write against a read only replica."),
			reply("MASTERDOWN Link with MASTER is down"), reply("LOADING Redis is loading the dataset in memory"),
			reply("CLUSTERDOWN The cluster is down"), reply("ERR max number of clients reached"),
		}},
		{moving, false, flow.CodeUnavailable, []error{
			reply("MOVED 3999 127.0.0.1:6381"), reply("ASK 3999 127.0.0.1:6381"),
			reply("TRYAGAIN Multiple keys request during rehashing"),
		}},
		{script, false, flow.CodeUnavailable, []error{redis.ErrNoScript}},
		{stuck, true, flow.CodeUnavailable, []error{reply("BUSY Redis is busy running a script.")}},
		{configuration, true, flow.CodeUnavailable, []error{
			reply("NOAUTH Authentication required."), reply("WRONGPASS invalid username-password pair"),
			reply("NOPERM this user has no permissions"), reply("ERR DB index is out of range"),
			reply("ERR The user executing the script can't run this command or subcommand"),
			reply("ERR ACL failure in script: User app has no permissions to run the 'xadd' command"),
			reply("ERR AUTH <password> called without any password configured for the default user"),
			fmt.Errorf("failed to authenticate: %w", reply("ERR Client sent AUTH, but no password is set")),
			&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, x509.UnknownAuthorityError{},
			tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		}},
	}
}

// Every error has a class, and the class says what becomes of the call and of the connection.
func TestClassOf(t *testing.T) {
	for _, c := range classCases() {
		for _, err := range c.errs {
			t.Run(c.want.String()+"/"+err.Error(), func(t *testing.T) {
				got, reason := classOf(err)
				if got != c.want || got.opens() != c.opens {
					t.Errorf("classOf = %v, opens %v, want %v, %v", got, got.opens(), c.want, c.opens)
				}
				if reason == "" && c.want != answered {
					t.Error("no reason")
				}
				wrapped := wrap(err)
				if code := flow.ErrorCode(wrapped); code != c.code {
					t.Errorf("code = %q, want %q", code, c.code)
				}
				if !errors.Is(wrapped, err) {
					t.Error("the cause is lost")
				}
			})
		}
	}
	if got, reason := classOf(nil); got != answered || reason != "" || wrap(nil) != nil {
		t.Errorf("no error is %v, %q", got, reason)
	}
}
