// Command archive writes every confirmed operation into a database of its own, a SQLite file:
//
//	COLLAB_ANONYMOUS=true go run ./example/archive -file archive.db
//	curl -d '{"operations":[{"data":{"title":"Hello"}}]}' -H 'Content-Type: application/json' \
//		localhost:3000/collab/rooms/plan/operations
//	sqlite3 archive.db 'SELECT room, seq, data FROM operations'
//
// It reads the same environment as any application with flow (see .env.example). Without
// USE_REDIS_EVENT_ORDERING the logs of rooms end with the process, and what comes after begins at 1 again.
// How it works is told in docs/consumers.md.
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
	err := run(ctx, os.Args[1:], slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}
