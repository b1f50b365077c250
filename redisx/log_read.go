package redisx

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// One round trip reads so much at most, so that a reader who is far behind holds up nobody else.
const (
	pageOperations = 200
	pageBytes      = 1 << 20
)

// Read implements [flow.Log].
func (l *Log) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	unchecked := ""
	if q.Unchecked {
		unchecked = "unchecked"
	}
	args := []any{
		q.After.Seq, q.After.Hash.String(), unchecked, min(max(q.Limit, 0), pageOperations), pageBytes, q.Session,
	}
	answer, err := call(ctx, l.conn, func(ctx context.Context, client redis.UniversalClient) ([]string, error) {
		return l.read.Run(ctx, client, l.keys(room), args...).StringSlice()
	})
	if err != nil {
		return flow.Page{}, corrupted(err)
	}
	return parsePage(answer)
}

// parsePage reads what read.lua returns.
func parsePage(answer []string) (page flow.Page, err error) {
	if len(answer) == 1 {
		return page, wordError(answer[0])
	}
	if len(answer) != 9 {
		return page, fmt.Errorf("redisx: %d values of a page", len(answer))
	}
	if page.Head, err = parsePosition(answer[1], answer[2]); err != nil {
		return page, err
	}
	if page.Base, err = parsePosition(answer[3], answer[4]); err != nil {
		return page, err
	}
	if page.Last, err = strconv.ParseUint(answer[5], 10, 64); err != nil {
		return page, fmt.Errorf("redisx: last n %q: %w", answer[5], flow.ErrCorrupt)
	}
	if page.Snapshot, err = parsePosition(answer[6], answer[7]); err != nil {
		return page, err
	}
	if err := wordError(answer[0]); err != nil || answer[8] == "" {
		return page, err
	}
	if page.Operations, err = decodeOperations(answer[8]); err != nil {
		return flow.Page{}, fmt.Errorf("%w: %w", flow.ErrCorrupt, err)
	}
	return page, nil
}
