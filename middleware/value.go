package middleware

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxNumber = math.MaxInt32

// value is how the text of a key is read into its field.
type value struct {
	want   string                 // what is expected, to complete "expected …"
	read   func(text string) bool // false leaves the problem to the caller, who knows the key
	hidden bool                   // never shown, and taken to the letter
	url    bool                   // shown without user, password and parameters
}

// trim removes white space around what is not a secret.
func (v value) trim(text string) string {
	if v.hidden {
		return text
	}
	return strings.TrimSpace(text)
}

// show returns the text as an error may quote it: neither a secret, nor the password of a URL, in
// whatever key that was put.
func (v value) show(text string) string {
	switch {
	case v.hidden:
		return "***"
	case v.url || strings.Contains(text, "@"):
		return strconv.Quote(withoutPassword(text))
	default:
		return strconv.Quote(shorten(text))
	}
}

// withoutPassword returns what may be shown of a URL, which does not have to be a good one. It keeps
// too little rather than too much.
func withoutPassword(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return "***"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		place, _, _ := strings.Cut(rest[at+1:], "?")
		return shorten(scheme + "://***@" + place)
	}
	u, err := url.Parse(text)
	if err != nil {
		return "***"
	}
	return shorten(u.Scheme + "://" + u.Host + u.Path)
}

func shorten(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func boolean(field *bool) value {
	return value{want: "true, false, 1 or 0", read: func(text string) bool {
		*field = text == "true" || text == "1"
		return *field || text == "false" || text == "0"
	}}
}

// opposite is for a field that says no where its key says yes.
func opposite(field *bool) value {
	v := boolean(field)
	read := v.read
	v.read = func(text string) bool {
		ok := read(text)
		*field = !*field
		return ok
	}
	return v
}

func number(field *int, least, most int) value {
	want := "a whole number from " + strconv.Itoa(least) + " to " + strconv.Itoa(most)
	return value{want: want, read: func(text string) bool {
		n, err := strconv.Atoi(text)
		*field = n
		return err == nil && least <= n && n <= most
	}}
}

// duration refuses zero, which the hub would take for its own default.
func duration(field *time.Duration) value {
	want := "a duration of 1ms or more, such as 500ms or 1h; a bare number is seconds"
	return value{want: want, read: func(text string) bool {
		if strings.Trim(text, "0123456789.") == "" {
			text += "s"
		}
		d, err := time.ParseDuration(text)
		*field = d
		return err == nil && d >= time.Millisecond
	}}
}

func choice[T ~string](field *T, allowed ...T) value {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	last := len(names) - 1
	want := strings.Join(names[:last], ", ") + " or " + names[last]
	return value{want: want, read: func(text string) bool {
		*field = T(text)
		return slices.Contains(allowed, *field)
	}}
}

// text takes anything printable; most bounds its bytes, 0 does not.
func text(field *string, most int) value {
	want := "text without control characters"
	if most > 0 {
		want += ", at most " + strconv.Itoa(most) + " bytes"
	}
	return value{want: want, read: func(text string) bool {
		*field = text
		return printable(text) && (most == 0 || len(text) <= most)
	}}
}

func secret[T ~string](field *T) value {
	return value{want: "text", hidden: true, read: func(text string) bool {
		*field = T(text)
		return true
	}}
}

func secrets(field *[]Secret) value {
	want := "one or more secrets, separated by commas"
	return value{want: want, hidden: true, read: func(text string) bool {
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				*field = append(*field, Secret(part))
			}
		}
		return len(*field) > 0
	}}
}

// prefix keeps the braces out: in a cluster they would move every key to one slot.
func prefix(field *string) value {
	want := "1 to 64 letters, digits and ._:/~-, first a letter or digit"
	return value{want: want, read: func(text string) bool {
		*field = text
		first, rest := text[:1], text[1:]
		return len(text) <= 64 && strings.Trim(first, alphanumeric)+strings.Trim(rest, alphanumeric+"._:/~-") == ""
	}}
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) })
}
