package conformance

import (
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

func refusedCases() []logCase {
	short := LogSettings{OperationLimit: 4, Settle: time.Millisecond}
	return []logCase{
		{name: "not linked", run: testRefusedUnlinked},
		{name: "not at the head", run: testRefusedTail},
		{name: "not at the base", run: testRefusedFront},
		{name: "twice", run: testRefusedTwice},
		{name: "sent again", settings: short, run: testRefusedRepeated},
		{name: "trimmed meanwhile", settings: short, run: testRefusedTrimmed},
		{name: "never restored", settings: short, run: testRefusedBegun},
	}
}

// refusal is a batch to restore that does not fit.
type refusal struct {
	name  string
	fence flow.Position
	list  []flow.Operation
}

// wantMoved checks that each of the batches is ErrMoved, and that nothing of it was written.
func (t *logTest) wantMoved(refused ...refusal) {
	t.Helper()
	facts, log := t.facts("a"), t.all()
	for _, r := range refused {
		batch := flow.Batch{
			Fence: r.fence, Restore: true, Operations: r.list,
			Sessions: map[string]uint64{"a": 1000, "unheard": 1},
		}
		for _, handle := range []flow.Log{t.one, t.other} {
			if answers, err := handle.Append(t.Context(), room, batch); err == nil {
				t.Errorf("%s: answers %+v", r.name, answers)
			} else {
				wantError(t, err, flow.ErrMoved)
			}
		}
	}
	wantPage(t, t.facts("a"), facts)
	want(t, "last of a session that was refused", t.facts("unheard").Last["unheard"], 0)
	t.wantAll(log)
}

// broken returns batches of a chain behind a position, none of which is what it says.
func broken(at flow.Position, list []flow.Operation) []refusal {
	change := func(name string, f func(list []flow.Operation)) refusal {
		list := slices.Clone(list)
		f(list)
		return refusal{name, at, list}
	}
	last := len(list) - 1
	return []refusal{
		change("another hash", func(list []flow.Operation) { list[last].Hash ^= 1 }),
		change("other data", func(list []flow.Operation) { list[0].Data = []byte(`"other"`) }),
		change("another n", func(list []flow.Operation) { list[0].N++ }),
		change("another session", func(list []flow.Operation) { list[0].Session = "other" }),
		change("another order", func(list []flow.Operation) { list[0], list[1] = list[1], list[0] }),
		change("one left out", func(list []flow.Operation) { list[1] = list[0] }),
		change("seq too high", func(list []flow.Operation) {
			for i := range list {
				list[i].Seq++
			}
		}),
		change("no places", func(list []flow.Operation) { copy(list, ops("a", 1, uint64(len(list)))) }),
		{"one too early", at, list[1:]},
		{"another fence", flow.Position{Seq: at.Seq, Hash: at.Hash ^ 1}, list},
		{"a fence too high", flow.Position{Seq: at.Seq + 1, Hash: at.Hash}, list},
	}
}

// Operations that do not link to the fence, and to each other up to the hash of the last, are refused
// wherever they would go: a log never has a hole or another hash than its operations give (I2).
func testRefusedUnlinked(t *logTest) {
	t.wantMoved(broken(flow.Position{}, linked(flow.Position{}, ops("a", 1, 3)...))...)
	t.wantMoved(broken(middle(), linked(middle(), ops("a", 1, 3)...))...)
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[2].Position(), all[3:6])
	t.wantMoved(broken(all[5].Position(), all[6:])...)
	t.wantMoved(broken(middle(), all[:3])...)
	t.restore(all[5].Position(), all[6:])
	t.restore(middle(), all[:3])
	t.wantAll(all)
}

// Behind, a restore goes to the head only.
func testRefusedTail(t *logTest) {
	log := t.confirm(ops("a", 1, 3)...)
	at := func(p flow.Position) refusal { return refusal{p.String(), p, linked(p, ops("b", 1, 2)...)} }
	t.wantMoved(
		at(flow.Position{}), at(log[0].Position()), at(log[1].Position()),
		at(flow.Position{Seq: 3, Hash: log[2].Hash ^ 1}), at(flow.Position{Seq: 4, Hash: 1}), at(middle()),
		refusal{"again", flow.Position{}, log},
		refusal{"the end again", log[0].Position(), log[1:]},
		refusal{"over the end", log[1].Position(), linked(log[1].Position(), op("a", 3), op("a", 4))},
	)
	t.restore(endOf(log), linked(endOf(log), ops("b", 1, 2)...))
}

// In front, a restore ends at the base only.
func testRefusedFront(t *logTest) {
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[5].Position(), all[6:])
	fork := linked(middle(), ops("b", 1, 6)...)
	t.wantMoved(
		refusal{"a hole", middle(), all[:5]},
		refusal{"over the base", middle(), all[:7]},
		refusal{"over the head", middle(), linked(middle(), ops("a", 1, 12)...)},
		refusal{"another chain", middle(), fork},
		refusal{"everything", middle(), all},
	)
	t.restore(middle(), all[:6])
	t.wantAll(all)
}

// What its author has sent again since the log began stands there, and is not put in front as well (I1).
func testRefusedRepeated(t *logTest) {
	all := linked(middle(), op("a", 1), op("b", 1), op("a", 2), op("c", 1), op("c", 2))
	t.restore(all[2].Position(), all[3:])
	t.settled()
	all = append(all, t.confirm(op("a", 1))...)
	t.wantMoved(refusal{"all of it", middle(), all[:3]}, refusal{"a later one", all[1].Position(), all[2:3]})
	t.wantAll(all[3:])
}

// What was restored once is not restored again, in whole or in part.
func testRefusedTwice(t *logTest) {
	all := linked(middle(), ops("a", 1, 9)...)
	t.restore(all[2].Position(), all[3:6])
	t.wantMoved(refusal{"again", all[2].Position(), all[3:6]}, refusal{"the end", all[4].Position(), all[5:6]})
	t.restore(all[5].Position(), all[6:])
	t.wantMoved(refusal{"the tail", all[5].Position(), all[6:]}, refusal{"both", all[2].Position(), all[3:]})
	t.restore(middle(), all[:3])
	t.wantMoved(refusal{"the front", middle(), all[:3]}, refusal{"everything", middle(), all})
}

// A log that was trimmed since a restore began it takes nothing in front any more: it forgot because it
// was full.
func testRefusedTrimmed(t *logTest) {
	all := linked(middle(), ops("a", 1, 6)...)
	t.restore(all[2].Position(), all[3:])
	t.settled()
	all = append(all, t.confirm(ops("a", 7, 9)...)...)
	want(t, "base", t.facts("").Base, all[4].Position())
	t.wantMoved(
		refusal{"up to where it began", middle(), all[:3]},
		refusal{"up to the base", middle(), all[:5]},
		refusal{"up to the base, a part", all[2].Position(), all[3:5]},
	)
	tail := linked(endOf(all), ops("b", 1, 2)...)
	t.restore(endOf(all), tail)
	t.wantAll(append(all[5:], tail...))
}

// A log that an append began takes nothing in front.
func testRefusedBegun(t *logTest) {
	all := t.confirm(ops("a", 1, 9)...)
	base := t.facts("").Base
	want(t, "base", base, all[4].Position())
	t.wantMoved(refusal{"everything", flow.Position{}, all[:5]}, refusal{"a part", all[0].Position(), all[1:5]})
	tail := linked(endOf(all), op("b", 1))
	t.restore(endOf(all), tail)
	t.wantMoved(refusal{"after a tail", flow.Position{}, all[:5]})
	t.wantAll(append(all[5:], tail...))
}
