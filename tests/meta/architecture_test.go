package meta

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// section returns the text of ARCHITECTURE.md below a heading.
func section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(source(t, "ARCHITECTURE.md"), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("ARCHITECTURE.md has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// Each function that a frame passes is in the file that the table names, and no file stands there twice.
func TestWayOfAFrame(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\|").FindAllStringSubmatch(section(t, "The way of a frame"), -1) {
		file, code := row[1], source(t, row[1])
		if seen[file] {
			t.Errorf("%s is entered twice", file)
		}
		seen[file] = true
		for _, m := range codeSpan.FindAllStringSubmatch(row[2], -1) {
			name := m[1][strings.LastIndexByte(m[1], '.')+1:]
			if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + name + `\(`).MatchString(code) {
				t.Errorf("%s has no function %s", file, m[1])
			}
		}
	}
	if len(seen) < 5 {
		t.Errorf("the table names %d files", len(seen))
	}
}

// Each file and folder of the index is there.
func TestIndexOfTheCode(t *testing.T) {
	questions := 0
	for row := range strings.Lines(section(t, "Where is …?")) {
		_, answer, ok := strings.Cut(strings.Trim(row, "| \n"), "|")
		if !ok || strings.Contains(answer, "---") || strings.TrimSpace(answer) == "file" {
			continue
		}
		questions++
		files := 0
		for _, m := range codeSpan.FindAllStringSubmatch(answer, -1) {
			if !strings.ContainsAny(m[1], "/.") {
				continue // a name in that file
			}
			files++
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(row), err)
			}
		}
		if files == 0 {
			t.Errorf("no file is named: %s", strings.TrimSpace(row))
		}
	}
	if questions < 20 {
		t.Errorf("the index has %d questions", questions)
	}
}
