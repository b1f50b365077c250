package redisx

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fiberflow/flow"
)

// Operations travel from the scripts to us in one text, published or read:
//
//	ops <seq before> <hash before> <count> LF
//	<hash> <n> <time> <len session> <len user> <len data> LF <session><user><data>   … count times
//
// It costs Redis less than an array, and one decoder serves both ways.

// deletedPayload is published when a room is deleted.
const deletedPayload = "deleted"

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
	line, rest, _ := strings.Cut(text, "\n")
	fields := strings.Split(line, " ")
	if len(fields) != 6 {
		return "", errPayload
	}
	var ok bool
	if o.Hash, ok = flow.ParseHash(fields[0]); !ok {
		return "", errPayload
	}
	if o.N, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
		return "", errPayload
	}
	if o.Time, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
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

// parsePosition reads what a script tells as two fields.
func parsePosition(seq, hash string) (flow.Position, error) {
	p, err := flow.ParsePosition(seq + ":" + hash)
	if err != nil {
		return flow.Position{}, fmt.Errorf("redisx: position %q:%q: %w", seq, hash, flow.ErrCorrupt)
	}
	return p, nil
}
