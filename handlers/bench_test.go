package handlers

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// BenchmarkSocket_Write sends a message of 200 bytes to each of 100 sockets, alone and with others in one
// write. One iteration is one frame to one socket.
func BenchmarkSocket_Write(b *testing.B) {
	sockets, clients := benchSockets(b, 100, deaf{})
	for _, c := range clients {
		go func() { _, _ = io.Copy(io.Discard, c) }() // ends with the connection
	}
	frame := &flow.Frame{Type: "op", JSON: []byte(strings.Repeat("x", 200))}
	for _, batch := range []int{1, 4, 16, 64} {
		frames := make([]*flow.Frame, batch)
		for i := range frames {
			frames[i] = frame
		}
		b.Run(fmt.Sprintf("frames=%d", batch), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(200)
			next, left := 0, 0
			for b.Loop() {
				if left == 0 {
					if err := sockets[next].Write(frames); err != nil {
						b.Fatal(err)
					}
					next, left = (next+1)%len(sockets), batch
				}
				left--
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// listener counts messages, and tells of every so-many-th.
type listener struct {
	deaf

	batch int
	heard *int
	whole chan struct{}
}

func (l listener) Receive([]byte) {
	if *l.heard++; *l.heard == l.batch {
		*l.heard = 0
		l.whole <- struct{}{}
	}
}

// BenchmarkSocket_Read receives messages of 200 bytes from one client, alone and with others in one
// segment. One iteration is one message.
func BenchmarkSocket_Read(b *testing.B) {
	message := append([]byte{0x81, 0x80 | 126, 0, 200, 1, 2, 3, 4}, strings.Repeat("x", 200)...)
	for i, mask := 8, message[4:8]; i < len(message); i++ {
		message[i] ^= mask[i%4]
	}
	for _, batch := range []int{1, 16} {
		b.Run(fmt.Sprintf("frames=%d", batch), func(b *testing.B) {
			l := listener{batch: batch, heard: new(int), whole: make(chan struct{})}
			_, clients := benchSockets(b, 1, l)
			segment := bytes.Repeat(message, batch)
			b.ReportAllocs()
			b.SetBytes(200)
			for left := 0; b.Loop(); left-- {
				if left > 0 {
					continue
				}
				if _, err := clients[0].Write(segment); err != nil {
					b.Fatal(err)
				}
				<-l.whole
				left = batch
			}
		})
	}
}

// BenchmarkSocket_Idle tells what a socket costs that says nothing: heap and stacks of the server, with
// the headers of a browser. One iteration is one handshake.
func BenchmarkSocket_Idle(b *testing.B) {
	const many = 1000
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		benchSockets(b, many, deaf{})
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/many, "B/socket")
		b.StartTimer()
	}
}

// benchSockets returns sockets that are open until the benchmark ends, and their clients.
func benchSockets(b *testing.B, n int, end peer) ([]*socket, []net.Conn) {
	b.Helper()
	opened := make(chan *socket)
	shared := newBuffers()
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/ws", func(c *fiber.Ctx) error {
		return takeOver(c, true, func(conn net.Conn, hello func() []byte) {
			s := testSocket(conn, hello(), end)
			s.buffers = shared
			opened <- s
			s.serve()
		})
	})
	address := serveApp(b, app)
	sockets, clients := make([]*socket, n), make([]net.Conn, n)
	for i := range sockets {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		request := "GET /ws HTTP/1.1\r\nHost: " + address + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: " +
			strings.Repeat("c", 400) + "\r\n\r\n"
		if _, err := io.WriteString(conn, request); err != nil {
			b.Fatal(err)
		}
		sockets[i], clients[i] = <-opened, conn
	}
	return sockets, clients
}
