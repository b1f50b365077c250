package attack

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Outcome is what an attacker got.
type Outcome struct {
	mu      sync.Mutex
	sent    int
	opened  int
	refused map[string]int
	ended   map[string]int
}

func newOutcome() *Outcome { return &Outcome{refused: map[string]int{}, ended: map[string]int{}} }

// Sent is how many messages, requests or connections were tried.
func (o *Outcome) Sent() int { return locked(o, func() int { return o.sent }) }

// Opened is how many connections the server took.
func (o *Outcome) Opened() int { return locked(o, func() int { return o.opened }) }

// Refused is how many answers had the code.
func (o *Outcome) Refused(code string) int { return locked(o, func() int { return o.refused[code] }) }

// Codes are the codes of all refusals.
func (o *Outcome) Codes() []string {
	return locked(o, func() []string { return slices.Sorted(maps.Keys(o.refused)) })
}

// Ended is how many connections the server ended with this word of bye; "" is without one.
func (o *Outcome) Ended(bye string) int { return locked(o, func() int { return o.ended[bye] }) }

// Endings are the words of all byes.
func (o *Outcome) Endings() []string {
	return locked(o, func() []string { return slices.Sorted(maps.Keys(o.ended)) })
}

// String tells the refusals and the ends, the most frequent first.
func (o *Outcome) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	parts := counted("", o.refused)
	parts = append(parts, counted("bye ", o.ended)...)
	if len(parts) == 0 {
		return "all taken"
	}
	return strings.Join(parts, ", ")
}

func counted(prefix string, counts map[string]int) (parts []string) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] })
	for _, name := range names {
		said := prefix + name
		if name == "" {
			said = "cut"
		}
		parts = append(parts, strconv.Itoa(counts[name])+" "+said)
	}
	return parts
}

func (o *Outcome) send() { locked(o, func() int { o.sent++; return 0 }) }

func (o *Outcome) open() { locked(o, func() int { o.opened++; return 0 }) }

func (o *Outcome) refuse(code string) { locked(o, func() int { o.refused[code]++; return 0 }) }

func (o *Outcome) end(bye string) { locked(o, func() int { o.ended[bye]++; return 0 }) }

// answer counts the error of a request or an upgrade. It reports whether the server said it.
func (o *Outcome) answer(err error) bool {
	var r refusal
	if !errors.As(err, &r) {
		return false
	}
	o.refuse(strconv.Itoa(r.status) + " " + r.code)
	return true
}

func locked[T any](o *Outcome, read func() T) T {
	o.mu.Lock()
	defer o.mu.Unlock()
	return read()
}
