package outage_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// bench is a model without a server.
type bench struct {
	*model
	sent []string
}

func newBench() *bench {
	b := &bench{}
	b.model = newModel("a", "plan", newLedger(), func(text string) { b.sent = append(b.sent, text) })
	b.now = time.Now()
	return b
}

// hears takes messages of a server. In them Z is the position of an empty log.
func (b *bench) hears(texts ...string) {
	for _, text := range texts {
		list, err := messages([]byte(strings.ReplaceAll(text, "Z", flow.Position{}.String())))
		if err != nil {
			panic(err)
		}
		for _, m := range list {
			b.take(m)
		}
	}
}

// joins joins the room as session s.
func (b *bench) joins(more string) {
	b.connected()
	b.tick()
	joined := `{"type":"joined","id":%q,"room":"plan","session":"s","resume":"t","head":"Z","state":"live"%s}`
	b.hears(fmt.Sprintf(joined, b.join, more))
}

const fresh = `,"resumed":false,"position":"Z","n":0`

// follows returns the op that comes next in the stream.
func (b *bench) follows(session string, n int, data string) string {
	b.ledger.posted[data] = true // somebody sent it
	hash := linked(b.position.Hash, session, uint64(n), []byte(data))
	op := `{"type":"op","room":"plan","seq":%d,"hash":%q,"session":%q,"n":%d,"user":"u","time":1,"data":%s}`
	return fmt.Sprintf(op, b.position.Seq+1, hash, session, n, data)
}

// resent returns the n of what was sent last.
func (b *bench) resent() (ns []int) {
	text := b.sent[len(b.sent)-1]
	list, err := messages([]byte(text))
	if err != nil || list[0].Type != "op" {
		panic(text)
	}
	for _, m := range list {
		ns = append(ns, int(*m.N))
	}
	return ns
}

