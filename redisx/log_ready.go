package redisx

import (
	"strconv"

	"github.com/fiberflow/flow"
)

// What goes the short way to Redis has its data twice, once to be kept and once to be published. Beyond so much
// that would cost more than it saves.
const (
	readyOperations = 64
	readyBytes      = 16 << 10
)

// outcome is what becomes of a batch if the log ends at its fence, and has each session's operation before.
type outcome struct {
	operations []flow.Operation // with their places
	feed       []byte           // what is published
}

// outcomeOf returns what a batch comes to if all is well, nil when that is not worth while.
func outcomeOf(b flow.Batch) *outcome {
	count, size := len(b.Operations), 0
	for i := range b.Operations {
		o := &b.Operations[i]
		size += len(o.Data)
	}
	if b.Fence.Seq == 0 || b.Jump || b.Key != "" || count == 0 || count > readyOperations || size > readyBytes {
		return nil
	}
	e := &outcome{operations: make([]flow.Operation, count), feed: make([]byte, 0, 64+192*count+size)}
	e.feed = appendHeading(e.feed, b.Fence, count)
	at := b.Fence
	for i, o := range b.Operations {
		at = at.Next(o.Session, o.N, flow.DigestOf(o.Data))
		o.Seq, o.Hash = at.Seq, at.Hash
		e.operations[i] = o
		e.feed = appendOperation(e.feed, &o)
	}
	return e
}

// answers are those of a log that has taken the batch.
func (e *outcome) answers() []flow.Appended {
	answers := make([]flow.Appended, len(e.operations))
	for i := range e.operations {
		o := &e.operations[i]
		answers[i] = flow.Appended{Status: flow.Confirmed, Seq: o.Seq, Hash: o.Hash, Last: o.N}
	}
	return answers
}

// readyArgs lists what append.lua takes, with what ready.lua needs.
func (l *Log) readyArgs(room string, fence flow.Position, e *outcome) []any {
	args := l.writeArgs(room, fence, "", 1+7*len(e.operations))
	args = append(args, e.feed)
	for i := range e.operations {
		o := &e.operations[i]
		args = append(args, o.Session, o.N, o.User, o.Time, o.Data, o.Hash.String(), o.Seq)
	}
	return args
}

// appendHeading begins the text of a feed, see wire.go.
func appendHeading(text []byte, at flow.Position, count int) []byte {
	text = append(text, "ops "...)
	text = strconv.AppendUint(text, at.Seq, 10)
	text = append(text, ' ')
	text = at.Hash.AppendTo(text)
	text = append(text, ' ')
	text = strconv.AppendInt(text, int64(count), 10)
	return append(text, '\n')
}

// appendOperation writes one operation of a feed.
func appendOperation(text []byte, o *flow.Operation) []byte {
	text = o.Hash.AppendTo(text)
	text = append(text, ' ')
	text = strconv.AppendUint(text, o.N, 10)
	text = append(text, ' ')
	text = strconv.AppendInt(text, o.Time, 10)
	for _, size := range [...]int{len(o.Session), len(o.User), len(o.Data)} {
		text = append(text, ' ')
		text = strconv.AppendInt(text, int64(size), 10)
	}
	text = append(text, '\n')
	text = append(append(text, o.Session...), o.User...)
	return append(text, o.Data...)
}
