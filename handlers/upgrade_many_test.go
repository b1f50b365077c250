package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// visitor is one of many clients that come at the same time, none of whose words is another's.
type visitor struct {
	id, name, room, mark string

	ws *socket
}

// newVisitor returns the i-th of them. Their words differ in length, so that memory that is used again would
// show the rest of somebody else's.
func newVisitor(i int) *visitor {
	pad := strings.Repeat(string(rune('a'+i%26)), i%41)
	return &visitor{
		id: fmt.Sprintf("user-%d%s", i, pad), name: fmt.Sprintf("%sname-%d", pad, i),
		room: fmt.Sprintf("room-%d-%s", i, pad), mark: fmt.Sprintf("%s-mark-%d", pad, i),
	}
}

// knowVisitors makes the hub believe what its visitors say in a header and a cookie, or in a token.
func knowVisitors(c *flow.Config) {
	c.Timeout = 10 * time.Minute // who stays to the end says nothing before
	c.Authenticate = func(_ context.Context, r flow.Request) (*flow.User, error) {
		id := r.Header("X-User")
		if id == "" {
			return nil, nil //nolint:nilnil // the contract's word for nobody
		}
		return &flow.User{ID: id, Name: r.Cookie("name")}, nil
	}
	c.VerifyToken = func(_ context.Context, token string) (flow.User, error) {
		id, name, _ := strings.Cut(token, "~")
		return flow.User{ID: id, Name: name}, nil
	}
}

// come opens the socket, says who it is in one of three ways, and joins.
func (v *visitor) come(s *server, i int) error {
	protocols, header := []string{flow.Protocol}, http.Header{}
	switch i % 3 {
	case 0:
		header.Set("X-User", v.id)
		header.Set("Cookie", "other=1; name="+v.name)
	case 1:
		protocols = append(protocols, "flow.bearer."+v.id+"~"+v.name)
	default:
	}
	ws, _, err := s.handshake(protocols, header)
	if err != nil {
		return err
	}
	v.ws = ws
	if i%3 == 2 {
		if err := v.say(msg{"type": "auth", "id": "a", "token": v.id + "~" + v.name}); err != nil {
			return err
		}
	}
	join := msg{"type": "join", "id": "j", "room": v.room, "presence": msg{"mark": v.mark}}
	if err := v.say(join); err != nil {
		return err
	}
	joined, err := v.hear("joined")
	if err != nil {
		return err
	}
	return v.wantAlone(joined)
}

func (v *visitor) say(m msg) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return v.ws.WriteMessage(websocket.TextMessage, text)
}

func (v *visitor) hear(kind string) (msg, error) {
	for {
		m, err := v.ws.next()
		if err != nil || m.str("type") == kind {
			return m, err
		}
		if code := m.str("code"); code != "" {
			return nil, fmt.Errorf("waiting for %s: %v", kind, m)
		}
	}
}

// wantAlone checks that a list of participants has this visitor and nobody else.
func (v *visitor) wantAlone(list msg) error {
	participants := list.list("participants")
	if len(participants) != 1 {
		return fmt.Errorf("%d participants", len(participants))
	}
	p, _ := participants[0].(map[string]any)
	me := msg(p)
	got := [3]string{me.str("user"), me.object("profile").str("name"), me.object("presence").str("mark")}
	if want := [3]string{v.id, v.name, v.mark}; got != want {
		return fmt.Errorf("participant %q, want %q", got, want)
	}
	return nil
}

// recheck looks, from inside and from outside, whether the visitor is still who it was.
func (v *visitor) recheck(s *server) error {
	if err := v.say(msg{"type": "event", "room": v.room, "name": v.mark, "data": v.name, "echo": true}); err != nil {
		return err
	}
	event, err := v.hear("event")
	if err != nil {
		return err
	}
	got := [4]string{event.str("room"), event.str("user"), event.str("name"), event.str("data")}
	if want := [4]string{v.room, v.id, v.mark, v.name}; got != want {
		return fmt.Errorf("event %q, want %q", got, want)
	}
	request, err := http.NewRequest(http.MethodGet, s.base+"/rooms/"+v.room+"/participants", nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-User", v.id)
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	var list msg
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return err
	}
	return v.wantAlone(list)
}

// Of 5,000 clients that come at the same time, by the hundred, each stays who it is: nothing that Fiber uses
// again for the next request is kept of the one before (I6).
func TestSocket_Upgrade_fiveThousand(t *testing.T) {
	const all, atOnce, stay = 5000, 200, 25 // one of so many stays to the end
	s := start(t, options{hub: knowVisitors})
	var staying []*visitor
	defer func() {
		for _, v := range staying {
			_ = v.ws.Close()
		}
	}()
	for first := 0; first < all; first += atOnce {
		visitors := make([]*visitor, atOnce)
		each := func(do func(n int) error) {
			var wait sync.WaitGroup
			for n := range visitors {
				wait.Go(func() {
					if err := do(n); err != nil {
						t.Errorf("visitor %d: %v", first+n, err)
					}
				})
			}
			wait.Wait()
		}
		each(func(n int) error {
			visitors[n] = newVisitor(first + n)
			return visitors[n].come(s, first+n)
		})
		if t.Failed() {
			return
		}
		each(func(n int) error { return visitors[n].recheck(s) })
		for n, v := range visitors {
			if n%stay == 0 {
				staying = append(staying, v)
				continue
			}
			_ = v.ws.Close()
		}
	}
	for _, v := range staying {
		if err := v.recheck(s); err != nil {
			t.Errorf("%s, at the end: %v", v.id, err)
		}
	}
}
