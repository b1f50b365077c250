package flow // the decoder is no business of anybody else

import (
	"strings"
	"testing"
)

// BenchmarkDecode measures the way from a text of a client to its message, for each kind that comes often.
func BenchmarkDecode(b *testing.B) {
	data := `{"text":"` + strings.Repeat("x", 189) + `"}`
	op := `{"type":"op","room":"board-1","n":1234,"data":` + data + `}`
	for name, text := range map[string]string{
		"op":       op,
		"event":    `{"type":"event","room":"board-1","name":"say","echo":true,"data":` + data + `}`,
		"presence": `{"type":"presence","room":"board-1","data":{"cursor":{"x":120,"y":48}}}`,
		"ops=16":   "[" + strings.Repeat(op+",", 15) + op + "]",
		"escapes":  `{"type":"op","room":"board-1","n":1,"data":"` + strings.Repeat(`\n\"ü`, 40) + `"}`,
	} {
		b.Run(name, func(b *testing.B) {
			in, count := []byte(text), 0
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				err := decodeText(in, func(m *message) {
					if m.err == nil {
						count++
					}
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			if count < b.N {
				b.Fatalf("%d messages in %d texts", count, b.N)
			}
		})
	}
}

// BenchmarkOpFrame measures the encoding of an operation, which happens once for all members of a room.
func BenchmarkOpFrame(b *testing.B) {
	op := Operation{
		Seq: 123456, Session: "0123456789abcdef01234567", N: 1234, User: "ann", Time: 1_700_000_000_000,
		Data: []byte(`{"text":"` + strings.Repeat("x", 189) + `"}`),
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(opFrame("board-1", op).JSON)))
	for b.Loop() {
		opFrame("board-1", op)
	}
}
