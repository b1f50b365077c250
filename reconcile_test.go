package flow // internal: the reconciler is not exported

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// repair is one case of a room and a log that are brought together. Both are stretches of a history in
// which operation n of session a has seq n; forked is where the log goes on with session z instead.
type repair struct {
	base, head       uint64            // of the room; its ring has all between
	logBase, logHead uint64            // both 0: there is no log
	forked           uint64            // the last seq in common; 0: none
	trimmed          bool              // the log's base was trimmed, not restored
	sessions         map[string]uint64 // of the authors
	restored         int64             // what the room has taken into account
	stamp            int64             // of the log
}

// at returns the position of a seq in the room's history.
func historyAt(ops []Operation, seq uint64) Position {
	if seq == 0 {
		return Position{}
	}
	return ops[seq-1].Position()
}

// log returns the log of a case.
func (c *repair) log() *simLog {
	l := newSimLog()
	l.stamp, l.stamps = c.stamp, c.stamp
	if c.logHead == 0 {
		return l
	}
	ops := stream("a", c.logHead)
	if c.forked > 0 {
		ops = ops[:c.forked]
		for n := uint64(1); uint64(len(ops)) < c.logHead; n++ {
			ops = append(ops, placed(historyAt(ops, uint64(len(ops))), send("z", n).op)...)
		}
	}
	for _, op := range ops {
		l.last[op.Session] = op.N
	}
	l.ops, l.base, l.head = ops[c.logBase:], historyAt(ops, c.logBase), historyAt(ops, c.logHead)
	l.open = !c.trimmed
	return l
}

// reconciler returns the room's side of a case.
func (c *repair) reconciler() *reconciler {
	ops := stream("a", c.head)
	return newReconciler(historyAt(ops, c.head), historyAt(ops, c.base), ops[c.base:], c.sessions, c.restored)
}

// taskWords writes a task down.
func taskWords(t task) string {
	if t.query != nil {
		return fmt.Sprintf("read@%d", t.query.After.Seq)
	}
	words := fmt.Sprintf("restore@%d", t.batch.Fence.Seq)
	if ops := t.batch.Operations; len(ops) > 0 {
		words += fmt.Sprintf("+%d", len(ops))
	}
	if len(t.batch.Sessions) > 0 {
		words += fmt.Sprint(t.batch.Sessions)
	}
	return words
}

