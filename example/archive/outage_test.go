package main

import (
	"fmt"
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// A Redis that loses everything, logs and cursors, and gets the logs again from the program: the archive has
// what the log has, each operation once, whether or not the program ends as well.
func TestArchive_RedisEmptied(t *testing.T) {
	server := redistest.Start(t)
	p := start(t, server)
	w := &writers{t: t, url: p.url}
	reader := p.reader()
	for i, lose := range []func(){
		func() { server.RestartEmpty(t) },
		func() { // the rooms are gone: those who come begin anew
			p.kill()
			server.RestartEmpty(t)
			p.run()
		},
		func() { server.RestartEmpty(t) },
	} {
		blocks := 10 + 7*i
		w.name = fmt.Sprint("before loss ", i)
		w.write("plan", blocks)
		want := logOf(t, p.url, "plan")
		eventually(t, fmt.Sprint("all is in the archive before loss ", i), func() bool {
			rows := reader.rows(t, "plan")
			return len(rows) == len(want) && rows[len(rows)-1].Hash == want[len(want)-1].Hash
		})
		sameRows(t, "plan", reader.rows(t, "plan"), want)
		lose()
	}
	w.name = "at the end"
	w.write("plan", 40)
	want := logOf(t, p.url, "plan")
	if len(want) < (24+40)*crashBlock {
		t.Fatalf("the log has %d operations", len(want))
	}
	eventually(t, "all is in the archive", func() bool {
		rows := reader.rows(t, "plan")
		return len(rows) == len(want) && rows[len(rows)-1].Hash == want[len(want)-1].Hash
	})
	p.stop()
	sameRows(t, "plan", reader.rows(t, "plan"), want)
}
