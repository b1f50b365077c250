package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	crashRooms  = 4
	crashBlocks = 30 // requests of a room
	crashBlock  = 6  // operations of a request

	crashAll = crashBlock * (crashRooms*crashBlocks + 2) // operations in the end
)

// entry is an operation as REST tells it.
type entry struct {
	Seq     uint64          `json:"seq"`
	Hash    string          `json:"hash"`
	Session string          `json:"session"`
	N       uint64          `json:"n"`
	User    string          `json:"user"`
	Time    int64           `json:"time"`
	Data    json.RawMessage `json:"data"`
}

// writers post operations, each again until it is confirmed, also over restarts of the program.
type writers struct {
	t         *testing.T
	url       string
	name      string // of what they write now
	confirmed atomic.Int64
	done      sync.WaitGroup
}

// write posts the blocks of a room.
func (w *writers) write(room string, blocks int) {
	for i := range blocks {
		key, ops := fmt.Sprint(w.name, ".", i), []string{}
		for n := range crashBlock {
			ops = append(ops, fmt.Sprintf(`{"data":{"id": "%s.%d", "text":"é \u00e9 %s"}}`,
				key, n, strings.Repeat("x", 200)))
		}
		body := `{"operations":[` + strings.Join(ops, ",") + `]}`
		for !w.post(room, key, body) {
			select {
			case <-time.After(20 * time.Millisecond): // the program may be away
			case <-w.t.Context().Done():
				return
			}
		}
		w.confirmed.Add(crashBlock)
	}
}

// post reports whether the operations are confirmed.
func (w *writers) post(room, key, body string) bool {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+room+"/operations",
		strings.NewReader(body))
	if err != nil {
		w.t.Error(err)
		return true
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusCreated
}

// logOf returns what a room's log has.
func logOf(t *testing.T, url, room string) []entry {
	t.Helper()
	var all []entry
	for {
		page := pageOf(t, fmt.Sprintf("%s%s/operations?limit=200&after=%d", url, room, len(all)))
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

func pageOf(t *testing.T, url string) []entry {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var page struct{ Operations []entry }
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return page.Operations
}

// eventually polls.
func eventually(t *testing.T, what string, right func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !right() {
		if time.Now().After(deadline) {
			t.Fatalf("not so in time: %s", what)
		}
		<-tick.C
	}
}

// moments are when the program is killed: at once when so many operations are confirmed, or as soon as it
// writes to its file after that, if there is anything left to write.
func moments(p *process, confirmed *atomic.Int64) []func() bool {
	written := func() string {
		info, err := os.Stat(p.file + "-wal")
		if err != nil {
			return "nothing"
		}
		return fmt.Sprint(info.Size(), info.ModTime()) // the space of what was moved on is used again
	}
	reached := func(count int64) func() bool { return func() bool { return confirmed.Load() >= count } }
	writing := func(count int64) func() bool {
		before := ""
		return func() bool {
			now := confirmed.Load()
			if now < count {
				return false
			}
			if before == "" {
				before = written()
			}
			return written() != before || now == crashAll
		}
	}
	return []func() bool{reached(1), writing(90), reached(210), writing(330), reached(450), writing(540)}
}

// Whenever the program is killed: in the end its file has every confirmed operation of every room once, in
// the log's order, byte by byte; also of rooms that nobody uses any more.
func TestArchive_Killed(t *testing.T) {
	p := start(t, redis.Server(t))
	w := &writers{t: t, url: p.url}
	w.done.Go(func() { w.write("left", 2) })
	rooms := []string{"left"}
	for i := range crashRooms {
		room := fmt.Sprint("plan-", i)
		rooms = append(rooms, room)
		w.done.Go(func() { w.write(room, crashBlocks) })
	}
	for i, now := range moments(p, &w.confirmed) {
		eventually(t, fmt.Sprint("moment ", i), now)
		p.kill()
		p.run()
	}
	w.done.Wait()

	reader := p.reader()
	logs := map[string][]entry{}
	for _, room := range rooms {
		logs[room] = logOf(t, p.url, room)
		eventually(t, room+" is in the archive", func() bool { return len(reader.rows(t, room)) >= len(logs[room]) })
	}
	p.stop()
	total := 0
	for room, want := range logs {
		total += len(want)
		sameRows(t, room, reader.rows(t, room), want)
	}
	if total != crashAll {
		t.Errorf("the logs have %d operations, want %d", total, crashAll)
	}
	for _, table := range []string{"replaced", "missed"} {
		if got := reader.count(t, table); got != 0 {
			t.Errorf("%s has %d rows, want none", table, got)
		}
	}
}

// sameRows compares the rows of a room with its log.
func sameRows(t *testing.T, room string, got, want []entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d rows, want %d", room, len(got), len(want))
		return
	}
	for i := range want {
		data := bytes.Equal(got[i].Data, want[i].Data)
		got[i].Data, want[i].Data = nil, nil
		if a, b := fmt.Sprint(got[i]), fmt.Sprint(want[i]); a != b || !data || want[i].Seq != uint64(i)+1 {
			t.Errorf("row %d of %s is %s, want %s, equal data: %v", i, room, a, b, data)
		}
	}
}
