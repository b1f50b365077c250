package outage_test

import (
	"encoding/json"
	"fmt"

	"github.com/fiberflow/flow"
)

// message is one message of the server, with all fields that the model of a client looks at.
type message struct {
	Type         string          `json:"type"`
	ID           string          `json:"id"`
	Room         string          `json:"room"`
	Session      string          `json:"session"`
	Resume       string          `json:"resume"`
	Resumed      bool            `json:"resumed"`
	Reason       string          `json:"reason"`
	Position     string          `json:"position"`
	Head         string          `json:"head"`
	Durability   string          `json:"durability"`
	State        string          `json:"state"`
	Scope        string          `json:"scope"`
	Seq          uint64          `json:"seq"`
	Hash         string          `json:"hash"`
	N            *uint64         `json:"n"`
	User         json.RawMessage `json:"user"`
	Time         int64           `json:"time"`
	Data         json.RawMessage `json:"data"`
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	Last         *uint64         `json:"last"`
	RetryAfter   int64           `json:"retryAfter"`
	Reconnect    json.RawMessage `json:"reconnect"`
	Participants []participant   `json:"participants"`
	Reset        bool            `json:"reset"`
	Join         []participant   `json:"join"`
	Leave        []participant   `json:"leave"`
}

type participant struct {
	Session string `json:"session"`
}

// messages takes one text of the server apart.
func messages(text []byte) (list []message, err error) {
	if len(text) > 0 && text[0] == '[' {
		err = json.Unmarshal(text, &list)
	} else {
		list = make([]message, 1)
		err = json.Unmarshal(text, &list[0])
	}
	if err != nil {
		return nil, fmt.Errorf("message %q: %w", text, err)
	}
	return list, nil
}

// operation returns the confirmed operation that the message shows.
func (m message) operation() (op flow.Operation, err error) {
	hash, ok := flow.ParseHash(m.Hash)
	if !ok || m.N == nil || m.Seq == 0 || m.Session == "" || len(m.Data) == 0 {
		return op, fmt.Errorf("an op without its fields: %+v", m)
	}
	return flow.Operation{Seq: m.Seq, Hash: hash, Session: m.Session, N: *m.N, Time: m.Time, Data: m.Data}, nil
}
