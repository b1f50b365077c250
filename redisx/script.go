package redisx

import (
	"context"
	_ "embed" // the scripts are files
	"time"

	"github.com/redis/go-redis/v9"
)

// The scripts are called by their digest. A server that does not know one, because it restarted or its
// scripts were flushed, gets the source in a second round trip and keeps it; see [redis.Script.Run].

//go:embed lua/prove_conn.lua
var proveConnSource string

//go:embed lua/prove_sessions.lua
var proveSessionsSource string

//go:embed lua/prove_bus.lua
var proveBusSource string

//go:embed lua/prove_log.lua
var proveLogSource string

// positionSource is what the scripts of the log have in common, and stands before each of them.
//
//go:embed lua/position.lua
var positionSource string

// writeSource is what the scripts that write operations have in common besides.
//
//go:embed lua/write.lua
var writeSource string

// readySource stands before all that, and is all that runs of an append as a rule.
//
//go:embed lua/ready.lua
var readySource string

//go:embed lua/append.lua
var appendSource string

//go:embed lua/restore.lua
var restoreSource string

//go:embed lua/heal.lua
var healSource string

//go:embed lua/read.lua
var readSource string

//go:embed lua/snapshot.lua
var snapshotSource string

//go:embed lua/discard.lua
var discardSource string

// putSource is what those have in common that write a hash besides the log's.
//
//go:embed lua/put.lua
var putSource string

//go:embed lua/stage.lua
var stageSource string

//go:embed lua/keep.lua
var keepSource string

// leaseSource is what the scripts that look at leases have in common.
//
//go:embed lua/lease.lua
var leaseSource string

//go:embed lua/acquire.lua
var acquireSource string

//go:embed lua/release.lua
var releaseSource string

//go:embed lua/leases.lua
var leasesSource string

//go:embed lua/cursor.lua
var cursorSource string

//go:embed lua/advance.lua
var advanceSource string

//go:embed lua/mark.lua
var markSource string

//go:embed lua/unmark.lua
var unmarkSource string

//go:embed lua/marked.lua
var markedSource string

//go:embed lua/delete.lua
var deleteSource string

//go:embed lua/spend.lua
var spendSource string

//go:embed lua/rooms.lua
var roomsSource string

// runTogether is [redis.Script.Run] in the round trip of others. The error is flow's, or what the script tells.
func runTogether(ctx context.Context, s *subsystem, script *redis.Script, names []string, args []any) (any, error) {
	began := time.Now()
	all := make([]any, 0, 3+len(names)+len(args))
	all = append(all, "evalsha", script.Hash(), len(names))
	for _, name := range names {
		all = append(all, name)
	}
	command := redis.NewCmd(ctx, append(all, args...)...)
	command.SetFirstKeyPos(3)
	err := send(ctx, s, names[0], command)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		ctx, cancel := context.WithDeadline(ctx, began.Add(s.conn.config.Timeout))
		defer cancel()
		command = script.Eval(ctx, s.conn.client.Pipeline(), names, args...) // queued there only
		err = send(ctx, s, names[0], command)
	}
	if err != nil {
		return nil, err
	}
	return command.Result()
}
