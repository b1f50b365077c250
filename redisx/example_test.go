package redisx_test

import (
	"context"
	"fmt"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

// Two instances share one Redis: what is appended on one is read, in the same order, on the other.
func Example() {
	addr, err := shared.Addr() // of a server for these tests; yours is REDIS_HOST and REDIS_PORT
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	config := redisx.Config{Addrs: []string{addr}, Prefix: "example", Timeout: 5 * time.Second}

	here, err := redisx.Open(ctx, config) // an error only for a configuration that cannot work
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = here.Close() }()
	there, err := redisx.Open(ctx, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = there.Close() }()

	answers, err := redisx.NewLog(here).Append(ctx, "board", flow.Batch{Operations: []flow.Operation{
		{Session: "ann", N: 1, User: "Ann", Data: []byte(`{"node":1}`)},
		{Session: "bob", N: 1, User: "Bob", Data: []byte(`{"node":2}`)},
		{Session: "bob", N: 1, User: "Bob", Data: []byte(`{"node":2}`)}, // a retry
	}})
	if err != nil {
		fmt.Println(err, "retry after", flow.ErrorRetryAfter(err))
		return
	}
	for _, a := range answers {
		fmt.Println(a.Status == flow.Confirmed, a.Seq)
	}
	page, err := redisx.NewLog(there).Read(ctx, "board", flow.Query{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range page.Operations {
		fmt.Println(o.Seq, o.User, string(o.Data))
	}
	fmt.Println(here.Health().Backend, here.Health().State)
	// Output:
	// true 1
	// true 2
	// false 0
	// 1 Ann {"node":1}
	// 2 Bob {"node":2}
	// redis live
}
