package conformance

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/fiberflow/flow"
)

func writerCases() []logCase {
	return []logCase{
		{name: "many", run: testWriters},
		{name: "of one session", run: testWritersOfOneSession},
		{name: "with readers", run: testWritersAndReaders},
	}
}

// writer appends batches of random size, of two sessions, through both handles, each with the newest
// position that it knows as fence. It returns what was confirmed, in the order it learned so.
func (t *logTest) writer(number uint64, batches int) []flow.Operation {
	random := rand.New(rand.NewPCG(number, 2))
	next := map[string]uint64{fmt.Sprint("a", number): 1, fmt.Sprint("b", number): 1}
	var placed []flow.Operation
	var fence flow.Position
	for range batches {
		var batch []flow.Operation
		for range 1 + random.IntN(8) {
			session := fmt.Sprint([]string{"a", "b"}[random.IntN(2)], number)
			batch = append(batch, op(session, next[session]))
			next[session]++
		}
		log := []flow.Log{t.one, t.other}[random.IntN(2)]
		answers, err := log.Append(t.Context(), room, flow.Batch{Fence: fence, Operations: batch})
		if err != nil {
			t.Errorf("Append: %v", err)
			return placed
		}
		for i, a := range answers {
			if a.Status != flow.Confirmed {
				t.Errorf("%s, %d: %+v, want confirmed", batch[i].Session, batch[i].N, a)
				return placed
			}
			batch[i].Seq, batch[i].Hash = a.Seq, a.Hash
		}
		placed = append(placed, batch...)
		fence = placed[len(placed)-1].Position()
	}
	return placed
}

// writers runs several writers at once and returns what each had confirmed.
func (t *logTest) writers(count, batches int) [][]flow.Operation {
	placed := make([][]flow.Operation, count)
	var running sync.WaitGroup
	for i := range count {
		running.Go(func() { placed[i] = t.writer(uint64(i), batches) })
	}
	running.Wait()
	return placed
}

// What many writers have confirmed at once is in the log once and as it was sent, at the places that
// they were told, and nothing else is (I1); what one learned to be confirmed stands before what it sent
// afterwards (I3).
func testWriters(t *logTest) {
	total := 0
	log := func() map[uint64]flow.Operation {
		bySeq := make(map[uint64]flow.Operation)
		for _, o := range t.all() {
			bySeq[o.Seq] = o
		}
		return bySeq
	}
	placed := t.writers(8, 40)
	bySeq := log()
	for _, list := range placed {
		total += len(list)
		last := uint64(0)
		for _, o := range list {
			if !sameOperation(bySeq[o.Seq], o) {
				t.Fatalf("the log has %+v at %d, confirmed was %+v", bySeq[o.Seq], o.Seq, o)
			}
			if o.Seq <= last {
				t.Fatalf("%s, %d is at %d, what was sent before it at %d", o.Session, o.N, o.Seq, last)
			}
			last = o.Seq
		}
	}
	want(t, "length of the log", len(bySeq), total)
}

// When several resend the same session's operations at once, each is in the log once and in the order
// of n, however they overtake each other (I1, I3).
func testWritersOfOneSession(t *logTest) {
	const count = 60
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			log := []flow.Log{t.one, t.other}[i%2]
			for n := uint64(1); n <= count; {
				batch := flow.Batch{Operations: ops("a", n, min(n+uint64(i), count))}
				answers, err := log.Append(t.Context(), room, batch)
				if err != nil {
					t.Errorf("Append: %v", err)
					return
				}
				n = answers[len(answers)-1].Last + 1
			}
		})
	}
	running.Wait()
	list := t.all()
	want(t, "length of the log", len(list), count)
	for i, o := range list {
		want(t, "n", o.N, uint64(i)+1)
	}
}

// Readers that go from page to page while others write see one order, linked at every step (I2), and
// followers hear the same.
func testWritersAndReaders(t *logTest) {
	listener := t.follow(t.other)
	done := make(chan struct{})
	var reading sync.WaitGroup
	for i := range 2 {
		reading.Go(func() { t.readUntil(done, []flow.Log{t.one, t.other}[i]) })
	}
	t.writers(4, 40)
	close(done)
	reading.Wait()
	listener.hears(t.all()...)
}

// readUntil reads on from page to page until done, and then to the head.
func (t *logTest) readUntil(done <-chan struct{}, log flow.Log) {
	var at flow.Position
	for last := false; ; {
		page, err := log.Read(t.Context(), room, flow.Query{After: at, Limit: 10})
		if err != nil {
			t.Errorf("Read after %v: %v", at, err)
			return
		}
		for _, o := range page.Operations {
			if !o.Follows(at) {
				t.Errorf("%v does not follow %v", o.Position(), at)
				return
			}
			at = o.Position()
		}
		if last && at == page.Head {
			return
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
}
