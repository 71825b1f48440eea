package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the structs' tags say now.
func TestGeneratedFilesAreCurrent(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the structs' tags say: run go generate ./sdk/wire", name)
		}
	}
}
