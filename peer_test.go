package flow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}

// watched is two instances on Redis with a client each in one room, and somebody who publishes on their
// channels.
type watched struct {
	*testing.T

	redis    *redis.Client
	prefix   string
	lines    *lines
	two      *flow.Hub
	ann, bob *client
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{T: t, redis: shared.Server(t).Client(t), prefix: redistest.Prefix(t), lines: &lines{}}
	cfg := flow.Config{
		Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
		Logger:  slog.New(slog.NewTextHandler(w.lines, nil)),
		Limits:  flow.Limits{Participants: 100_000},
	}
	cfg.Instance = "one"
	one := newHub(t, onRedis(t, cfg, w.prefix))
	cfg.Instance = "two"
	w.two = newHub(t, onRedis(t, cfg, w.prefix))
	w.ann, w.bob = dial(t, one, "ann"), dial(t, w.two, "bob")
	w.ann.join("r")
	w.bob.join("r")
	return w
}

// publish sends bytes on a channel of the bus, or of a log.
func (w *watched) publish(channel string, payload string) {
	w.Helper()
	if err := w.redis.Publish(w.Context(), w.prefix+":"+channel, payload).Err(); err != nil {
		w.Fatalf("publish: %v", err)
	}
}

// wantWell checks that both are where they were: whatever has come is as the contract has it, both are
// still there, and operations, events and presence go both ways.
func (w *watched) wantWell(n int) {
	w.Helper()
	w.ann.op("r", n, map[string]any{"n": n})
	w.bob.find(func(m msg) bool { return m.str("type") == "op" && m.num("n") == int64(n) })
	w.bob.request(msg{"type": "presence", "room": "r", "data": msg{"step": n}})
	w.ann.find(func(m msg) bool {
		text, _ := json.Marshal(m)
		return m.str("type") == "presence" && bytes.Contains(text, fmt.Appendf(nil, `"step":%d`, n))
	})
	w.hello(w.bob, w.ann, n)
	w.hello(w.ann, w.bob, n)
	for _, c := range []*client{w.ann, w.bob} {
		for frame := range strings.Lines(c.transcript()) {
			if frame != "\n" && (!json.Valid([]byte(frame)) || !utf8.ValidString(frame)) {
				w.Errorf("a broken frame came: %q", frame)
			}
			if strings.Contains(frame, "evil") {
				w.Errorf("what nobody may send came: %s", frame)
			}
		}
	}
	if n := w.lines.count("panic"); n > 0 {
		w.Errorf("%d panics were logged", n)
	}
}

// hello sends an event until it arrives: a client with a full queue is left out. What was published before has then
// come there.
func (w *watched) hello(from, to *client, n int) {
	w.Helper()
	limit := time.After(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		from.request(msg{"type": "event", "room": "r", "name": "hello", "data": n})
		select {
		case <-again.C:
		case <-limit:
			w.Fatalf("no event came within %v", patience)
		}
		if _, ok := to.poll(func(m msg) bool { return m.str("name") == "hello" && m.num("data") == int64(n) }); ok {
			return
		}
	}
}

// presenceOf wraps a presence frame of the room.
func presenceOf(members string) string {
	return `[{"k":"presence","frame":{"type":"presence","room":"r",` + members + `}}]`
}

