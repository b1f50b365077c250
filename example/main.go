// Command example serves a shared flow board: open it in two windows and edit the same board.
//
//	go run ./example
//
// It needs nothing and reads the same environment as any application with flow (see .env.example):
// PORT, and USE_REDIS_* to keep boards over restarts and to run several instances that behave as one.
// While no token setting is given everybody may come in; with one, a board is opened with the token in
// the address, as in /board/plan#token=eyJ…
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}
