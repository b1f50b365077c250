package flow

// Inside the package, because what instances tell each other has no way in that is quick enough to be fuzzed.

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// envelopeSeeds are payloads as instances publish them.
func envelopeSeeds() []string {
	e := eventFrame("r", Event{Name: "hello", Data: []byte(`{"a":[1,"\u00e9"]}`)}, "abc234", "ann")
	p := []Participant{{Session: "abc234", User: "ann", Profile: Profile{Name: "Ann", Color: "#fff"}, Joined: 7}}
	p[0].Presence = []byte(`{"x":1,"y":null}`)
	join := appendParticipants(appendName(appendField(frameOf("presence"), "room", "r"), "join"), p)
	messages := []peerMessage{
		{Kind: peerBeat}, {Kind: peerEvent, Frame: e.JSON}, {Kind: peerUser, User: "ann", Frame: e.JSON},
		{Kind: peerList, Frame: seal("presence", join).JSON},
		{Kind: peerKick, Room: "r", Session: "abc234", Ask: "xyz"}, {Kind: peerRights, User: "a\n\"b"},
	}
	var seeds []string
	for _, m := range messages {
		seeds = append(seeds, "two\n["+string(m.appendTo(nil))+"]")
	}
	return append(seeds, "", "\n", "two\n[]", "two\nnull", "two\n[{}]", "two\n[{\"k\":\"\xff\"}]")
}

// Whatever comes on the bus is read or refused: no panic, and what is read can be written and is read again as
// the same (I6).
func FuzzEnvelope(f *testing.F) {
	for _, seed := range envelopeSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		sender, body, _ := bytes.Cut(payload, []byte{'\n'})
		instance, messages, err := readPayload(payload, sender, body)
		if err != nil {
			return
		}
		if !validInstance(instance) || len(messages) > outboxLimit {
			t.Fatalf("%d messages of %q", len(messages), instance)
		}
		for _, m := range messages {
			wantEventFrame(t, m.Frame)
			again := m.appendTo(nil)
			_, back, err := readPayload(append([]byte("x\n["), append(again, ']')...), []byte("x"), wrapped(again))
			if err != nil || len(back) != 1 || back[0].Kind != m.Kind || back[0].Ask != m.Ask {
				t.Fatalf("%q is read again as %+v, %v", again, back, err)
			}
		}
	})
}

func wrapped(message []byte) []byte { return append(append([]byte{'['}, message...), ']') }

// wantEventFrame checks that an event that is taken goes on as one.
func wantEventFrame(t *testing.T, frame []byte) {
	t.Helper()
	f, err := readEvent("r", frame)
	if err != nil {
		return
	}
	var got struct {
		Type, Room, Name string
	}
	if err := json.Unmarshal(f.JSON, &got); err != nil || !utf8.Valid(f.JSON) {
		t.Fatalf("a broken frame: %q, %v", f.JSON, err)
	}
	if got.Type != "event" || got.Room != "r" || got.Name == "" {
		t.Fatalf("a frame that is no event of the room: %s", f.JSON)
	}
}

// Whatever comes as presence is refused, or goes on as a presence message of the room that reads as the same
// (I6).
func FuzzPeerPresence(f *testing.F) {
	for _, seed := range []string{
		`{"type":"presence","room":"r","join":[{"session":"a","user":"u","profile":{"name":"n"},"presence":{}}]}`,
		`{"type":"presence","room":"r","update":{"a":{"x":null,"y":[1]}},"leave":[{"session":"b","reason":"left"}]}`,
		`{"type":"presence","room":"r","join":[{"session":"a","user":"u","presence":[1],"joined":-1}]}`,
		`{"type":"presence","room":"r","join":null,"update":{"a":null}}`, `{"type":"presence","room":"s"}`,
		`{"type":"presence","room":"r","update":{"a":{"$locks":["x"],"a":1,"a":2}}}`, `[]`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if !validJSON(frame) {
			return // what is not JSON does not get so far
		}
		pm, err := readPresence("r", frame)
		if err != nil {
			return
		}
		sent := pm.frame()
		if !validJSON(sent.JSON) {
			t.Fatalf("a broken frame: %q", sent.JSON)
		}
		again, err := readPresence("r", sent.JSON)
		if err != nil || len(again.Join) != len(pm.Join) || len(again.Update) != len(pm.Update) {
			t.Fatalf("%s is read again as %+v, %v", sent.JSON, again, err)
		}
		for i, p := range again.Join {
			if p.Session != pm.Join[i].Session || p.User != pm.Join[i].User || p.Profile.Color != colorOf(p.User) {
				t.Fatalf("%+v became %+v", pm.Join[i], p)
			}
		}
	})
}
