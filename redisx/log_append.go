package redisx

import (
	"context"
	"crypto/sha1" //nolint:gosec // compares the contents of a retry, protects nothing
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/fiberflow/flow"
)

// Append implements [flow.Log].
func (l *Log) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	names, script := l.keys(room), l.scripts.append
	var expected *outcome
	var args []any
	switch {
	case b.Restore:
		names = append(names, l.conn.key.room(room, "ops~"))
		script, args = l.scripts.restore, l.restoreArgs(room, b)
	case b.Key != "":
		names = append(names, l.conn.key.room(room, "key:"+encoded(b.Key)), l.conn.key.room(room, "epoch"))
		args = l.appendArgs(room, b)
	default:
		if b.Fence.Seq > 0 {
			names = names[:4] // without a log nothing is written, so nobody asks for what is being saved
		}
		if expected = outcomeOf(b); expected == nil {
			args = l.appendArgs(room, b)
			break
		}
		l.echoes.expect(room, expected)
		args = l.readyArgs(room, b.Fence, expected)
	}
	answer, err := l.ask(ctx, room, script, names, args...)
	if err != nil {
		return nil, err
	}
	text, _ := answer.(string)
	if expected != nil && text == "OK" {
		return expected.answers(), nil
	}
	return parseAnswers(text, len(b.Operations))
}

// writeArgs lists what write.lua takes, and has place for more arguments after that.
func (l *Log) writeArgs(room string, fence flow.Position, flag string, more int) []any {
	args := make([]any, 0, 4+more)
	return append(args, fence.Seq, fence.Hash.String(), flag, l.channel(room))
}

// appendArgs lists what append.lua takes.
func (l *Log) appendArgs(room string, b flow.Batch) []any {
	flag := ""
	if b.Jump {
		flag = "jump"
	}
	args := l.writeArgs(room, b.Fence, flag, 1+7*len(b.Operations))
	args = append(args, "")
	place := len(args) - 1 // of the content
	content := sha1.New()  //nolint:gosec // see the import
	for i := range b.Operations {
		o := &b.Operations[i]
		digest := flow.DigestOf(o.Data)
		_, _ = content.Write(digest[:]) // hash.Hash documents that Write never fails
		args = append(args, o.Session, o.N, o.User, o.Time, o.Data, digest.String(), "")
	}
	if b.Key != "" {
		args[place] = hex.EncodeToString(content.Sum(nil))
	}
	return args
}

// restoreArgs lists what restore.lua takes. Whether the operations link is found out here, where it
// holds up nobody.
func (l *Log) restoreArgs(room string, b flow.Batch) []any {
	args := l.writeArgs(room, b.Fence, "", 1+6*len(b.Operations)+2*len(b.Sessions))
	args = append(args, len(b.Operations))
	at := b.Fence
	linked := at.Seq > 0 || at.Hash == 0
	for i := range b.Operations {
		o := &b.Operations[i]
		linked = linked && o.Follows(at)
		at = o.Position()
		args = append(args, o.Session, o.N, o.User, o.Time, o.Hash.String(), o.Data)
	}
	if !linked {
		args[2] = "broken"
	}
	for session, n := range b.Sessions {
		args = append(args, session, n)
	}
	return args
}

// parseAnswers reads what append.lua or restore.lua says of n operations.
func parseAnswers(text string, n int) ([]flow.Appended, error) {
	answers := make([]flow.Appended, 0, n)
	if n == 0 {
		return answers, nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		a, err := parseAnswer(strings.Split(line, " "))
		if err != nil {
			return nil, fmt.Errorf("redisx: answer %q: %w", line, err)
		}
		answers = append(answers, a)
	}
	if len(answers) != n {
		return nil, fmt.Errorf("redisx: %d answers for %d operations", len(answers), n)
	}
	return answers, nil
}

func parseAnswer(fields []string) (a flow.Appended, err error) {
	switch {
	case fields[0] == "c" && len(fields) == 4:
		p, err := parsePosition(fields[1], fields[2])
		if err != nil {
			return a, err
		}
		a.Status, a.Seq, a.Hash = flow.Confirmed, p.Seq, p.Hash
	case fields[0] == "d" && len(fields) == 2:
		a.Status = flow.Duplicate
	case fields[0] == "g" && len(fields) == 2:
		a.Status = flow.Gap
	default:
		return a, flow.ErrCorrupt
	}
	a.Last, err = strconv.ParseUint(fields[len(fields)-1], 10, 64)
	return a, err
}
