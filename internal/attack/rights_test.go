package attack_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The rights that the document tells operators to give on Redis are enough for every script.
func TestDocument_Rights(t *testing.T) {
	document, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rights, found := strings.Cut(string(document), "ACL SETUSER")
	rights, _, closed := strings.Cut(rights, "```")
	if !found || !closed {
		t.Fatal("docs/security.md has no ACL SETUSER")
	}
	given := map[string]bool{}
	for right := range strings.FieldsSeq(rights) {
		given[right] = true
	}
	scripts, err := filepath.Glob("../../redisx/lua/*.lua")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("%d scripts, %v", len(scripts), err)
	}
	command := regexp.MustCompile(`redis\.p?call\(\s*'([A-Za-z]+)'`)
	for _, path := range scripts {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range command.FindAllStringSubmatch(string(source), -1) {
			if name := strings.ToLower(match[1]); !given["+"+name] {
				t.Errorf("%s uses %s, which docs/security.md does not give", filepath.Base(path), name)
			}
		}
	}
}
