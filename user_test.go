package flow_test

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/fiberflow/flow"
)

func TestUser_Profile(t *testing.T) {
	// A colour depends on the id alone, so that everybody keeps one on every instance and release.
	t.Run("colour", func(t *testing.T) {
		for id, want := range map[string]string{"ann": colorAnn, "bob": colorBob, "": colorNobody} {
			for _, u := range []flow.User{{ID: id}, {ID: id, Name: "x", Anonymous: true, Admin: true}} {
				if got := u.Profile().Color; got != want {
					t.Errorf("%q has %s, want %s", id, got, want)
				}
			}
		}
	})

	// Every colour reads on white (WCAG AA, 4.5:1), and people get many different ones.
	t.Run("readable", func(t *testing.T) {
		form := regexp.MustCompile(`^#[0-9a-f]{6}$`)
		seen := map[string]int{}
		const people = 4000
		for i := range people {
			c := (flow.User{ID: fmt.Sprint("user", i)}).Profile().Color
			if seen[c]++; !form.MatchString(c) {
				t.Fatalf("colour is %q", c)
			}
		}
		for c, count := range seen {
			if ratio := contrastOnWhite(t, c); ratio < 4.5 {
				t.Errorf("%s has a contrast of %.2f", c, ratio)
			}
			if count > people/len(seen)*2 {
				t.Errorf("%s is worn by %d of %d", c, count, people)
			}
		}
		if len(seen) < 12 {
			t.Errorf("only %d colours", len(seen))
		}
	})

	// What is not known is left out, and nothing but name, picture and colour is shown.
	t.Run("fields", func(t *testing.T) {
		u := flow.User{ID: "ann", Admin: true, Claims: map[string]any{"secret": 1}}
		for want, u := range map[string]flow.User{
			`{"color":"` + colorAnn + `"}`:                            u,
			`{"name":"Ann","picture":"p","color":"` + colorAnn + `"}`: {ID: "ann", Name: "Ann", Picture: "p"},
		} {
			got, err := json.Marshal(u.Profile())
			if err != nil || string(got) != want {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
		}
	})
}

// The colours that these users have had since the first release.
const (
	colorAnn    = "#4338ca"
	colorBob    = "#0f766e"
	colorNobody = "#0e7490"
)

// contrastOnWhite is the contrast ratio of WCAG 2.
func contrastOnWhite(t *testing.T, color string) float64 {
	t.Helper()
	luminance := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(v) / 255
		if c <= 0.03928 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		luminance += weight * c
	}
	return 1.05 / (luminance + 0.05)
}
