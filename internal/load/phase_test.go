package load // what a server says in an outage is easier said than done

import "testing"

// trouble returns a client that has joined room r at seq 4 as session s, and has sent three operations
// in a phase.
func trouble() (user *client, phase *Phase) {
	user = newListener()
	user.own = []byte(`","session":"s","n":`)
	phase = user.crowd.Begin()
	for n := range uint64(3) {
		user.asked.ask(n+1, phase)
	}
	return user, phase
}

// The first word about an operation is counted, in the phase in which it was sent, and none after it. I8
func TestClient_Trouble(t *testing.T) {
	const tentative = `{"type":"tentative","room":"r","session":"t","n":1,"user":"u","data":1}`
	queued := func(n string) string { return `{"type":"queued","room":"r","n":` + n + `}` }
	nack := func(n string) string {
		return `{"type":"nack","room":"r","n":` + n + `,"code":"gap","last":0,"message":"m"}`
	}
	for name, c := range map[string]struct {
		texts                      []string
		confirmed, queued, refused int64
		waiting                    bool
		taken                      uint64
	}{
		"nothing":                  {nil, 0, 0, 0, true, 0},
		"queued":                   {[]string{queued("3")}, 0, 3, 0, false, 3},
		"queued, then its place":   {[]string{queued("3"), operation("5")}, 0, 3, 0, false, 3},
		"its place, then queued":   {[]string{operation("5"), queued("3")}, 1, 2, 0, false, 3},
		"queued again":             {[]string{queued("2"), queued("2"), queued("3")}, 0, 3, 0, false, 3},
		"refused":                  {[]string{queued("2"), nack("3")}, 0, 2, 1, false, 2},
		"refused before others":    {[]string{nack("3"), nack("2")}, 0, 0, 2, true, 0},
		"refused, then all queued": {[]string{nack("3"), queued("2")}, 0, 2, 1, false, 2},
		"of nothing that was sent": {[]string{nack("9")}, 0, 0, 0, true, 0},
		"somebody else's":          {[]string{tentative}, 0, 0, 0, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			user, phase := trouble()
			user.crowd.Begin() // what is answered now counts in the phase before
			for _, text := range c.texts {
				user.take([]byte(text))
			}
			if err := user.crowd.Err(); err != nil {
				t.Error(err)
			}
			got := [...]int64{phase.Confirmed.Load(), phase.Queued.Load(), phase.Refused.Load()}
			if want := [...]int64{c.confirmed, c.queued, c.refused}; got != want {
				t.Errorf("confirmed, queued, refused: %v, want %v", got, want)
			}
			if n := phase.Operations.Count(); n != c.confirmed+c.queued+c.refused {
				t.Errorf("%d were timed", n)
			}
			if user.asked.waiting() != c.waiting || user.asked.lastTaken() != c.taken {
				t.Errorf("waiting %v, taken %d", user.asked.waiting(), user.asked.lastTaken())
			}
		})
	}
}

// A client is live when both the instance and its room are.
func TestClient_Told(t *testing.T) {
	user, _ := trouble()
	for i, c := range []struct {
		text string
		live bool
	}{
		{`{"type":"state","state":"degraded","scope":"instance","since":1}`, false},
		{`{"type":"state","room":"r","state":"recovering","scope":"instance","since":1}`, false},
		{`{"type":"state","state":"live","scope":"instance","since":1}`, false},
		{`{"type":"state","room":"r","state":"live","scope":"instance","since":1}`, true},
	} {
		user.take([]byte(c.text))
		if since, ok := user.asked.told(c.live); !ok || since.IsZero() {
			t.Errorf("after word %d: live is not %v, since %v", i, c.live, since)
		}
	}
}
