package flow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// returner is a transport that tells when an operation has come, and what joined said.
type returner struct {
	void

	until  uint64
	there  chan struct{}
	joined func(text []byte)
}

func (r *returner) Push(frames []*flow.Frame) (bool, error) { return false, r.Write(frames) }

func (r *returner) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		if f.Type == "joined" && r.joined != nil {
			r.joined(f.JSON)
		}
		if f.Type == "joined" && r.until == 0 || f.Type == "op" && f.Position.Seq == r.until {
			close(r.there)
		}
	}
	return nil
}

// BenchmarkHub_Enter measures a join of a new room, and the leave.
func BenchmarkHub_Enter(b *testing.B) {
	h := benchHub(b)
	b.ReportAllocs()
	for b.Loop() {
		r := &returner{there: make(chan struct{})}
		c, err := h.Connect(r, flow.Client{User: &flow.User{ID: "late"}})
		if err != nil {
			b.Fatal(err)
		}
		c.Receive([]byte(`{"type":"join","id":"1","room":"r"}`))
		<-r.there
		c.Receive([]byte(`{"type":"leave","id":"2","room":"r"}`))
		c.Done()
	}
}

// BenchmarkHub_Resume measures a return with a session and a position, until what was missed is there.
func BenchmarkHub_Resume(b *testing.B) {
	for _, missed := range []int{20, 200} {
		b.Run(fmt.Sprint("missed=", missed), func(b *testing.B) { benchmarkResume(b, missed) })
	}
}

func benchmarkResume(b *testing.B, missed int) {
	b.Helper()
	h := benchHub(b)
	user := flow.User{ID: "late"}
	var joined struct{ Resume, Position string }
	first := &returner{there: make(chan struct{}), joined: func(text []byte) {
		if err := json.Unmarshal(text, &joined); err != nil {
			b.Error(err)
		}
	}}
	c, err := h.Connect(first, flow.Client{User: &user})
	if err != nil {
		b.Fatal(err)
	}
	c.Receive([]byte(`{"type":"join","id":"1","room":"r"}`))
	<-first.there
	c.Done()
	data := json.RawMessage(`"` + strings.Repeat("x", 198) + `"`)
	for range missed {
		if _, err := h.Submit(b.Context(), "r", flow.User{ID: "ann"}, "", data); err != nil {
			b.Fatal(err)
		}
	}
	join := fmt.Appendf(nil, `{"type":"join","id":"1","room":"r","resume":%q,"position":%q}`,
		joined.Resume, joined.Position)
	b.ReportAllocs()
	b.SetBytes(int64(missed * len(data)))
	for b.Loop() {
		r := &returner{until: uint64(missed), there: make(chan struct{})}
		c, err := h.Connect(r, flow.Client{User: &user})
		if err != nil {
			b.Fatal(err)
		}
		c.Receive(join)
		<-r.there
		c.Done()
	}
}
