//go:build linux

package load // what a peer says is recorded, so that no peer is needed

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
)

// Texts as Centrifuge v0.40.1 writes them, in a channel called ROOM.
const (
	centrifugeConnected = `{"id":1,"connect":{"client":"fa11ad3f-60c5-4a47-a2d0-91eddba4b5d4","ping":25,"pong":true}}`
	centrifugeJoined    = `{"id":2,"subscribe":{"recoverable":true,"epoch":"yJcQOSnl","offset":1,"positioned":true}}`
	centrifugePresence  = `{"push":{"channel":"ROOM","join":{"info":{"user":"","client":"fa11ad3f-60c5"}}}}` + "\n" +
		`{"id":3,"presence":{"presence":{"fa11ad3f-60c5":{"user":"","client":"fa11ad3f-60c5"}}}}`
	centrifugePublished = `{"push":{"channel":"ROOM","pub":{"data":{"~":0,"u":7,"text":"xx"},` +
		`"info":{"user":"","client":"fa11ad3f-60c5"},"offset":2,"epoch":"yJcQOSnl"}}}` + "\n" +
		`{"id":4,"publish":{}}` + "\n" +
		`{"push":{"channel":"ROOM","pub":{"data":{"~":0,"u":7,"text":"xx"},"offset":3}}}`
	centrifugeRecovered = `{"id":2,"subscribe":{"recoverable":true,"epoch":"yJcQOSnl","publications":[` +
		`{"data":{"~":0,"u":7,"text":"xx"},"info":{"user":"","client":"fa11ad3f-60c5"},"offset":2},` +
		`{"data":{"~":0,"u":7,"text":"xx"},"offset":3}],` +
		`"recovered":true,"offset":1,"positioned":true,"was_recovering":true}}`
)

// newPeer is a server that says, on one connection after the other, what was recorded.
func newPeer(t *testing.T, config FleetConfig, connections ...[]string) (f *Fleet, heard *int) {
	t.Helper()
	room := make(chan string, 1)
	next := 0
	addr := listen(t, func(conn net.Conn) {
		name := <-room
		room <- name
		for _, text := range connections[next] {
			_, _ = conn.Write(serverFrame(textFrame, []byte(strings.ReplaceAll(text, "ROOM", name))))
		}
		next++
	})
	config.Addrs, config.Users, config.Rooms, config.Dialect = []string{addr}, 1, 1, Centrifuge
	f, err := NewFleet(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	heard = new(int)
	f.Heard = func(u *User, author int, age time.Duration) {
		if u.Number != 0 || author != 7 || age <= 0 || age > f.Now() {
			t.Errorf("user %d heard %d, of age %v", u.Number, author, age)
		}
		*heard++
	}
	room <- f.users[0].voice.(*centrifuge).channel
	return f, heard
}

// A peer is understood: who joins, what is published, alone or with others in a frame, and what a user
// missed who comes back, from where it was.
func TestCentrifuge(t *testing.T) {
	f, heard := newPeer(t, FleetConfig{Presence: true},
		[]string{centrifugeConnected, centrifugeJoined, centrifugePresence, "{}", centrifugePublished},
		[]string{centrifugeConnected + "\n" + centrifugeRecovered})
	if err := f.Join(f.Users()); err != nil {
		t.Fatal(err)
	}
	if err := f.Until("publications", time.Minute, func() bool { return *heard == 2 }); err != nil {
		t.Fatal(err)
	}
	f.Users()[0].Drop()
	if err := f.Join(f.Users()); err != nil || *heard != 4 {
		t.Fatalf("%d publications: %v", *heard, err)
	}
	if c := f.users[0].voice.(*centrifuge); c.epoch != "yJcQOSnl" || c.offset != 3 {
		t.Errorf("stands at %s, %d", c.epoch, c.offset)
	}
}

// What a peer refuses, and what it has forgotten, are faults.
func TestCentrifuge_Faults(t *testing.T) {
	for name, text := range map[string]string{
		"error":       `{"id":4,"error":{"code":103,"message":"permission denied"}}`,
		"unsubscribe": `{"push":{"channel":"ROOM","unsubscribe":{"code":2500}}}`,
		"other room":  `{"push":{"channel":"another","pub":{"data":{"~":0,"u":7}}}}`,
		"forgotten": `{"id":2,"subscribe":{"recoverable":true,"epoch":"zzzz","offset":3,"positioned":true,` +
			`"was_recovering":true}}`,
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := newPeer(t, FleetConfig{}, []string{centrifugeConnected, centrifugeJoined, text})
			err := f.Join(f.Users())
			if err == nil {
				err = f.Until("a fault", time.Minute, func() bool { return f.Err() != nil })
			}
			if err == nil || !strings.Contains(err.Error(), "fault") {
				t.Errorf("no fault: %v", err)
			}
		})
	}
}

// command is what a client of Centrifuge may say.
type command struct {
	ID        int
	Subscribe struct {
		Channel, Epoch string
		Recover        bool
		Offset         int
	}
	Presence, Publish struct {
		Channel string
		Data    json.RawMessage
	}
}

// commands takes frames of a client apart. Their masks are zero.
func commands(t *testing.T, frames []byte) (all []command) {
	t.Helper()
	for len(frames) > 0 {
		header, size := 8, int(frames[2])<<8|int(frames[3])
		if short := int(frames[1] &^ masked); short < 126 {
			header, size = 6, short
		}
		for line := range strings.Lines(string(frames[header : header+size])) {
			var next command
			if err := json.Unmarshal([]byte(line), &next); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, next)
		}
		frames = frames[header+size:]
	}
	return all
}

// What users say are whole commands, one on a line, each with a number of its own; data has the size that
// was asked for.
func TestCentrifuge_Commands(t *testing.T) {
	f, err := NewFleet(FleetConfig{
		Addrs: []string{"127.0.0.1:1"}, Users: 1, Rooms: 1, Dialect: Centrifuge, Presence: true, Fleeting: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	u := f.users[0]
	u.blocked = true // nobody is connected
	c := u.voice.(*centrifuge)
	c.epoch, c.offset = "e", 5
	c.opened()
	u.Operate()
	u.Say()
	u.Move()
	said := commands(t, u.out)
	if len(said) != 6 {
		t.Fatalf("%d commands: %s", len(said), u.out)
	}
	for i, command := range said {
		if command.ID != i+1 {
			t.Errorf("command %d has number %d", i+1, command.ID)
		}
	}
	s := said[1].Subscribe
	if s.Channel != u.room || !s.Recover || s.Epoch != "e" || s.Offset != 5 || said[2].Presence.Channel != u.room {
		t.Errorf("subscribes by %+v", said[1:3])
	}
	for _, command := range said[3:] {
		if p := command.Publish; p.Channel != u.room || command.ID < 6 && len(p.Data) != 200 {
			t.Errorf("publishes %d bytes by %+v", len(p.Data), command)
		}
	}
}
