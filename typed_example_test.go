package flow_test

import (
	"context"
	"fmt"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/mergepatch"
)

// move is an operation on a board, card by card; as a merge patch it is a board as well.
type move struct {
	Cards map[string]*card `json:"cards"`
}

type card struct {
	X    int    `json:"x"`
	Text string `json:"text,omitempty"`
}

// Operations and states are read and written as types of the application: it never sees JSON.
func Example_typed() {
	ctx := context.Background()
	cfg := inMemory()
	cfg.Reductions = []flow.Reduction{{Rooms: "board-*", Reducer: mergepatch.Reducer{}}}
	cfg.OnOperation = flow.TypedHook(func(ctx context.Context, p *flow.Proposal, m *move) error {
		board, err := flow.StateAs[move](p.State(ctx))
		if err != nil {
			return err
		}
		for name, c := range m.Cards {
			if c == nil && board.Cards[name] == nil {
				return flow.Errorf(flow.CodeRejected, "there is no card "+name)
			}
			if c != nil {
				c.X = min(c.X, 100) // the edge of the board
			}
		}
		return nil
	})
	hub, err := flow.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = hub.Close(ctx) }()

	ann := flow.User{ID: "ann"}
	_, err = flow.SubmitValues(ctx, hub, "board-1", ann, "",
		move{Cards: map[string]*card{"a": {X: 7, Text: "<one>"}}},
		move{Cards: map[string]*card{"b": {X: 400}}},
	)
	fmt.Println("submitted:", err == nil)
	_, err = flow.SubmitValues(ctx, hub, "board-1", ann, "", move{Cards: map[string]*card{"c": nil}})
	fmt.Println(flow.ErrorMessage(err))
	_, err = hub.Submit(ctx, "board-1", ann, "", []byte(`{"cards":{"a":{"x":"left"}}}`))
	fmt.Println(flow.ErrorMessage(err))

	page, err := hub.Operations(ctx, "board-1", flow.Query{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, op := range page.Operations {
		m, err := flow.Decode[move](op)
		fmt.Println(op.Seq, len(m.Cards), string(op.Data), err)
	}
	board, err := flow.StateAs[move](hub.RoomState(ctx, "board-1"))
	fmt.Println(len(board.Cards), *board.Cards["a"], *board.Cards["b"], err)
	// Output:
	// submitted: true
	// there is no card c
	// data.cards.x is string, expected a whole number (int)
	// 1 1 {"cards":{"a":{"x":7,"text":"<one>"}}} <nil>
	// 2 1 {"cards":{"b":{"x":100}}} <nil>
	// 2 {7 <one>} {100 } <nil>
}