// verdictWords writes a verdict down.
func verdictWords(v verdict) string {
	var words []string
	add := func(when bool, format string, args ...any) {
		if when {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(v.err != nil, "fails")
	add(v.trimmed, "trimmed to %d", v.page.Base.Seq)
	add(v.rewind, "rewind@%d+%d", v.at.Seq, len(v.ops))
	add(v.lost > 0, "lost %d", v.lost)
	add(v.wrote > 0, "wrote %d", v.wrote)
	add(v.began, "began")
	add(v.noted, "noted")
	if len(words) == 0 {
		return "agree"
	}
	return strings.Join(words, " ")
}

// run has the reconciler work on a log. between is called before each task, with its number.
func run(c *reconciler, l *simLog, between func(task int)) (tasks string, v verdict) {
	var words []string
	for t, ok := c.next(); ok && len(words) < 100; t, ok = c.next() {
		between(len(words))
		words = append(words, taskWords(t))
		if t.query != nil {
			c.read(l.read(t.query))
			continue
		}
		_, _, err := l.append(t.batch)
		c.wrote(t.batch, err)
	}
	return strings.Join(words, " "), c.found
}

// repairs are cases by name, with what is asked of the log and what comes out.
type repairs map[string]struct {
	repair
	tasks, verdict string
}

func (all repairs) test(t *testing.T) {
	t.Helper()
	for name, tc := range all {
		t.Run(name, func(t *testing.T) {
			tasks, v := run(tc.reconciler(), tc.log(), func(int) {})
			if tasks != tc.tasks || verdictWords(v) != tc.verdict {
				t.Errorf("tasks %q, verdict %q, want %q, %q", tasks, verdictWords(v), tc.tasks, tc.verdict)
			}
		})
	}
}

// Each case of consistency.md section 3: what is asked of the log, what is written, what comes out. I1, I2
func TestReconciler(t *testing.T) {
	both := map[string]uint64{"a": 10, "b": 3}
	repairs{
		"nothing anywhere":      {repair{}, "read@0", "agree"},
		"new room of a log":     {repair{logHead: 7}, "read@0", "agree"},
		"in the log":            {repair{head: 10, logHead: 10}, "read@10", "agree"},
		"in a longer log":       {repair{base: 4, head: 10, logHead: 30}, "read@10", "agree"},
		"in a log of one base":  {repair{base: 4, head: 10, logBase: 10, logHead: 12}, "read@10", "agree"},
		"head in the base only": {repair{base: 10, head: 10, logBase: 10, logHead: 12}, "read@10", "agree"},

		"missing": {
			repair{head: 10, sessions: both},
			"read@10 restore@0+10map[a:10 b:3] read@10 restore@10map[a:10 b:3]", "wrote 10 began noted",
		},
		"missing, the ring does not reach": {
			repair{base: 6, head: 10}, "read@10 restore@6+4 read@10", "wrote 4 began noted",
		},
		"missing, and the ring is empty": {repair{base: 10, head: 10}, "read@10", "rewind@0+0 lost 10"},
		"prefix": {
			repair{head: 10, logHead: 7}, "read@10 restore@7+3 read@10", "wrote 3 noted",
		},
		"prefix at the ring's base": {
			repair{base: 7, head: 10, logHead: 7}, "read@10 restore@7+3 read@10", "wrote 3 noted",
		},
		"shorter than the ring reaches": {
			repair{base: 7, head: 10, logHead: 4}, "read@10", "rewind@0+3 lost 3",
		},
		"another history in all of the ring": {
			repair{base: 6, head: 10, logHead: 12, forked: 4}, "read@10 read@6", "rewind@0+4 lost 6",
		},
		"another history, shorter than the ring": {
			repair{base: 6, head: 10, logHead: 5, forked: 4}, "read@10", "rewind@0+4 lost 1",
		},
		"diverged above a trimmed base": {
			repair{base: 2, head: 10, logBase: 5, logHead: 12, forked: 8, trimmed: true},
			"read@10 read@5 read@7 read@8 read@9", "rewind@8+2",
		},
		"trimmed beyond the room": {
			repair{head: 10, logBase: 20, logHead: 30, trimmed: true}, "read@10", "trimmed to 20",
		},
	}.test(t)
}

// A log that somebody else has restored is completed with what was before it, and told of the authors. I1
func TestReconciler_Restored(t *testing.T) {
	both := map[string]uint64{"a": 10, "b": 3}
	repairs{
		"restored by another": {
			repair{base: 4, head: 10, logBase: 4, logHead: 10, stamp: 7, sessions: both},
			"read@10 restore@10map[a:10 b:3]", "noted",
		},
		"restored by another, nobody to vouch for": {
			repair{base: 4, head: 10, logBase: 4, logHead: 10, stamp: 7}, "read@10", "noted",
		},
		"restored by a shorter ring": {
			repair{head: 10, logBase: 6, logHead: 10, stamp: 7, sessions: both},
			"read@10 restore@0+6 restore@10map[a:10 b:3]", "wrote 6 noted",
		},
		"restored by a longer ring": {
			repair{base: 6, head: 10, logBase: 2, logHead: 10, stamp: 7}, "read@10", "noted",
		},
		"restored, and trimmed since": {
			repair{head: 10, logBase: 6, logHead: 12, stamp: 7, trimmed: true, sessions: both},
			"read@10 restore@0+6 restore@10map[a:10 b:3]", "noted",
		},
		"a restore that is known": {
			repair{head: 10, logBase: 6, logHead: 12, stamp: 7, restored: 7}, "read@10", "agree",
		},
	}.test(t)
}

// Wherever the log went another way, the room is taken back exactly there, with what it had behind. I1, I2
func TestReconciler_Diverged(t *testing.T) {
	const head = 10
	for _, logHead := range []uint64{6, 9, 10, 11, 25} {
		for k := uint64(1); k < min(head, logHead); k++ {
			for base := range k + 1 {
				c := repair{base: base, head: head, logHead: logHead, forked: k}
				tasks, v := run(c.reconciler(), c.log(), func(int) {})
				want := stream("a", head)[k:]
				same := slices.EqualFunc(v.ops, want, func(a, b Operation) bool { return a.Position() == b.Position() })
				if !v.rewind || v.at != historyAt(stream("a", head), k) || !same || v.lost != 0 {
					t.Errorf("ring %d-%d, log to %d, forked at %d: %s (%s)",
						base, head, logHead, k, verdictWords(v), tasks)
				}
				if steps := strings.Count(tasks, "read"); steps > 7 {
					t.Errorf("%d reads to find the place in a ring of %d", steps, head-base)
				}
			}
		}
	}
}

// What is written again goes in batches of bounded size, in order, from behind and in front. I1, I9
func TestReconciler_Chunks(t *testing.T) {
	const head = 2*restoreOps + 10
	c := repair{head: head}
	tasks, v := run(c.reconciler(), c.log(), func(int) {})
	want := fmt.Sprintf("read@%d restore@0+%d restore@%d+%d restore@%d+10 read@%d",
		head, restoreOps, restoreOps, restoreOps, 2*restoreOps, head)
	if tasks != want || v.wrote != head || !v.began {
		t.Errorf("tasks %q, want %q; %s", tasks, want, verdictWords(v))
	}
	c = repair{head: head, logBase: head - 5, logHead: head, stamp: 7}
	l := c.log()
	tasks, v = run(c.reconciler(), l, func(int) {})
	want = fmt.Sprintf("read@%d restore@%d+%d restore@5+%d restore@0+5 restore@%d",
		head, head-5-restoreOps, restoreOps, restoreOps, head)
	if tasks != want || v.wrote != head-5 || l.base.Seq != 0 {
		t.Errorf("tasks %q, want %q; %s, base %d", tasks, want, verdictWords(v), l.base.Seq)
	}
}

// Another instance is at work on the same log meanwhile: whoever comes second starts over or goes on, and
// the log is whole in the end. I1
func TestReconciler_Races(t *testing.T) {
	ops := stream("a", 10)
	restore := func(l *simLog, from, to uint64) {
		b := Batch{Restore: true, Fence: historyAt(ops, from), Operations: ops[from:to]}
		if _, _, err := l.append(&b); err != nil {
			t.Fatalf("the other one: %v", err)
		}
	}
	for name, tc := range map[string]struct {
		repair
		task           int // before it, the other one acts
		other          func(l *simLog)
		tasks, verdict string
	}{
		"the other begins the log": {
			repair{head: 10}, 1, func(l *simLog) { restore(l, 4, 10) },
			"read@10 restore@0+10 read@10 restore@0+4 restore@10", "wrote 4 noted",
		},
		"the other writes the tail": {
			repair{head: 10, logHead: 7}, 1, func(l *simLog) { restore(l, 7, 9) },
			"read@10 restore@7+3 read@10 restore@9+1 read@10", "wrote 1 noted",
		},
		"the other puts all in front": {
			repair{head: 10, logBase: 6, logHead: 10, stamp: 7}, 1, func(l *simLog) { restore(l, 0, 6) },
			"read@10 restore@0+6 restore@10", "noted",
		},
		"the log is lost while it is searched": {
			repair{head: 10, logHead: 12, forked: 5}, 2, func(l *simLog) { l.wipe() },
			"read@10 read@0 read@5 read@10 restore@0+10 read@10", "wrote 10 began noted",
		},
		"the log is lost before it is vouched for": {
			repair{head: 10, logHead: 10, stamp: 7, sessions: map[string]uint64{"a": 10}}, 1,
			func(l *simLog) { l.wipe() },
			"read@10 restore@10map[a:10] read@10 restore@0+10map[a:10] read@10 restore@10map[a:10]",
			"wrote 10 began noted",
		},
		"the room is deleted": {
			repair{head: 10, logHead: 7}, 1, func(l *simLog) { l.deleted = true }, "read@10 restore@7+3", "fails",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := tc.log()
			tasks, v := run(tc.reconciler(), l, func(task int) {
				if task == tc.task {
					tc.other(l)
				}
			})
			if tasks != tc.tasks || verdictWords(v) != tc.verdict {
				t.Errorf("tasks %q, verdict %q, want %q, %q", tasks, verdictWords(v), tc.tasks, tc.verdict)
			}
			if v.err == nil && (!l.contains(historyAt(ops, 10)) || l.base.Seq != 0) {
				t.Errorf("the log has %d-%d", l.base.Seq, l.head.Seq)
			}
		})
	}
}

// A log that is away, refuses, or changes for ever ends the attempt; nothing is concluded from it. I14
func TestReconciler_Fails(t *testing.T) {
	broken := errors.New("broken")
	t.Run("read", func(t *testing.T) {
		c := (&repair{head: 10}).reconciler()
		c.next()
		c.read(Page{}, Unavailable(broken))
		if _, more := c.next(); more || !errors.Is(c.found.err, broken) || c.found.rewind {
			t.Errorf("verdict is %+v", c.found)
		}
	})

	t.Run("write", func(t *testing.T) {
		c := (&repair{head: 10, logHead: 7}).reconciler()
		c.next()
		c.read(Page{Head: historyAt(stream("a", 10), 7)}, Errorf(CodeDiverged, ""))
		next, _ := c.next()
		c.wrote(next.batch, Unavailable(broken))
		if _, more := c.next(); more || !errors.Is(c.found.err, broken) || c.found.wrote != 0 {
			t.Errorf("verdict is %+v", c.found)
		}
	})

	for _, race := range []error{ErrMoved, ErrNoLog, ErrBehind, ErrFork, ErrCorrupt, ErrSettling} {
		t.Run(race.Error(), func(t *testing.T) {
			c, tries := (&repair{head: 10}).reconciler(), 0
			for next, ok := c.next(); ok; next, ok = c.next() {
				if next.query != nil {
					c.read(Page{}, Errorf(CodeDiverged, ""))
					continue
				}
				tries++
				c.wrote(next.batch, race)
			}
			if tries != reconcileTry || !errors.Is(c.found.err, errUnsettled) {
				t.Errorf("%d tries, verdict %+v", tries, c.found)
			}
		})
	}
}
