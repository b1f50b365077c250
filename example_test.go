package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// inMemory is a configuration for one process without anything beside it.
func inMemory() flow.Config {
	return flow.Config{
		Sessions: memx.NewSessionStore(memx.SessionConfig{}),
		Bus:      memx.NewBus(),
		Log:      memx.NewLog(memx.LogConfig{}),
		Logger:   slog.New(slog.DiscardHandler),
	}
}

// The smallest hub, used from Go: operations get their places in the log of a room, everybody in the
// room sees them and hears of events.
func Example() {
	ctx := context.Background()
	hub, err := flow.New(inMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := hub.Close(ctx); err != nil {
			fmt.Println(err)
		}
	}()

	bot := flow.User{ID: "bot"}
	add, move := json.RawMessage(`{"add": "box"}`), json.RawMessage(`{"move": "box"}`)
	done, err := hub.Submit(ctx, "board", bot, "", add, move)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(done.Operations), "operations are confirmed")

	page, err := hub.Operations(ctx, "board", flow.Query{Limit: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, op := range page.Operations {
		fmt.Println(op.Seq, op.User, string(op.Data))
	}
	fmt.Println("the log ends there:", page.Head.String() == done.Position)

	err = hub.Publish(ctx, "board", flow.Event{Name: "saved", Data: json.RawMessage(`{"by": "bot"}`)})
	fmt.Println("published:", err == nil)
	// Output:
	// 2 operations are confirmed
	// 1 bot {"add":"box"}
	// 2 bot {"move":"box"}
	// the log ends there: true
	// published: true
}

// Authorize says what a user may do in a room. Who may not see a room learns nothing about it.
func ExampleConfig_authorize() {
	ctx := context.Background()
	cfg := inMemory()
	cfg.Authorize = func(_ context.Context, user flow.User, room string) (flow.Access, error) {
		team, _, found := strings.Cut(room, ".")
		switch {
		case !found:
			return flow.Viewer, nil
		case user.Claims["team"] == team:
			return flow.Editor, nil
		default:
			return flow.None, nil
		}
	}
	hub, err := flow.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := flow.User{ID: "ann", Claims: map[string]any{"team": "blue"}}
	for _, room := range []string{"blue.plan", "red.plan", "lobby"} {
		reads := hub.Require(ctx, ann, room, flow.Viewer) == nil
		writes := hub.Require(ctx, ann, room, flow.Editor) == nil
		fmt.Println(room, "reads:", reads, "writes:", writes)
	}
	fmt.Println(flow.ErrorCode(hub.Require(ctx, ann, "red.plan", flow.Viewer)))
	if err := hub.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// blue.plan reads: true writes: true
	// red.plan reads: false writes: false
	// lobby reads: true writes: false
	// forbidden
}

// OnOperation looks at each operation before it goes to the log. The message of a flow error is shown to
// its author; what any other error says stays on the server.
func ExampleConfig_onOperation() {
	ctx := context.Background()
	cfg := inMemory()
	cfg.OnOperation = func(_ context.Context, op *flow.Proposal) error {
		var change struct {
			Title string `json:"title"`
		}
		if err := json.Unmarshal(op.Data, &change); err != nil {
			return errors.New("the database of boards is at 10.0.0.7, and cannot read " + string(op.Data))
		}
		if len(change.Title) > 8 {
			return flow.Errorf(flow.CodeRejected, "a title has at most 8 bytes")
		}
		return nil
	}
	hub, err := flow.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, data := range []string{`{"title":"plan"}`, `{"title":"a long title"}`, `[]`} {
		_, err := hub.Submit(ctx, "board", flow.User{ID: "ann"}, "", json.RawMessage(data))
		if err != nil {
			fmt.Println(flow.ErrorCode(err)+":", flow.ErrorMessage(err))
			continue
		}
		fmt.Println("confirmed:", data)
	}
	if err := hub.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// confirmed: {"title":"plan"}
	// rejected: a title has at most 8 bytes
	// rejected: the application refused this operation
}

// printer is a transport that prints the operations and events that a client is sent.
type printer struct{ closed chan struct{} }

func (p *printer) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		var m struct{ Type, User, Name, Code string }
		if err := json.Unmarshal(f.JSON, &m); err != nil {
			return err
		}
		switch m.Type {
		case "op", "bye":
			fmt.Println(strings.TrimSpace(m.Type + " " + m.User + m.Code))
		}
	}
	return nil
}

func (p *printer) Close(int) { close(p.closed) }

// Any pipe can carry the protocol: a transport takes frames, and hands on what the client sends.
func ExampleHub_Connect() {
	ctx := context.Background()
	hub, err := flow.New(inMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	p := &printer{closed: make(chan struct{})}
	conn, err := hub.Connect(p, flow.Client{User: &flow.User{ID: "ann"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	conn.Receive([]byte(`{"type": "join", "id": "1", "room": "board"}`))
	conn.Receive([]byte(`{"type": "op", "room": "board", "n": 1, "data": {"add": "box"}}`))
	go func() { // the reader of the connection; it ends when the hub has closed it
		<-p.closed
		conn.Done()
	}()
	if err := hub.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// op ann
	// bye shutdown
}
