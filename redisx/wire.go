package redisx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fiberflow/flow"
)

// What append.lua adds to a log it publishes as one text:
//
//	ops <seq before> <hash before> <count> LF
//	<hash> <n> <time> <len session> <len user> <len data> LF <session><user><data>   … count times

// What else is published to a room's followers: that it was deleted, and that its log was changed
// otherwise than by an append.
const (
	deletedPayload = "deleted"
	gapPayload     = "gap"
)

// errPayload is what is not such a text, or breaks the chain of hashes.
var errPayload = errors.New("not a stretch of a log")

// decodeOperations reads such a text. The operations share no memory with it.
func decodeOperations(text string) ([]flow.Operation, error) {
	line, rest, ok := strings.Cut(text, "\n")
	heading := strings.Split(line, " ")
	if !ok || len(heading) != 4 || heading[0] != "ops" {
		return nil, errPayload
	}
	at, err := flow.ParsePosition(heading[1] + ":" + heading[2])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPayload, err)
	}
	// Every operation takes more than one byte: a forged count cannot make us allocate more.
	count, err := strconv.Atoi(heading[3])
	if err != nil || count < 1 || count > len(rest) {
		return nil, errPayload
	}
	operations := make([]flow.Operation, count)
	for i := range operations {
		if rest, err = decodeOperation(rest, &operations[i]); err != nil {
			return nil, err
		}
		operations[i].Seq = at.Seq + 1
		if !operations[i].Follows(at) {
			return nil, fmt.Errorf("%w: seq %d does not follow", errPayload, at.Seq+1)
		}
		at = operations[i].Position()
	}
	if rest != "" {
		return nil, errPayload
	}
	return operations, nil
}

// decodeOperation reads one operation but for its seq, and returns what comes after it.
func decodeOperation(text string, o *flow.Operation) (rest string, err error) {
	line, rest, ok := strings.Cut(text, "\n")
	fields := strings.Split(line, " ")
	if !ok || len(fields) != 6 || !parseNumbers(o, fields[0], fields[1], fields[2]) {
		return "", errPayload
	}
	var parts [3]string
	for i := range parts {
		n, err := strconv.Atoi(fields[3+i])
		if err != nil || n < 0 || n > len(rest) {
			return "", errPayload
		}
		parts[i], rest = rest[:n], rest[n:]
	}
	o.Session, o.User, o.Data = strings.Clone(parts[0]), strings.Clone(parts[1]), []byte(parts[2])
	return rest, nil
}

// parseNumbers reads what of an operation is no text.
func parseNumbers(o *flow.Operation, hash, n, time string) (ok bool) {
	var errN, errTime error
	o.Hash, ok = flow.ParseHash(hash)
	o.N, errN = strconv.ParseUint(n, 10, 64)
	o.Time, errTime = strconv.ParseInt(time, 10, 64)
	return ok && errN == nil && errTime == nil
}

// parseEntry reads an operation, but for its seq, from an entry of the stream: its id, and the fields in
// the order in which append.lua writes them.
func parseEntry(entry any) (o flow.Operation, err error) {
	names := [...]string{"session", "n", "user", "time", "hash", "data"}
	var values [len(names)]string
	parts, _ := entry.([]any)
	if len(parts) != 2 {
		return o, fmt.Errorf("%w: an entry of %d parts", flow.ErrCorrupt, len(parts))
	}
	fields, _ := parts[1].([]any)
	if len(fields) != 2*len(names) {
		return o, fmt.Errorf("%w: an entry with %d fields", flow.ErrCorrupt, len(fields)/2)
	}
	for i, name := range names {
		var ok bool
		if values[i], ok = fields[2*i+1].(string); !ok || fields[2*i] != name {
			return o, fmt.Errorf("%w: field %v where %s belongs", flow.ErrCorrupt, fields[2*i], name)
		}
	}
	if !parseNumbers(&o, values[4], values[1], values[3]) {
		return o, fmt.Errorf("%w: an entry with bad numbers", flow.ErrCorrupt)
	}
	o.Session, o.User, o.Data = values[0], values[2], []byte(values[5])
	return o, nil
}

// parsePosition reads what a script tells as two fields.
func parsePosition(seq, hash string) (flow.Position, error) {
	p, err := flow.ParsePosition(seq + ":" + hash)
	if err != nil {
		return flow.Position{}, fmt.Errorf("redisx: position %q:%q: %w", seq, hash, flow.ErrCorrupt)
	}
	return p, nil
}
