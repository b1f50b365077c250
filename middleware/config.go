package middleware

import (
	"context"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Config says how [New] and [Open] build the hub. The environment brings what operators set, the code
// what only code can say; the two overlap nowhere but in VerifyToken, where code wins.
type Config struct {
	// Next skips this middleware when it returns true: the request then has no hub.
	//
	// Optional. Default: nil
	Next func(c *fiber.Ctx) bool

	// Hub is one that [Open] has opened. With it all fields below are ignored, and it is the
	// application that closes it.
	//
	// Optional. Default: a hub of New's own, opened with the fields below
	Hub *flow.Hub

	// Settings are what the environment says, for an application that looked at them or changed
	// them first. With them the environment is not read again.
	//
	// Optional. Default: what LoadSettings returns
	Settings *Settings

	// EnvFile is a file of KEY=value lines. The process environment wins over it, key by key, and it
	// does not have to exist.
	//
	// Optional. Default: ".env"
	EnvFile string

	// Getenv looks a key up in place of the process environment.
	//
	// Optional. Default: os.LookupEnv
	Getenv func(key string) (value string, ok bool)

	// Redis is the application's own client, used instead of one that the REDIS_* settings describe.
	// It is borrowed: closing the hub leaves it open. The USE_REDIS_* settings still say which
	// subsystems are on Redis.
	//
	// Optional. Default: a client of the hub's own, if any subsystem is on Redis
	Redis redis.UniversalClient

	// Logger receives what operators should know.
	//
	// Optional. Default: slog.Default()
	Logger *slog.Logger

	// The rest is as in flow.Config, where the contracts stand.

	// Reductions give rooms their reducers, with which the server knows their state and makes snapshots.
	// All instances need the same.
	//
	// Optional. Default: none, and snapshots are asked of clients
	Reductions []flow.Reduction

	// SnapshotEvery is after how many operations a room gets a new snapshot.
	//
	// Optional. Default: half of REDIS_OPERATION_LIMIT, at most 500
	SnapshotEvery int

	// SnapshotInterval is after what time a room gets one, if there was any operation.
	//
	// Optional. Default: 5 minutes
	SnapshotInterval time.Duration

	// Authenticate looks at the application's own credentials.
	//
	// Optional. Default: bearer tokens only
	Authenticate func(ctx context.Context, r flow.Request) (*flow.User, error)

	// VerifyToken checks a bearer token.
	//
	// Optional. Default: JWT, by COLLAB_JWT_SECRET or COLLAB_JWKS_FILE; without either no token is good
	VerifyToken func(ctx context.Context, token string) (flow.User, error)

	// Admin says whether a request may use the admin routes.
	//
	// Optional. Default: only COLLAB_ADMIN_TOKEN may
	Admin func(ctx context.Context, r flow.Request) (bool, error)

	// Authorize says what a user may do in a room.
	//
	// Optional. Default: everybody is an editor everywhere
	Authorize func(ctx context.Context, user flow.User, room string) (flow.Access, error)

	// OnOperation may refuse an operation before it goes to the log, or replace its data.
	//
	// Optional. Default: nil
	OnOperation func(ctx context.Context, p *flow.Proposal) error

	// OnCommitted are consumers of confirmed operations, in order and at least once, one instance of a
	// group at a time. All instances need the same.
	//
	// Optional. Default: none
	OnCommitted []flow.Consumer

	// OnRoomOpen is told when this instance begins to serve a room.
	//
	// Optional. Default: nil
	OnRoomOpen func(ctx context.Context, room string)

	// OnRoomIdle is told when this instance has let go of a room.
	//
	// Optional. Default: nil
	OnRoomIdle func(ctx context.Context, room string)

	// OnJoin is told of a participant that joined on this instance.
	//
	// Optional. Default: nil
	OnJoin func(room string, p flow.Participant)

	// OnLeave is told of a participant that left this instance.
	//
	// Optional. Default: nil
	OnLeave func(room string, p flow.Participant, reason flow.LeaveReason)

	// OnDataLoss is told of confirmed operations that Redis has lost and that this instance cannot
	// restore.
	//
	// Optional. Default: nil; the log and the metrics tell of it in any case
	OnDataLoss func(room string, count uint64)
}

// configDefault returns the first config, if any, with the defaults of what is read on the way to the
// settings. It is a function and not a variable so that no package can change another's defaults.
func configDefault(config ...Config) Config {
	var cfg Config
	if len(config) > 0 {
		cfg = config[0]
	}
	if cfg.EnvFile == "" {
		cfg.EnvFile = ".env"
	}
	if cfg.Getenv == nil {
		cfg.Getenv = lookupProcess
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return cfg
}
