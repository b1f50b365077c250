package load // frames are no business of anybody else

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/fasthttp/websocket"
)

// serverFrame writes a frame as a server does.
func serverFrame(kind byte, payload []byte) []byte {
	head := []byte{final | kind}
	switch size := len(payload); {
	case size < 126:
		head = append(head, byte(size))
	case size < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(size))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(size))
	}
	return append(head, payload...)
}

// Frames of all lengths come out as they went in, however the network cuts them.
func TestInbox_Next(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 1000, 65535, 65536, 300_000}
	var stream []byte
	for i, size := range sizes {
		stream = append(stream, serverFrame(textFrame, bytes.Repeat([]byte{byte(i)}, size))...)
	}
	for name, src := range map[string]io.Reader{
		"at once": bytes.NewReader(stream),
		"halves":  iotest.HalfReader(bytes.NewReader(stream)),
		"bytes":   iotest.OneByteReader(bytes.NewReader(stream)),
		"errors":  iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			in := inbox{src: src}
			for i, size := range sizes {
				kind, payload, err := in.next()
				if err != nil || kind != textFrame || !bytes.Equal(payload, bytes.Repeat([]byte{byte(i)}, size)) {
					t.Fatalf("next = kind %d, %d bytes, %v, want %d bytes of %d", kind, len(payload), err, size, i)
				}
			}
			if _, _, err := in.next(); !errors.Is(err, io.EOF) {
				t.Errorf("next at the end = %v", err)
			}
		})
	}
}

// The same frames come out of memory, and what is not whole is asked for again.
func TestParseFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 300_000} {
		whole := serverFrame(textFrame, bytes.Repeat([]byte{'x'}, size))
		kind, payload, used, err := parseFrame(append(whole, 'y'))
		if err != nil || kind != textFrame || len(payload) != size || used != len(whole) {
			t.Errorf("parseFrame = kind %d, %d of %d bytes, %v", kind, len(payload), used, err)
		}
		for _, cut := range []int{0, 1, min(5, len(whole)-1), len(whole) - 1} {
			if _, _, used, err := parseFrame(whole[:cut]); used != 0 || err != nil {
				t.Errorf("parseFrame of %d bytes of %d = %d, %v", cut, len(whole), used, err)
			}
		}
	}
}

// A frame that is fragmented, masked or endless is refused.
func TestInbox_Refuses(t *testing.T) {
	for name, stream := range map[string][]byte{
		"fragment":  {textFrame, 1, 'x'},
		"masked":    {final | textFrame, masked | 1, 0, 0, 0, 0, 'x'},
		"extension": {final | 0x40 | textFrame, 1, 'x'},
		"endless":   {final | textFrame, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			in := inbox{src: bytes.NewReader(stream)}
			if _, _, err := in.next(); !errors.Is(err, errFrame) {
				t.Errorf("next = %v, want %v", err, errFrame)
			}
			if _, _, _, err := parseFrame(stream); !errors.Is(err, errFrame) {
				t.Errorf("parseFrame = %v, want %v", err, errFrame)
			}
		})
	}
}

// What a client seals is a whole masked frame with its payload, of each form that the length can have.
func TestSealFrame(t *testing.T) {
	for _, size := range []int{0, 125, 126, maxPayload} {
		payload := bytes.Repeat([]byte{'x'}, size)
		frame := sealFrame(append(make([]byte, headerRoom), payload...), textFrame)
		head := 6
		if size > 125 {
			head = 8
			if got := binary.BigEndian.Uint16(frame[2:]); int(got) != size || frame[1] != masked|126 {
				t.Errorf("frame of %d bytes begins % x", size, frame[:head])
			}
		} else if int(frame[1]) != masked|size {
			t.Errorf("frame of %d bytes begins % x", size, frame[:head])
		}
		if frame[0] != final|websocket.TextMessage || !bytes.Equal(frame[head:], payload) {
			t.Errorf("frame of %d bytes begins % x and has %d more", size, frame[:head], len(frame)-head)
		}
	}
}

// Whatever comes in, the inbox hands out no more than it was given and never panics.
func FuzzInbox(f *testing.F) {
	f.Add(serverFrame(textFrame, []byte("hello")))
	f.Add(serverFrame(pingFrame, nil))
	f.Add([]byte{final | textFrame, 126, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		in := inbox{src: bytes.NewReader(stream)}
		total := 0
		for {
			_, payload, err := in.next()
			if err != nil {
				break
			}
			total += 2 + len(payload)
		}
		if total > len(stream) {
			t.Errorf("%d bytes out of %d", total, len(stream))
		}
	})
}
