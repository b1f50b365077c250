package attack

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Outcome is what an attacker got. It may be read while the flood goes on.
type Outcome struct {
	mu      sync.Mutex // guards what follows
	sent    int
	opened  int
	refused map[string]int
	ended   map[string]int
}

func newOutcome() *Outcome { return &Outcome{refused: map[string]int{}, ended: map[string]int{}} }

// Sent is how many messages, requests or connections were tried.
func (o *Outcome) Sent() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
}

// Opened is how many connections and requests the server took.
func (o *Outcome) Opened() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// Refused is how many answers had a code; those over HTTP have their status in front, as "429 rate_limited".
func (o *Outcome) Refused(code string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused[code]
}

// Ended is how many connections the server ended with a code of bye; "" is without a word.
func (o *Outcome) Ended(bye string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended[bye]
}

// String tells the refusals and the ends, the most frequent first.
func (o *Outcome) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	parts := append(counted("", o.refused), counted("bye ", o.ended)...)
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

func (o *Outcome) send() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
}

func (o *Outcome) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.opened++
}

func (o *Outcome) refuse(code string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused[code]++
}

func (o *Outcome) end(bye string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended[bye]++
}

// answer counts the error of a request or an upgrade. It reports whether the server said it.
func (o *Outcome) answer(err error) bool {
	var r refusal
	if !errors.As(err, &r) {
		return false
	}
	o.refuse(strconv.Itoa(r.status) + " " + r.code)
	return true
}
