package redisx

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Meter implements [flow.Meter]. What is missing from the buckets of one user is one key, which is gone as
// soon as they are full again.
type Meter struct {
	conn   *Conn
	sub    *subsystem
	script *redis.Script
}

var _ flow.Meter = (*Meter)(nil)

// NewMeter returns the meter of a connection. It shares the health of its [SessionStore], and needs no
// closing of its own.
func NewMeter(c *Conn) *Meter {
	return &Meter{conn: c, sub: c.collaboration(), script: redis.NewScript(spendSource)}
}

// Spend implements [flow.Meter], in one round trip for all users. With an error, some of what was told may
// have been taken.
func (m *Meter) Spend(
	ctx context.Context, rates flow.Spending, spent map[string]flow.Spending,
) (map[string]flow.Spending, error) {
	if len(spent) == 0 {
		return map[string]flow.Spending{}, nil
	}
	taken := make([]*taking, 0, len(spent))
	for user, s := range spent {
		taken = append(taken, &taking{
			user: user, names: []string{m.key(user)},
			args: []any{
				rates.Messages, rates.Bytes, rates.Joins, rates.Requests, s.Messages, s.Bytes, s.Joins, s.Requests,
			},
		})
	}
	_, err := call(ctx, m.sub, "", func(ctx context.Context, client redis.UniversalClient) (struct{}, error) {
		return struct{}{}, m.take(ctx, client, taken)
	})
	if err != nil {
		return nil, err
	}
	missing := make(map[string]flow.Spending, len(taken))
	for _, t := range taken {
		if missing[t.user], err = t.missing(); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// take runs the script for each. A server that does not know it has run it for nobody, and gets the source
// with the second try; in a Cluster that may be one node of many.
func (m *Meter) take(ctx context.Context, client redis.UniversalClient, taken []*taking) error {
	err := pipelined(ctx, client, func(p redis.Pipeliner) {
		for _, t := range taken {
			t.answer = m.script.EvalSha(ctx, p, t.names, t.args...)
		}
	})
	if !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return err
	}
	_ = pipelined(ctx, client, func(p redis.Pipeliner) {
		for _, t := range taken {
			if redis.HasErrorPrefix(t.answer.Err(), "NOSCRIPT") {
				t.answer = m.script.Eval(ctx, p, t.names, t.args...)
			}
		}
	})
	for _, t := range taken { // of either try
		if err := t.answer.Err(); err != nil {
			return err
		}
	}
	return nil
}

// key is the user's own, whatever the id is made of: nobody else's has the same, and it is the whole hash tag.
func (m *Meter) key(user string) string { return m.conn.key.of("meter:{" + encoded(user) + "}") }

// taking is what one user takes.
type taking struct {
	user   string
	names  []string
	args   []any
	answer *redis.Cmd
}

func (t *taking) missing() (flow.Spending, error) {
	n, err := t.answer.Int64Slice()
	if err != nil {
		return flow.Spending{}, wrap(err)
	}
	if len(n) != 4 {
		return flow.Spending{}, fmt.Errorf("redisx: %d numbers about a user's buckets, expected 4", len(n))
	}
	return flow.Spending{Messages: n[0], Bytes: n[1], Joins: n[2], Requests: n[3]}, nil
}
