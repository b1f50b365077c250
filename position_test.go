package flow_test

import (
	"crypto/sha1"
	"encoding/hex"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// referenceHash is protocol section 1.4 read word by word, on text instead of on numbers.
func referenceHash(previous, session string, n uint64, data []byte) string {
	digest := sha1.Sum(data)
	text := strings.Join([]string{previous, session, strconv.FormatUint(n, 10), hex.EncodeToString(digest[:])}, "\n")
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])[:16]
}

func TestHash_Next(t *testing.T) {
	steps := []struct {
		session string
		n       uint64
		data    string
		want    string
	}{
		{"s1", 1, `{"a":1}`, "2b3873561d24cb3e"},
		{"s2", 1, `null`, "08ab0d3f69220541"},
		{"s1", 2, `"ü"`, "e0605ff41dd174d3"},
		{"s1", flow.MaxN, `[]`, "0131833acf2105a4"},
	}

	// The chain has the values that another program computed from the contract. I2
	t.Run("vectors", func(t *testing.T) {
		at := flow.Position{}
		for i, s := range steps {
			at = at.Next(s.session, s.n, flow.DigestOf([]byte(s.data)))
			if at.Seq != uint64(i+1) || at.Hash.String() != s.want {
				t.Errorf("step %d is %v, want hash %s", i+1, at, s.want)
			}
		}
	})

	// A long chain equals the reference at every step, and differs when anything in it does. I2
	t.Run("reference", func(t *testing.T) {
		h, text := flow.Hash(0), strings.Repeat("0", 16)
		for i := range uint64(500) {
			session := "session" + strconv.FormatUint(i%7, 36)
			data := []byte(strconv.FormatUint(i*i, 10))
			next := h.Next(session, i+1, flow.DigestOf(data))
			others := []flow.Hash{
				(h ^ 1).Next(session, i+1, flow.DigestOf(data)),
				h.Next(session+"x", i+1, flow.DigestOf(data)),
				h.Next(session, i+2, flow.DigestOf(data)),
				h.Next(session, i+1, flow.DigestOf(append(data, ' '))),
			}
			for _, other := range others {
				if other == next {
					t.Fatalf("step %d: something else has the same hash %v", i, next)
				}
			}
			text = referenceHash(text, session, i+1, data)
			if h = next; h.String() != text {
				t.Fatalf("step %d is %v, want %s", i, h, text)
			}
		}
	})
}

// The digest is lower-case hexadecimal SHA-1.
func TestDigest_String(t *testing.T) {
	for data, want := range map[string]string{
		"":     "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"null": "2be88ca4242c76e8253ac62474851065032d6833",
	} {
		if got := flow.DigestOf([]byte(data)).String(); got != want {
			t.Errorf("digest of %q is %s, want %s", data, got, want)
		}
	}
}

// An operation follows a position if it is the very next, with a linked hash. I2
func TestOperation_Follows(t *testing.T) {
	before := flow.Position{Seq: 4, Hash: 0xabc}
	at := before.Next("s", 2, flow.DigestOf([]byte(`1`)))
	good := flow.Operation{Seq: at.Seq, Hash: at.Hash, Session: "s", N: 2, Data: []byte(`1`)}
	if !good.Follows(before) || good.Position() != at {
		t.Fatalf("%v does not follow %v", good.Position(), before)
	}
	for name, spoil := range map[string]func(*flow.Operation){
		"seq":     func(o *flow.Operation) { o.Seq++ },
		"hash":    func(o *flow.Operation) { o.Hash++ },
		"session": func(o *flow.Operation) { o.Session = "t" },
		"n":       func(o *flow.Operation) { o.N++ },
		"data":    func(o *flow.Operation) { o.Data = []byte(`2`) },
	} {
		bad := good
		if spoil(&bad); bad.Follows(before) {
			t.Errorf("with another %s it still follows", name)
		}
	}
	if good.Follows(at) || good.Follows(flow.Position{Seq: 4}) {
		t.Error("it follows another position")
	}
}

