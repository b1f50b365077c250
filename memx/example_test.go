package memx_test

import (
	"context"
	"fmt"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// A room's log gives each operation a place, once, and tells a resend from news.
func Example() {
	ctx := context.Background()
	log := memx.NewLog(memx.LogConfig{OperationLimit: 1000})

	batch := flow.Batch{Operations: []flow.Operation{
		{Session: "ann", N: 1, Data: []byte(`{"add":"box"}`)},
		{Session: "ann", N: 1, Data: []byte(`{"add":"box"}`)}, // a resend
		{Session: "bob", N: 1, Data: []byte(`{"move":"box"}`)},
		{Session: "bob", N: 3, Data: []byte(`{"drop":"box"}`)}, // n 2 is missing
	}}
	answers, err := log.Append(ctx, "board", batch)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, a := range answers {
		names := map[flow.AppendStatus]string{flow.Confirmed: "confirmed", flow.Duplicate: "duplicate", flow.Gap: "gap"}
		fmt.Println(batch.Operations[i].Session, batch.Operations[i].N, names[a.Status])
	}

	page, err := log.Read(ctx, "board", flow.Query{Limit: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range page.Operations {
		fmt.Println(o.Position(), o.Session, string(o.Data))
	}
	// Output:
	// ann 1 confirmed
	// ann 1 duplicate
	// bob 1 confirmed
	// bob 3 gap
	// 1:b35352c163c93752 ann {"add":"box"}
	// 2:98f95d95420fd9f3 bob {"move":"box"}
}

// Sessions are found by room and by user, as long as their instance is heard of.
func ExampleSessionStore() {
	ctx := context.Background()
	store := memx.NewSessionStore(memx.SessionConfig{})
	for _, s := range []flow.Session{
		{ID: "s1", Room: "board", User: flow.User{ID: "ann"}, Instance: "here"},
		{ID: "s2", Room: "board", User: flow.User{ID: "bob"}, Instance: "here"},
		{ID: "s3", Room: "plan", User: flow.User{ID: "ann"}, Instance: "here"},
	} {
		if err := store.Put(ctx, s); err != nil {
			fmt.Println(err)
			return
		}
	}
	found, err := store.List(ctx, flow.SessionQuery{User: "ann", Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range found {
		fmt.Println(s.ID, s.Room)
	}
	// Output:
	// s1 board
	// s3 plan
}
