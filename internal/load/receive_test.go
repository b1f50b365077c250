package load // what a server does wrong is easier said than done

import (
	"strings"
	"testing"
)

const goodHash = "0123456789abcdef"

// newListener returns a client that has joined room r at seq 4, and is on no connection.
func newListener() *client {
	c := &Crowd{}
	c.ages.Store(&Histogram{})
	user := newClient(c, &room{id: "r"}, "")
	user.seq.Store(4)
	return user
}

// operation is one of room r as the server writes it.
func operation(seq string) string {
	return `{"type":"op","room":"r","seq":` + seq + `,"hash":"` + goodHash +
		`","session":"s","n":1,"user":"u","time":1,"data":{"sent":0,"text":"x"}}`
}

// The next operation is counted; one too early, too late or of another room is a fault, and so is
// every word of a server that is not well. I2, I6, I13
func TestClient_Take(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		count  int64
		faults int
	}{
		"next":         {operation("5"), 1, 0},
		"gap":          {operation("6"), 0, 1},
		"repeated":     {operation("4"), 0, 1},
		"other room":   {strings.Replace(operation("5"), `"r"`, `"s"`, 1), 0, 1},
		"without hash": {`{"type":"op","room":"r","seq":5}`, 0, 1},
		"nack":         {`{"type":"nack","room":"r","n":1,"code":"gap","last":0,"message":"m"}`, 0, 1},
		"rewind":       {`{"type":"rewind","room":"r","position":"1:` + goodHash + `","reason":"repair"}`, 0, 1},
		"degraded":     {`{"type":"state","state":"degraded","scope":"instance","since":1}`, 0, 1},
		"bye":          {`{"type":"bye","code":"slow","reconnect":0}`, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			user := newListener()
			user.take([]byte(c.text))
			if n := user.crowd.ages.Load().Count(); n != c.count || user.crowd.faults != c.faults {
				t.Errorf("counted %d, want %d, with %d faults: %v", n, c.count, c.faults, user.crowd.Err())
			}
		})
	}
}

// Who joins stands where the server says only if that is where they were. I4
func TestClient_TakeJoined(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		good bool
	}{
		"there":        {`{"resumed":false,"n":2,"position":"4:` + goodHash + `"}`, true},
		"resumed":      {`{"resumed":true,"n":2,"position":"4:` + goodHash + `"}`, false},
		"elsewhere":    {`{"resumed":false,"n":2,"position":"3:` + goodHash + `"}`, false},
		"forgotten":    {`{"resumed":false,"n":0,"position":"4:` + goodHash + `"}`, false},
		"bad position": {`{"resumed":false,"n":2,"position":"four"}`, false},
		"bad":          {`{`, false},
	} {
		t.Run(name, func(t *testing.T) {
			user := newListener()
			user.n = 2
			if err := user.takeJoined([]byte(c.text)); (err == nil) != c.good {
				t.Errorf("takeJoined = %v, want good %v", err, c.good)
			}
		})
	}
}
