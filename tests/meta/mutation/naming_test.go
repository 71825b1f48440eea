package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLikeliest(t *testing.T) {
	c := tree(t.TempDir())
	if err := os.MkdirAll(filepath.Join(string(c), "pkg"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(string(c), "pkg", "a_test.go"), []byte(`package pkg

func TestMessages(t *testing.T) {
	t.Run("MSG-1 a message that is too long is refused", func(t *testing.T) {})
}

func TestOrder(t *testing.T) {
	t.Run("MSG-1 MSG-3 messages go out in order", func(t *testing.T) {})
}

func TestTooLong(t *testing.T) {
	t.Run("IDLE-1 a message that is too long is refused", func(t *testing.T) {})
}
`), 0o666); err != nil {
		t.Fatal(err)
	}
	f := mutant{fault: fault{breaks: "MSG-1 a message that is too long is taken"}}
	best, err := c.likeliest([]string{"pkg"}, f)
	if err != nil || len(best) != 2 || best[0] != (catch{"pkg", "TestMessages"}) || best[1] != (catch{"pkg", "TestOrder"}) {
		t.Errorf("%v, %v", best, err)
	}
	if names, err := c.naming("pkg", []string{"IDLE-1"}); err != nil || len(names) != 1 || names[0] != "TestTooLong" {
		t.Errorf("%v, %v", names, err)
	}
}
