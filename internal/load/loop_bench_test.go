//go:build linux

package load

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkFleet_Heard is what one delivery costs the generator, so that it is known when it limits: a
// server that does nothing but write operations to 100 sockets, so many with each write. cpu-ns is the
// time of the generator's thread alone, kernel included.
func BenchmarkFleet_Heard(b *testing.B) {
	op := serverFrame(textFrame, []byte(`{"type":"op","room":"load-0123456789-0","seq":12345,`+
		`"hash":"0123456789abcdef","session":"0123456789abcdef01234567","n":1234,"user":"anonymous-0123456789abcdef",`+
		`"time":1700000000000,"data":{"~":1,"u":0,"text":"`+string(bytes.Repeat([]byte{'x'}, 174))+`"}}`))
	for _, many := range []int{1, 16, 128} {
		b.Run(fmt.Sprint("at-once=", many), func(b *testing.B) { benchmarkHeard(b, op, many) })
	}
}

func benchmarkHeard(b *testing.B, op []byte, many int) {
	b.Helper()
	const sockets = 100
	conns := make(chan net.Conn, sockets)
	addr := listen(b, func(conn net.Conn) {
		_, _ = conn.Write(serverFrame(textFrame, []byte(joinedText)))
		conns <- conn
	})
	f, err := NewFleet(FleetConfig{Addrs: []string{addr}, Users: sockets, Rooms: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(f.Close)
	heard := 0
	f.Heard = func(*User, int, time.Duration) { heard++ }
	if err := f.Join(f.Users()); err != nil {
		b.Fatal(err)
	}
	rounds := make(chan struct{})
	ended := make(chan struct{})
	go func() { // until rounds is closed
		defer close(ended)
		blast(conns, bytes.Repeat(op, many), rounds)
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	b.SetBytes(int64(len(op)))
	before, total := threadCPU(b), 0
	for total < b.N {
		rounds <- struct{}{}
		for heard = 0; heard < sockets*many; {
			if err := f.Turn(f.Look() + time.Second); err != nil {
				b.Fatal(err)
			}
		}
		total += heard
	}
	b.ReportMetric(float64(threadCPU(b)-before)/float64(total), "cpu-ns/delivery")
	close(rounds)
	<-ended
}

// blast writes to all sockets when it is told to.
func blast(from <-chan net.Conn, text []byte, rounds <-chan struct{}) {
	all := make([]net.Conn, cap(from))
	for i := range all {
		all[i] = <-from
	}
	for range rounds {
		for _, conn := range all {
			_, _ = conn.Write(text)
		}
	}
	for _, conn := range all {
		_ = conn.Close()
	}
}

// threadCPU is what the calling thread has used.
func threadCPU(b *testing.B) time.Duration {
	b.Helper()
	const thread = 1 // RUSAGE_THREAD
	var used syscall.Rusage
	if err := syscall.Getrusage(thread, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