// The model sees what a server must not do. I1, I2, I4, I7
func TestJudge_breaches(t *testing.T) {
	op := `{"type":"op","room":"plan","seq":1,"hash":"%s","session":"x","n":1,"user":"u","time":1,"data":1}`
	right := linked(0, "x", 1, []byte("1"))
	for name, c := range map[string]struct {
		want string
		does func(*bench)
	}{
		"nothing wrong": {"", func(b *bench) { b.ledger.post("1"); b.hears(fmt.Sprintf(op, right)) }},
		"wrong hash": {"I2", func(b *bench) {
			b.ledger.post("1")
			b.hears(fmt.Sprintf(op, strings.Repeat("0", 16)))
		}},
		"never sent": {"I1", func(b *bench) { b.hears(fmt.Sprintf(op, right)) }},
		"a seq missing": {"I2", func(b *bench) {
			b.hears(strings.Replace(b.follows("x", 1, "1"), `"seq":1`, `"seq":2`, 1))
		}},
		"twice": {"I2", func(b *bench) {
			text := b.follows("x", 1, "1")
			b.hears(text, text)
		}},
		"another room":    {"I6", func(b *bench) { b.hears(`{"type":"queued","room":"other","n":1}`) }},
		"another session": {"I7", func(b *bench) { b.session = "r"; b.joins(`,"resumed":true,"position":"Z"`) }},
		"another place": {"I4", func(b *bench) {
			b.hears(b.follows("x", 1, "1"))
			b.joins(`,"resumed":true,"position":"Z"`)
		}},
		"no reason":       {"I4", func(b *bench) { b.joins(fresh) }},
		"n of the future": {"I1", func(b *bench) { b.joins(`,"resumed":true,"position":"Z","n":1`) }},
		"replaced":        {"I7", func(b *bench) { b.hears(`{"type":"left","room":"plan","reason":"replaced"}`) }},
		"late tentative": {"I2", func(b *bench) {
			b.hears(b.follows("x", 1, "1"))
			b.hears(`{"type":"tentative","room":"plan","session":"x","n":1,"user":"u","data":1}`)
		}},
		"late answer": {"I8", func(b *bench) {
			b.submit("1")
			b.now = b.now.Add(time.Hour)
			b.hears(`{"type":"queued","room":"plan","n":1}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.joins(fresh)
			c.does(b)
			got := strings.Join(b.ledger.breaches, "; ")
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("breaches %q, want %q", got, c.want)
			}
		})
	}
}

// The model sends again what the protocol asks for, in order, and nothing else.
func TestJudge_resends(t *testing.T) {
	b := newBench()
	b.joins(fresh)
	for _, data := range []string{"1", "2", "3", "4"} {
		b.submit(data)
	}
	b.hears(`{"type":"nack","room":"plan","n":2,"code":"gap","last":1,"message":""}`)
	want := func(what string, ns ...int) {
		t.Helper()
		if got := b.resent(); !slices.Equal(got, ns) {
			t.Errorf("after %s: sent %v, want %v", what, got, ns)
		}
	}
	want("gap", 2, 3, 4)
	sent := len(b.sent)
	b.hears(`{"type":"nack","room":"plan","n":3,"code":"gap","last":1,"message":""}`)
	if len(b.sent) != sent {
		t.Error("a nack of an earlier sending was answered")
	}
	b.hears(`{"type":"nack","room":"plan","n":2,"code":"unavailable","last":1,"retryAfter":100,"message":""}`)
	b.submit("5")
	b.tick()
	if len(b.sent) != sent {
		t.Error("sent while it had to wait")
	}
	b.now = b.now.Add(100 * time.Millisecond)
	b.tick()
	want("unavailable", 1, 2, 3, 4, 5)
	b.hears(b.follows("s", 1, "1"))
	b.hears(b.follows("s", 2, "2"))
	one := b.log[0].Position()
	b.joins(fmt.Sprintf(`,"resumed":true,"position":%q,"n":3`, b.position))
	want("joined", 4, 5)
	b.hears(fmt.Sprintf(`{"type":"rewind","room":"plan","position":%q,"reason":"repair"}`, one))
	want("rewind", 2, 3, 4, 5)
	b.hears(b.follows("s", 2, "2"))
	b.joins(fmt.Sprintf(`,"resumed":true,"position":%q,"n":0`, b.position))
	want("a log that lost everything", 1, 2, 3, 4, 5)
	if len(b.ledger.breaches) > 0 {
		t.Error(b.ledger.breaches)
	}
}

// The ledger sees what is wrong with a log. I1, I3, I14
func TestJudge_audit(t *testing.T) {
	op := func(session string, n int, data string) flow.Operation {
		return flow.Operation{Session: session, N: uint64(n), Data: json.RawMessage(data)}
	}
	a1, a2, b1 := op("a", 1, `"a1"`), op("a", 2, `"a2"`), op("b", 1, `"b1"`)
	for name, c := range map[string]struct {
		want string
		log  []flow.Operation
	}{
		"right":              {"", []flow.Operation{a1, a2, b1}},
		"confirmed is lost":  {"I1", []flow.Operation{a2, b1}},
		"queued is lost":     {"I14", []flow.Operation{a1, b1}},
		"twice":              {"I1", []flow.Operation{a1, a2, b1, a1}},
		"other bytes":        {"I1", []flow.Operation{op("a", 1, `"a2"`), a2, b1}},
		"never sent":         {"I1", []flow.Operation{a1, a2, b1, op("c", 1, "1")}},
		"order of a session": {"I3", []flow.Operation{a2, a1, b1}},
		"order in time":      {"I3", []flow.Operation{b1, a1, a2}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			l.send(opID{"a", 1}, `"a1"`)
			l.send(opID{"a", 2}, `"a2"`)
			l.queue([]opID{{"a", 2}})
			l.confirm(opID{"a", 1})
			l.send(opID{"b", 1}, `"b1"`)
			for i := range c.log {
				c.log[i].Seq = uint64(i) + 1
			}
			l.audit(c.log, nil)
			got := strings.Join(l.breaches, "; ")
			if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want+": ") {
				t.Errorf("breaches %q, want %q", got, c.want)
			}
		})
	}
}
