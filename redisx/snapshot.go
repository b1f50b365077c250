package redisx

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Snapshot implements [flow.Log].
func (l *Log) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	type stored struct {
		gone, head bool
		values     []any
	}
	names := l.keys(room)
	got, err := call(ctx, l.conn, func(ctx context.Context, client redis.UniversalClient) (s stored, err error) {
		var gone, head *redis.IntCmd
		var values *redis.SliceCmd
		err = pipelined(ctx, client, func(p redis.Pipeliner) {
			gone, head = p.Exists(ctx, names[3]), p.Exists(ctx, names[0])
			values = p.HMGet(ctx, names[2], "seq", "hash", "data")
		})
		return stored{gone.Val() == 1, head.Val() == 1, values.Val()}, err
	})
	if err != nil {
		return flow.Snapshot{}, corrupted(err)
	}
	if got.gone {
		return flow.Snapshot{}, wordError("GONE")
	}
	if !got.head || len(got.values) != 3 || got.values[0] == nil {
		return flow.Snapshot{}, flow.Errorf(flow.CodeNotFound, "the room has no snapshot")
	}
	return parseSnapshot(got.values)
}

func parseSnapshot(values []any) (flow.Snapshot, error) {
	seq, _ := values[0].(string)
	hash, _ := values[1].(string)
	data, ok := values[2].(string)
	p, err := parsePosition(seq, hash)
	if err != nil || !ok {
		return flow.Snapshot{}, flow.ErrCorrupt
	}
	return flow.Snapshot{Position: p, Data: []byte(data)}, nil
}

// SaveSnapshot implements [flow.Log].
func (l *Log) SaveSnapshot(ctx context.Context, room string, s flow.Snapshot) error {
	answer, err := l.script(ctx, l.save, l.keys(room), s.Position.Seq, s.Position.Hash.String(), s.Data, l.logTTL)
	if err != nil {
		return err
	}
	return wordError(answer)
}
