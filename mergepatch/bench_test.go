package mergepatch_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fiberflow/flow/mergepatch"
)

// board returns a document of at least size bytes, as an application like the example has it.
func board(size int) []byte {
	var text strings.Builder
	text.WriteString(`{"title":"Board","nodes":{`)
	for i := 0; text.Len() < size; i++ {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `"n%06d":{"x":%d,"y":%d,"text":"What \"n%d\" says",`, i, i*7%1000, i*13%1000, i)
		text.WriteString(`"style":{"color":"blue","tags":["a","b"]}}`)
	}
	text.WriteString(`}}`)
	return []byte(text.String())
}

// moves returns patches that each move one of the first 1,000 nodes of a board.
func moves(n int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	patches := make([][]byte, n)
	for i := range patches {
		patches[i] = fmt.Appendf(nil, `{"nodes":{"n%06d":{"x":%d,"y":%d}}}`,
			random.IntN(1000), random.IntN(1000), random.IntN(1000))
	}
	return patches
}

// What an operation costs a room whose state is large: one alone, and of many together.
func BenchmarkReducer(b *testing.B) {
	state, patches := board(1<<20), moves(1000)
	large := board(64 << 10)
	b.Run("apply to 1 MB", func(b *testing.B) {
		b.SetBytes(int64(len(state)))
		for i := 0; b.Loop(); i++ {
			if _, err := (mergepatch.Reducer{}).Apply(state, patches[i%len(patches)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("apply 64 KiB to 1 MB", func(b *testing.B) {
		for b.Loop() {
			if _, err := (mergepatch.Reducer{}).Apply(state, large); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("fold 1000 into 1 MB", func(b *testing.B) {
		for b.Loop() {
			if _, err := (mergepatch.Reducer{}).Fold(state, patches); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := (mergepatch.Reducer{}).Check(patches[i%len(patches)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	next, err := mergepatch.Reducer{}.Fold(state, patches)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("diff of 1 MB", func(b *testing.B) {
		for b.Loop() {
			if _, err := (mergepatch.Reducer{}).Diff(state, next); err != nil {
				b.Fatal(err)
			}
		}
	})
}
