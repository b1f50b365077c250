package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

func markCases() []cursorCase {
	return []cursorCase{
		{name: "marks", run: testMarks},
		{name: "marks again", run: testMarksAgain},
		{name: "unmark", run: testUnmark},
		{name: "unmark what is newer", run: testUnmarkStale},
		{name: "marks of names", run: testMarkNames},
		{name: "marks by pages", run: testMarkPages},
		{name: "marks removed by pages", run: testMarkPagesRemoved},
		{name: "marks beside others", run: testMarkPagesBeside},
		{name: "marks of deleted rooms", run: testMarkDeleted},
		{name: "marks at once", run: testMarksAtOnce},
	}
}

// markOf names a mark, whatever its time.
func markOf(m flow.Mark) string { return fmt.Sprintf("%q by %q", m.Room, m.Instance) }

func (t *cursorTest) mark(instance string, rooms ...string) {
	t.Helper()
	if err := t.one.Mark(t.Context(), instance, rooms...); err != nil {
		t.Fatalf("Mark: %v", err)
	}
}

// unmark removes marks, whatever their times.
func (t *cursorTest) unmark(marks ...flow.Mark) {
	t.Helper()
	names := namesOf(marks)
	told := slices.DeleteFunc(t.allMarks(), func(m flow.Mark) bool { return !slices.Contains(names, markOf(m)) })
	t.unmarkTold(told...)
}

// unmarkTold removes marks if they still have their times.
func (t *cursorTest) unmarkTold(marks ...flow.Mark) {
	t.Helper()
	if err := t.other.Unmark(t.Context(), marks...); err != nil {
		t.Fatalf("Unmark: %v", err)
	}
}

// marksAfter returns a page.
func (t *cursorTest) marksAfter(after flow.Mark, limit int) []flow.Mark {
	t.Helper()
	page, err := t.other.Marked(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("Marked: %v", err)
	}
	if len(page) > limit {
		t.Fatalf("a page has %d marks, asked for %d", len(page), limit)
	}
	return page
}

// marks reads page after page until one is empty; between is called with each.
func (t *cursorTest) marks(limit int, between func(page []flow.Mark)) []flow.Mark {
	t.Helper()
	var all []flow.Mark
	for page := t.marksAfter(flow.Mark{}, limit); len(page) > 0; page = t.marksAfter(all[len(all)-1], limit) {
		all = append(all, page...)
		between(page)
	}
	return all
}

func (t *cursorTest) allMarks() []flow.Mark {
	t.Helper()
	return t.marks(100, func([]flow.Mark) {})
}

// wantMarks checks that these marks are set, each once, in whatever order.
func (t *cursorTest) wantMarks(got []flow.Mark, expected ...flow.Mark) {
	t.Helper()
	wantStrings(t, "marks", namesOf(got), namesOf(expected)...)
}

// namesOf names marks, in the order of their names.
func namesOf(marks []flow.Mark) []string {
	names := make([]string, len(marks))
	for i, m := range marks {
		names[i] = markOf(m)
	}
	slices.Sort(names)
	return names
}

// What an instance has marked everybody sees, with the time. Each instance has marks of its own.
func testMarks(t *cursorTest) {
	t.wantMarks(t.allMarks())
	before := time.Now()
	t.mark("i1", "a", "b")
	t.mark("i2", "b", "c", "c")
	t.mark("i3")
	got := t.allMarks()
	t.wantMarks(got, flow.Mark{Room: "a", Instance: "i1"}, flow.Mark{Room: "b", Instance: "i1"},
		flow.Mark{Room: "b", Instance: "i2"}, flow.Mark{Room: "c", Instance: "i2"})
	for _, m := range got {
		if off := m.At.Sub(before); off.Abs() > time.Minute {
			t.Errorf("%s is set at %v, %v from now", markOf(m), m.At, off)
		}
	}
	want(t, "marks when none are asked for", len(t.marksAfter(flow.Mark{}, 0)), 0)
}

// To mark a room again sets the time of that mark anew, and nothing else.
func testMarksAgain(t *cursorTest) {
	t.mark("i1", "a", "b")
	t.mark("i2", "a")
	times := func() map[string]time.Time {
		at := make(map[string]time.Time)
		for _, m := range t.allMarks() {
			at[markOf(m)] = m.At
		}
		return at
	}
	before := times()
	again := markOf(flow.Mark{Room: "a", Instance: "i1"})
	eventually(t, "the mark is newer", func() bool {
		t.mark("i1", "a")
		return times()[again].After(before[again])
	})
	after := times()
	want(t, "marks", len(after), 3)
	for name, at := range before {
		want(t, name+" is as it was", after[name].Equal(at), name != again)
	}
}

// A mark is removed alone, and once; one that is not there is no error.
func testUnmark(t *cursorTest) {
	t.mark("i1", "a", "b", "c")
	t.mark("i2", "a")
	t.unmark(flow.Mark{Room: "a", Instance: "i1"}, flow.Mark{Room: "b", Instance: "i2"})
	rest := []flow.Mark{
		{Room: "b", Instance: "i1"}, {Room: "c", Instance: "i1"}, {Room: "a", Instance: "i2"},
	}
	t.wantMarks(t.allMarks(), rest...)
	t.unmarkTold()
	t.unmarkTold(flow.Mark{Room: "a", Instance: "i1"}, flow.Mark{Room: "never", Instance: "i1"}, flow.Mark{})
	t.wantMarks(t.allMarks(), rest...)
	t.unmark(t.allMarks()...)
	t.wantMarks(t.allMarks())
	t.mark("i1", "a")
	t.wantMarks(t.allMarks(), flow.Mark{Room: "a", Instance: "i1"})
}

