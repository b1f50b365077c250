package handlers_test

import (
	"context"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// A socket and a stream whose token ends are told so, and end: over real connections. There is time to come in until
// then, also on a machine that stops for seconds. I6
func TestExpiry(t *testing.T) {
	t.Parallel()
	s := start(t, options{hub: func(c *flow.Config) {
		c.VerifyToken = func(context.Context, string) (flow.User, error) {
			return flow.User{ID: "ann", Expires: time.Now().Add(time.Second)}, nil // and four more are allowed
		}
	}})
	socket := s.join(t, "any", "room")
	stream := s.stream(t, "/rooms/room/stream", "any")
	stream.await(t, "joined")
	if bye := stream.await(t, "bye"); bye.data["code"] != "token_expired" || bye.data["reconnect"] != 0.0 {
		t.Errorf("bye is %v", bye)
	}
	if e, err := stream.next(); err == nil {
		t.Errorf("%v came after bye", e)
	}
	socket.wantClose(t, flow.ByeTokenExpired, 4101)
}
