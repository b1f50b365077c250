package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

const (
	// Room is where everybody is.
	Room = "board"
	// handshakeTimeout bounds an upgrade.
	handshakeTimeout = 10 * time.Second
	// The address of the attacker, as a proxy tells it. Addresses of this machine are not counted.
	attackerAddress = "203.0.113.7"
	attackerID      = "mallory"
)

// Target is a server under attack. It must believe X-Forwarded-For of 127.0.0.1, let everybody with a
// token edit all rooms, and nobody in without one.
type Target struct {
	Addr  string                   // 127.0.0.1:port
	Token func(user string) string // a token of that user
}

// caller is somebody at the other end: a user at an address. Nobody knows who it is when user is "".
type caller struct {
	target  Target
	user    string
	address string
}

func (t Target) validate() error {
	if host, _, err := net.SplitHostPort(t.Addr); err != nil || host != "127.0.0.1" {
		return fmt.Errorf("attack: %q is not 127.0.0.1:port", t.Addr)
	}
	return nil
}

func (t Target) attacker() caller { return caller{t, attackerID, attackerAddress} }

func (t Target) stranger() caller { return caller{t, "", attackerAddress} }

func (c caller) header() http.Header {
	h := http.Header{"X-Forwarded-For": {c.address}}
	if c.user != "" {
		h.Set("Authorization", "Bearer "+c.target.Token(c.user))
	}
	return h
}

// dial opens a socket. An upgrade that is refused is a refusal.
func (c caller) dial(ctx context.Context) (*websocket.Conn, error) {
	dialer := websocket.Dialer{HandshakeTimeout: handshakeTimeout, Subprotocols: []string{"flow.v1"}}
	url := "ws://" + c.target.Addr + "/collab/ws"
	ws, response, err := dialer.DialContext(ctx, url, c.header()) //nolint:bodyclose // its body is in memory
	if err == nil {
		return ws, nil
	}
	if response != nil && errors.Is(err, websocket.ErrBadHandshake) {
		body, _ := io.ReadAll(response.Body) // what could be read says enough
		return nil, refusal{response.StatusCode, codeOf(body)}
	}
	return nil, err
}

// get asks for something over REST, and returns the response when it is good. Its body must be closed.
func (c caller) get(ctx context.Context, client *http.Client, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.target.Addr+"/collab"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header = c.header()
	response, err := client.Do(request)
	if err != nil || response.StatusCode == http.StatusOK {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	return nil, errors.Join(refusal{response.StatusCode, codeOf(body)}, err, response.Body.Close())
}

// refusal is an answer over HTTP that is an error of the contract.
type refusal struct {
	status int
	code   string
}

func (r refusal) Error() string { return fmt.Sprintf("%d %s", r.status, r.code) }

// codeOf returns the code of an error, a nack or a bye; "" without.
func codeOf(text []byte) string {
	_, rest, _ := strings.Cut(string(text), `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	return code
}
