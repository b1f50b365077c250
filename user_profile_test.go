package flow_test

import (
	"context"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// What a token says of a person is sent to everybody in the room, so it is bounded.
func TestHub_Identify_profile(t *testing.T) {
	h := newHub(t, flow.Config{VerifyToken: func(context.Context, string) (flow.User, error) {
		return flow.User{ID: "ann", Name: strings.Repeat("ä", 200), Picture: strings.Repeat("p", 3000)}, nil
	}})
	none := func(string) string { return "" }
	user, err := h.Identify(t.Context(), flow.Request{Token: "t", Header: none, Cookie: none})
	if err != nil {
		t.Fatal(err)
	}
	if user.Name != strings.Repeat("ä", 128) || user.Picture != "" {
		t.Errorf("name of %d bytes, picture of %d", len(user.Name), len(user.Picture))
	}
}
