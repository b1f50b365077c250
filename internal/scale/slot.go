package scale

import "strings"

// Slots is how many a Redis Cluster has.
const Slots = 16384

// Slot returns the slot that a key belongs to: CRC16 of its hash tag, the first text in braces that is not
// empty, or else of the whole key. For a room it is that of the room's id.
func Slot(key string) int {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return int(crc % Slots)
}

// Node returns which of so many masters has a slot, when each has an equal stretch of them.
func Node(slot, masters int) int { return slot * masters / Slots }

// Spread is how unevenly something is spread.
type Spread struct {
	Mean, Most, Least float64
}

// SpreadOf returns the spread of counts, which must not be empty.
func SpreadOf(counts []float64) Spread {
	s := Spread{Most: counts[0], Least: counts[0]}
	for _, n := range counts {
		s.Mean += n / float64(len(counts))
		s.Most, s.Least = max(s.Most, n), min(s.Least, n)
	}
	return s
}

// Excess is how much more than the mean the fullest has: 0.1 for a tenth.
func (s Spread) Excess() float64 { return s.Most/s.Mean - 1 }