// The empty log has the text that the contract gives it.
func TestPosition_String(t *testing.T) {
	for want, p := range map[string]flow.Position{
		"0:0000000000000000":                {},
		"7:00000000000000ff":                {Seq: 7, Hash: 255},
		"9007199254740991:ffffffffffffffff": {Seq: 1<<53 - 1, Hash: math.MaxUint64},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := string(p.AppendTo([]byte("x"))); got != "x"+want {
			t.Errorf("appended %s, want x%s", got, want)
		}
	}
}

// Sixteen lower-case digits are a hash, and nothing else is.
func TestParseHash(t *testing.T) {
	for text, want := range map[string]flow.Hash{
		"0000000000000000": 0, "00000000000000ff": 255, "ffffffffffffffff": math.MaxUint64,
		"0123456789abcdef": 0x0123456789abcdef,
	} {
		if got, ok := flow.ParseHash(text); !ok || got != want {
			t.Errorf("%s is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		"", "0", "000000000000000", "00000000000000000", "00000000000000FF", "000000000000000g",
		"0x00000000000000", " 00000000000000f", "00000000000000f\n", "-000000000000001", "00000000000000ü",
		"000000000000000/", "000000000000000:", "000000000000000`", "000000000000000@",
	} {
		if got, ok := flow.ParseHash(text); ok {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

// A position has one text only, so that equal texts mean equal positions. I2
func TestParsePosition(t *testing.T) {
	for _, text := range []string{"0:0000000000000000", "1:00000000000000ff", "9007199254740991:ffffffffffffffff"} {
		p, err := flow.ParsePosition(text)
		if err != nil || p.String() != text {
			t.Errorf("%s is %v, %v", text, p, err)
		}
	}
	hash := ":00000000000000ff"
	for _, text := range []string{
		"", ":", hash, "1", "1:", "1:ff", "1" + hash + "0", "1" + hash + ":", "1:1" + hash,
		" 1" + hash, "1 " + hash, "1" + hash + " ",
		"01" + hash, "+1" + hash, "-1" + hash, "1.0" + hash, "1e3" + hash, "0x1" + hash, "1_0" + hash, "１" + hash,
		"a" + hash, "9007199254740992" + hash, "18446744073709551616" + hash, strings.Repeat("9", 400) + hash,
		"1:00000000000000FF", "0:0000000000000001", "00:0000000000000000", "1;00000000000000ff",
	} {
		p, err := flow.ParsePosition(text)
		if flow.ErrorCode(err) != flow.CodeInvalidMessage || p != (flow.Position{}) {
			t.Errorf("%q is %v, %v", text, p, err)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	for _, seed := range []string{"0123456789abcdef", "ffffffffffffffff", "FFFFFFFFFFFFFFFF", "", "0x12"} {
		f.Add(seed)
	}
	canonical := regexp.MustCompile(`^[0-9a-f]{16}$`)
	f.Fuzz(func(t *testing.T, text string) {
		h, ok := flow.ParseHash(text)
		if ok != canonical.MatchString(text) {
			t.Fatalf("%q: accepted is %v", text, ok)
		}
		if ok && h.String() != text {
			t.Fatalf("%q came back as %s", text, h)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{
		"0:0000000000000000", "1:00000000000000ff", "9007199254740991:ffffffffffffffff", "01:00000000000000ff",
		"0:0000000000000001", "9007199254740992:0000000000000001", ":", "",
	} {
		f.Add(seed)
	}
	canonical := regexp.MustCompile(`^(0:0{16}|[1-9][0-9]{0,15}:[0-9a-f]{16})$`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := flow.ParsePosition(text)
		left, _, _ := strings.Cut(text, ":")
		seq, _ := strconv.ParseFloat(left, 64) // exact up to 2^53
		if want := canonical.MatchString(text) && seq < 1<<53; (err == nil) != want {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && p.String() != text {
			t.Fatalf("%q came back as %s", text, p)
		}
		if err != nil && flow.ErrorCode(err) != flow.CodeInvalidMessage {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
