package mergepatch_test

import (
	"strings"

	"pgregory.net/rapid"
)

// texts draws compact JSON texts that are alike often enough to meet: few names, each in several
// spellings, and scalars at the edges.
type texts struct {
	repeated bool // one object may have a name twice
	halves   bool // halves of surrogate pairs, which encoding/json cannot tell apart
}

// spellings of names: those of one row are the same name.
func spellings() [][]string {
	return [][]string{
		{`"a"`, `"\u0061"`}, {`"b"`, `"\u0062"`}, {`""`}, {`"__proto__"`}, {`"toString"`}, {`"A"`},
		{`"é"`, `"\u00e9"`, `"\u00E9"`}, {`"e\u0301"`}, {`"😀"`, `"\ud83d\ude00"`}, {`"/"`, `"\/"`, `"\u002f"`},
		{`"\n"`, `"\u000a"`}, {`"\""`, `"\u0022"`}, {`"\\"`, `"\u005c"`}, {`"\\u0061"`}, {`"0"`}, {`"1"`},
	}
}

func scalars() []string {
	return []string{
		"null", "null", "true", "false", "0", "-0", "1", "1.0", "1e0", "1e400", "-1E-400", "12345678901234567890",
		"0.1000000000000000055", `""`, `"x"`, `"\u0078"`, `"é"`, `"<&>\u2028"`, `"\ud83d\ude00"`, `"{\"[,"`,
	}
}

// draw returns a text; depth bounds it.
func (x texts) draw(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	switch {
	case depth > 0 && kind >= 3:
		return x.object(t, depth)
	case depth > 0 && kind == 2:
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, x.draw(t, depth-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	default:
		return x.scalar(t)
	}
}

func (x texts) scalar(t *rapid.T) string {
	all := scalars()
	if x.halves {
		all = append(all, `"\ud800"`, `"\ude00\ud83d"`)
	}
	return rapid.SampledFrom(all).Draw(t, "scalar")
}

func (x texts) object(t *rapid.T, depth int) string {
	all := spellings()
	if x.halves {
		all = append(all, []string{`"\ud800"`, `"\uD800"`}, []string{`"\udc00"`}, []string{`"\ufffd"`, `"�"`})
	}
	var members []string
	used := make(map[int]bool)
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		row := min(rapid.IntRange(0, len(all)-1).Draw(t, "row"), rapid.IntRange(0, len(all)-1).Draw(t, "row"))
		if used[row] && !x.repeated {
			continue
		}
		used[row] = true
		name := rapid.SampledFrom(all[row]).Draw(t, "name")
		members = append(members, name+":"+x.draw(t, depth-1))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// patches draws a few operations.
func (x texts) patches(t *rapid.T) [][]byte {
	patches := make([][]byte, rapid.IntRange(1, 5).Draw(t, "patches"))
	for i := range patches {
		patches[i] = []byte(x.draw(t, 4))
	}
	return patches
}
