package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The guide shows the handler as it is here, whole, and nothing that is not here.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	source := ""
	for _, name := range []string{"archive.go", "server.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	shown := ""
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1) {
		shown += block[1]
		if !contains(source, block[1]) {
			t.Errorf("the guide shows what is not in the program:\n%s", block[1])
		}
	}
	for _, name := range []string{"Group: \"archive\"", "archive) write(", "func setAside(", "func divergence("} {
		if !strings.Contains(shown, name) {
			t.Errorf("the guide does not show %s", name)
		}
	}
}

// contains reports whether a block stands in the source, as deep as it may be indented there.
func contains(source, block string) bool {
	lines := regexp.MustCompile(`(?m)^.`)
	for range 4 {
		if strings.Contains(source, block) {
			return true
		}
		block = lines.ReplaceAllString(block, "\t$0")
	}
	return false
}
