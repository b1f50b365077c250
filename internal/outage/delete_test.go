package outage_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// A room that was deleted stays so when Redis forgets that: flushed, back empty, or back with what it
// had before. A tombstone wins over any ring. I1
func TestDeleted(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(w *world, backup string)
	}{
		{"flushed", func(w *world, _ string) { w.must(w.client().FlushAll(w.t.Context()).Err()) }},
		{"back empty", func(w *world, _ string) { w.redis.Kill(w.t); w.redis.RestartEmpty(w.t) }},
		{"back with an older copy", func(w *world, backup string) {
			w.redis.Kill(w.t)
			w.redis.RestartFrom(w.t, backup)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redistest.AppendOnly())
			for range 2 {
				w.add(false, nil)
			}
			w.people(2)
			w.write(10)
			backup := w.redis.Backup(t)
			if status, text, err := w.call(w.instance(0), http.MethodDelete, "/rooms/"+w.room, ""); err != nil ||
				status != http.StatusNoContent {
				t.Fatalf("delete: %d %s %v", status, text, err)
			}
			w.every("was told of the end", func(m *model) bool { return m.deleted })
			c.lose(w, backup)
			w.live()
			for i := range w.all() {
				w.staysDeleted(i)
			}
			w.tell()
		})
	}
}

// staysDeleted checks that nothing of the room can be had from the instance, by anybody, as soon as
// the tombstone is back.
func (w *world) staysDeleted(i int) {
	w.t.Helper()
	late := w.open("late", i)
	w.eventually("a newcomer is refused", func() bool {
		return late.is(func(m *model) bool { return m.deleted })
	})
	late.close()
	status, text, err := w.call(w.instance(i), http.MethodGet, "/rooms/"+w.room+"/operations", "")
	w.must(err)
	var refusal struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if err := json.Unmarshal(text, &refusal); err != nil || refusal.Error.Code != "room_deleted" {
		w.t.Errorf("instance %d: operations of a deleted room: %d %.100s", i, status, text)
	}
}
