package redisx

import (
	"context"

	"github.com/fiberflow/flow"
)

// Snapshot implements [flow.Log].
func (l *Log) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	answer, err := l.ask(ctx, room, l.scripts.snapshot, l.keys(room))
	if err != nil {
		return flow.Snapshot{}, err
	}
	values, _ := answer.([]any)
	if len(values) != 3 {
		return flow.Snapshot{}, flow.ErrCorrupt
	}
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
	_, err := l.ask(ctx, room, l.scripts.save, l.keys(room), s.Position.Seq, s.Position.Hash.String(), s.Data, l.logTTL)
	return err
}