// hostilePayloads are what no instance would publish, after the line with its name.
func hostilePayloads() []string {
	evil := `{"session":"s1","user":"evil","profile":{"color":"#000000"},"presence":{},"joined":1}`
	return []string{
		"", "null", "{}", "[", "[{]", `[{"k":"presence"`, "[null]", "[1]", `["x"]`, `[{"k":7}]`, `[{"k":"evil"}]`,
		`[{"k":"presence"}]`, `[{"k":"list","frame":null}]`, `[{"k":"sync","frame":[]}]`,
		`[{"k":"event","frame":"evil"}]`,
		"[{\"k\":\"event\",\"frame\":{\"type\":\"event\",\"room\":\"r\",\"name\":\"evil\xff\",\"data\":1}}]",
		`[{"k":"event","frame":{"type":"bye","room":"r","reason":"evil"}}]`,
		`[{"k":"event","frame":{"type":"event","room":"other","name":"evil","data":1}}]`,
		`[{"k":"event","frame":{"type":"event","room":"r","name":"","data":"evil"}}]`,
		`[{"k":"event","frame":{"type":"event","room":"r","name":"evil","session":"a b"}}]`,
		`[{"k":"event","frame":{"type":"event","room":"r","name":"` + strings.Repeat("evil", 40) + `"}}]`,
		`[{"k":"event","frame":{"type":"event","room":"r","name":"evil","data":` + strings.Repeat("[", 9000) + `}}]`,
		`[{"k":"event","frame":{"type":"event","room":"r","name":"evil","data":1e99999999}}]`,
		`[{"k":"user","user":"ann","frame":{"type":"bye","name":"evil"}}]`,
		`[{"k":"user","user":"ann","frame":{"type":"event","room":"r","name":"evil"}}]`,
		`[{"k":"presence","frame":{"type":"op","room":"r","evil":1}}]`,
		`[{"k":"list","frame":{"type":"presence","room":"other","join":[` + evil + `]}}]`,
		presenceOf(`"join":"evil"`), presenceOf(`"join":[{"session":"` + strings.Repeat("evil", 99) + `","user":"u"}]`),
		presenceOf(`"join":[{"session":"s 1","user":"evil"}]`), presenceOf(`"join":[{"session":"s1","user":""}]`),
		presenceOf(`"join":[{"session":"s1","user":"evil","joined":-1}]`),
		presenceOf(`"join":[{"session":"s1","user":"u","presence":{"evil":"` + strings.Repeat("x", 100<<10) + `"}}]`),
		presenceOf(`"join":[{"session":"s1","user":"u","profile":{"name":"` + strings.Repeat("evil", 9999) + `"}}]`),
		presenceOf(`"update":{"unknown":{"evil":1}}`), presenceOf(`"update":{"s1":"evil"}`), presenceOf(`"update":[1]`),
		presenceOf(`"leave":[{"session":"s1","reason":"evil"}]`),
		presenceOf(`"leave":[{"session":"<evil>","reason":"left"}]`),
		presenceOf(`"leave":{"evil":1}`),
		`[{"k":"kick"},{"k":"kickuser"},{"k":"take"},{"k":"have"},{"k":"ack"},{"k":"over"},{"k":"take","room":"r"}]`,
		`[{"k":"kick","room":"\u0000","session":"evil"},{"k":"take","room":"r","session":"*"}]`,
		`[{"k":"kickuser","user":"*"}]`,
		"[" + strings.Repeat(`{"k":"sync","frame":{"type":"presence","room":"r"}},`, 2000) + "{}]",
		strings.Repeat("x", 100<<10), "\x00\xff\xfe", "<script>evil</script>",
	}
}

// Whatever somebody publishes on the channels of the instances, nobody gets a broken frame, nobody is closed,
// nothing panics, and it is told in few lines (I6).
func TestPeer_Hostile(t *testing.T) {
	w := newWatched(t)
	w.wantWell(1)
	long := strings.Repeat("x", 65) + "\n"
	for _, sender := range []string{"mallory\n", "two\n", "", "\n", long, "evil\x00\n", "\xff\n"} {
		for _, payload := range hostilePayloads() {
			for _, channel := range []string{"bus:room.r", "bus:hub", "{r}:feed"} {
				w.publish(channel, sender+payload)
			}
		}
	}
	w.wantWell(2)
	if n := w.lines.count("no instance would send"); n < 1 || n > 4 {
		t.Errorf("%d lines about it, want one of each instance and minute", n)
	}
}