// A mark that was set again since it was read stays: whoever set it may have written to the room.
func testUnmarkStale(t *cursorTest) {
	t.mark("i1", "a", "b")
	told := t.allMarks()
	eventually(t, "the mark is newer", func() bool {
		t.mark("i1", "a")
		return t.allMarks()[0].At.After(told[0].At)
	})
	t.unmarkTold(told...)
	t.wantMarks(t.allMarks(), flow.Mark{Room: "a", Instance: "i1"})
	t.unmarkTold(t.allMarks()...)
	t.wantMarks(t.allMarks())
}

// Marks of any room and instance are told apart and come back as they were.
func testMarkNames(t *cursorTest) {
	rooms := []string{"a", "A", "a:b", "a.b", "a~b", "a-b", "1", "01", "0" + longName(127)}
	instances := []string{"i", "I", "b:i", "b i", "b|i", "{a}", "i\ti", "ü😀", "1", strings.Repeat("i", 255)}
	var expected []flow.Mark
	for _, instance := range instances {
		t.mark(instance, rooms...)
		for _, name := range rooms {
			expected = append(expected, flow.Mark{Room: name, Instance: instance})
		}
	}
	t.wantMarks(t.allMarks(), expected...)
	t.wantMarks(t.marks(7, func([]flow.Mark) {}), expected...)
	t.unmark(expected[:11]...)
	t.wantMarks(t.allMarks(), expected[11:]...)
}

// many marks many rooms, some of them by several instances, and returns the marks.
func (t *cursorTest) many(prefix string) []flow.Mark {
	t.Helper()
	var expected []flow.Mark
	for i := range 3 {
		instance := fmt.Sprint("i", i)
		var rooms []string
		for j := range 120 {
			rooms = append(rooms, fmt.Sprint(prefix, j*(i+1)))
			expected = append(expected, flow.Mark{Room: rooms[j], Instance: instance})
		}
		t.mark(instance, rooms...)
	}
	return expected
}

// Pages have every mark once, whatever their size, always in the same order.
func testMarkPages(t *cursorTest) {
	expected := t.many("room")
	order := t.allMarks()
	t.wantMarks(order, expected...)
	for _, limit := range []int{1, 7, 359, 360, 1000} {
		got := t.marks(limit, func([]flow.Mark) {})
		want(t, fmt.Sprintf("pages of %d are in the same order", limit), slices.EqualFunc(got, order, sameMark), true)
	}
	for _, i := range []int{0, 100, 358} {
		rest := t.marksAfter(order[i], 1000)
		want(t, "what is after a mark is the rest", slices.EqualFunc(rest, order[i+1:], sameMark), true)
	}
	want(t, "marks after the last", len(t.marksAfter(order[359], 10)), 0)
}

func sameMark(a, b flow.Mark) bool {
	return a.Room == b.Room && a.Instance == b.Instance && a.At.Equal(b.At)
}

// Whoever removes what it has read misses nothing: a page begins after a mark also when that is gone.
func testMarkPagesRemoved(t *cursorTest) {
	expected := t.many("room")
	t.wantMarks(t.marks(7, func(page []flow.Mark) { t.unmark(page...) }), expected...)
	t.wantMarks(t.allMarks())
}

// While others are set and removed, pages have each mark that stays once.
func testMarkPagesBeside(t *cursorTest) {
	expected := t.many("room")
	others := t.many("other")
	i := 0
	got := t.marks(25, func([]flow.Mark) {
		t.unmark(others[i], others[i+100])
		t.mark("new", fmt.Sprint("new", i), fmt.Sprint("a", i))
		i++
	})
	got = slices.DeleteFunc(got, func(m flow.Mark) bool { return !strings.HasPrefix(m.Room, "room") })
	t.wantMarks(got, expected...)
}

// Marks know nothing of logs: a deleted room keeps them, and may be marked.
func testMarkDeleted(t *cursorTest) {
	t.mark("i1", room, "a")
	t.confirm(ops("a", 1, 3)...)
	t.delete()
	t.mark("i2", room)
	t.wantMarks(t.allMarks(), flow.Mark{Room: room, Instance: "i1"}, flow.Mark{Room: "a", Instance: "i1"},
		flow.Mark{Room: room, Instance: "i2"})
	t.unmark(flow.Mark{Room: room, Instance: "i1"})
	t.wantMarks(t.allMarks(), flow.Mark{Room: "a", Instance: "i1"}, flow.Mark{Room: room, Instance: "i2"})
}

// Many instances that mark the same rooms at once, and remove some of their marks, do not harm each other.
func testMarksAtOnce(t *cursorTest) {
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			handle, instance := t.handles()[i%2], fmt.Sprint("i", i)
			for j := range 20 {
				wantError(t, handle.Mark(t.Context(), instance, fmt.Sprint("room", j), fmt.Sprint("over", j/2)), nil)
			}
			told, err := handle.Marked(t.Context(), flow.Mark{}, 1000)
			wantError(t, err, nil)
			for _, m := range told {
				if m.Instance == instance && strings.HasPrefix(m.Room, "over") {
					wantError(t, handle.Unmark(t.Context(), m), nil)
				}
			}
		})
	}
	running.Wait()
	var expected []flow.Mark
	for i := range 8 {
		for j := range 20 {
			expected = append(expected, flow.Mark{Room: fmt.Sprint("room", j), Instance: fmt.Sprint("i", i)})
		}
	}
	t.wantMarks(t.allMarks(), expected...)
}
