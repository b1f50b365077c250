package redisx

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// One page has so much at most, so that a reader who is far behind holds up nobody else.
const (
	pageOperations = 200
	pageBytes      = 4 << 20
)

// readTries is how often a page is read that has changed between its facts and its operations.
const readTries = 3

// facts are what read.lua tells.
type facts struct {
	flow.Page
	at      flow.Position // the position asked for, as it is in the log
	longest int           // data, in bytes
}

// Read implements [flow.Log]. Facts are one round trip, a page is one more. What was appended in between
// is left for the next page; a log that was trimmed or deleted in between is looked at again.
func (l *Log) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	for range readTries {
		f, err := l.facts(ctx, room, q)
		if err != nil || q.Limit <= 0 || q.After.Seq >= f.Head.Seq {
			return f.Page, err
		}
		operations, err := l.operations(ctx, room, f, q.Limit)
		if err != nil {
			return flow.Page{}, err
		}
		if len(operations) > 0 {
			f.Operations = operations
			return f.Page, nil
		}
	}
	return flow.Page{}, fmt.Errorf("%w: the operations do not match the head", flow.ErrCorrupt)
}

func (l *Log) facts(ctx context.Context, room string, q flow.Query) (facts, error) {
	answer, judged := l.ask(ctx, room, l.scripts.read, l.keys(room), l.readArgs(q)...)
	said := texts(answer)
	if judged != nil && len(said) <= 1 {
		return facts{}, judged
	}
	f, err := parseFacts(said, q.Sessions)
	if err != nil {
		return facts{}, err
	}
	f.at.Seq = q.After.Seq
	return f, judged
}

// readArgs lists what read.lua takes.
func (l *Log) readArgs(q flow.Query) []any {
	unchecked, renewed := "", ""
	if q.Unchecked {
		unchecked = "unchecked"
	}
	if q.Renew {
		renewed = "renew"
	}
	args := make([]any, 0, 4+len(q.Sessions))
	args = append(args, q.After.Seq, q.After.Hash.String(), unchecked, renewed)
	for _, session := range q.Sessions {
		args = append(args, session)
	}
	return args
}

func parseFacts(answer, sessions []string) (f facts, err error) {
	if len(answer) != 10+len(sessions) {
		return f, fmt.Errorf("redisx: %d facts about a log", len(answer))
	}
	for i, p := range []*flow.Position{&f.Head, &f.Base} {
		if *p, err = parsePosition(answer[1+2*i], answer[2+2*i]); err != nil {
			return f, err
		}
	}
	if f.Snapshot, err = parsePosition(answer[5], answer[6]); err != nil {
		return f, err
	}
	var ok bool
	if f.at.Hash, ok = flow.ParseHash(answer[7]); !ok {
		return f, fmt.Errorf("%w: hash %q", flow.ErrCorrupt, answer[7])
	}
	if f.longest, err = strconv.Atoi(answer[8]); err != nil {
		return f, fmt.Errorf("%w: longest %q", flow.ErrCorrupt, answer[8])
	}
	if f.Restored, err = strconv.ParseInt(answer[9], 10, 64); err != nil {
		return f, fmt.Errorf("%w: restored %q", flow.ErrCorrupt, answer[9])
	}
	f.Last, err = parseLast(answer[10:], sessions)
	return f, err
}

// parseLast reads the last n of sessions.
func parseLast(texts, sessions []string) (map[string]uint64, error) {
	var last map[string]uint64
	for i, text := range texts {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: last n %q", flow.ErrCorrupt, text)
		}
		if n == 0 {
			continue
		}
		if last == nil {
			last = make(map[string]uint64, len(sessions))
		}
		last[sessions[i]] = n
	}
	return last, nil
}

// operations reads those after the position that belong to the facts: none when the log is another by
// now.
func (l *Log) operations(ctx context.Context, room string, f facts, limit int) ([]flow.Operation, error) {
	count := min(limit, pageOperations, max(1, pageBytes/max(1, f.longest)))
	start := strconv.FormatUint(f.at.Seq+1, 10) + "-0"
	key := l.conn.key.room(room, "ops")
	entries, err := call(ctx, l.sub, key, func(ctx context.Context, client redis.UniversalClient) ([]any, error) {
		return client.Do(ctx, "xrange", key, start, "+", "count", count).Slice()
	})
	if err != nil {
		return nil, corrupted(err)
	}
	operations := make([]flow.Operation, 0, len(entries))
	for at := f.at; len(operations) < len(entries) && at.Seq < f.Head.Seq; {
		o, err := parseEntry(entries[len(operations)])
		if err != nil {
			return nil, err
		}
		if o.Seq = at.Seq + 1; !o.Follows(at) {
			return nil, nil
		}
		at = o.Position()
		operations = append(operations, o)
	}
	return operations, nil
}