// A forged participant is shown as what follows from its user: a colour is no place for code, and fields that
// the contract does not know do not go on (I6).
func TestPeer_Forged(t *testing.T) {
	w := newWatched(t)
	w.publish("bus:room.r", "mallory\n"+presenceOf(`"evil":1,"type":"presence","JOIN":[{"session":"s1","user":"mal",
		"profile":{"color":"red;background:url(//evil)","evil":2},"presence":{"x":1,"x":2},"evil":3,"joined":5}]`))
	shown := w.ann.find(func(m msg) bool {
		text, _ := json.Marshal(m)
		return m.str("type") == "presence" && bytes.Contains(text, []byte(`"mal"`))
	})
	text, _ := json.Marshal(shown)
	if !bytes.Contains(text, []byte(`"color":"`+flow.User{ID: "mal"}.Profile().Color+`"`)) {
		t.Errorf("shown %s, want the colour of the user", text)
	}
	w.wantWell(1)
}

// More instances than there may be, that nobody knows, each with participants, are taken up to a bound; those that
// were known before go on (I9).
func TestPeer_Crowd(t *testing.T) {
	w := newWatched(t)
	w.wantWell(1)
	const strangers = 1500
	_, err := w.redis.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range strangers {
			p.Publish(t.Context(), w.prefix+":bus:room.r", fmt.Sprintf("stranger-%d\n", i)+
				presenceOf(fmt.Sprintf(`"join":[{"session":"a%d","user":"u"},{"session":"b%d","user":"u"}]`, i, i)))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("publish: %v", err)
	}
	w.wantWell(2)
	late := dial(t, w.two, "carol")
	list, _ := late.join("r")["participants"].([]any)
	if len(list) < 100 || len(list) > 2*1024+3 {
		t.Errorf("%d participants, want those of at most 1024 instances", len(list))
	}
	w.wantWell(3)
}

// A room whose stream and head somebody has filled with garbage is healed or stays in trouble alone: the rooms
// beside it, and the instances, stay live, what is asked of Redis stays little, and to delete it heals it (I6).
func TestPeer_PoisonedLog(t *testing.T) {
	w := newWatched(t)
	w.wantWell(1)
	sick := []*client{dial(t, w.two, "carol"), dial(t, w.two, "dave")}
	for _, c := range sick {
		c.join("sick")
	}
	sick[0].op("sick", 1, "x")
	sick[1].expect("op")
	key := func(name string) string { return w.prefix + ":{sick}:" + name }
	w.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: key("ops"), ID: "2-0", Values: []string{"evil", "evil"}})
	w.redis.XAdd(t.Context(), &redis.XAddArgs{Stream: key("ops"), ID: "3-0", Values: []string{
		"session", "s", "n", "1", "user", "evil\xff", "time", "1", "hash", "00000000000000ff", "data", "{evil"}})
	w.redis.HSet(t.Context(), key("head"), "seq", "3", "hash", "00000000000000ff", "base", "nan")
	sick[0].op("sick", 2, "y")
	w.wantWell(2)

	w.redis.Del(t.Context(), key("head"))
	w.redis.RPush(t.Context(), key("head"), "evil")
	sick[0].op("sick", 3, "z")
	before := len(w.transcriptOf(sick...))
	w.wantWell(3)
	if state := w.two.State(); state == flow.Degraded {
		t.Error("the instance is degraded, because of one room")
	}
	if strings.Contains(w.transcriptOf(w.ann, w.bob), `"type":"state"`) {
		t.Errorf("those in another room were told of it: %s", w.transcriptOf(w.ann, w.bob))
	}
	if err := w.two.DeleteRoom(t.Context(), "sick"); err != nil {
		t.Fatalf("DeleteRoom: %v", err)
	}
	for _, c := range sick {
		c.expect("left")
	}
	if strings.Contains(w.transcriptOf(sick...), "evil") {
		t.Errorf("garbage of the log came: %s", w.transcriptOf(sick...)[before:])
	}
	w.redis.Del(t.Context(), key("gone")) // its time is over
	w.wantWell(4)
	if n := w.lines.count("room=sick"); n > 40 {
		t.Errorf("%d lines about the room", n)
	}
}

func (w *watched) transcriptOf(clients ...*client) (all string) {
	for _, c := range clients {
		all += c.transcript()
	}
	return all
}
