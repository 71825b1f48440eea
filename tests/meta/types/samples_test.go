package types

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// sampleBlock is a fenced block of a document.
type sampleBlock struct {
	Line     int    `json:"line"` // of its first line of code, in the document
	Language string `json:"language"`
	File     string `json:"file"` // what its first line calls it, if it does
	Code     string `json:"code"`
}

type sampleDocument struct {
	Name   string        `json:"name"`
	Pages  []string      `json:"pages"`
	Blocks []sampleBlock `json:"blocks"`
}

var (
	fence        = regexp.MustCompile("(?ms)^```([a-zA-Z]+)[^\n]*\n(.*?)^```[ \t]*$")
	fileLine     = regexp.MustCompile(`^// (\S+\.(?:[jt]sx?|mjs))\n`)
	vueScript    = regexp.MustCompile(`(?s)^<!-- (\S+\.vue) -->\n<script setup>(.*?)</script>`)
	inlineScript = regexp.MustCompile(`(?s)<script(?: type="(?:module|text/javascript)")?>(.*?)</script>`)
	languages    = []string{"js", "javascript", "mjs", "jsx", "ts", "typescript", "tsx"}
)

// samplesOf returns the code in a document of Markdown.
func samplesOf(name, text string) sampleDocument {
	d := sampleDocument{Name: name, Pages: []string{}, Blocks: []sampleBlock{}}
	lineAt := func(at int) int { return strings.Count(text[:at], "\n") + 1 }
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		language, code := text[at[2]:at[3]], text[at[4]:at[5]]
		switch {
		case language == "html":
			d.Pages = append(d.Pages, code)
			for _, script := range inlineScript.FindAllStringSubmatchIndex(code, -1) {
				d.Blocks = append(d.Blocks, sampleBlock{lineAt(at[4] + script[2]), "js", "", code[script[2]:script[3]]})
			}
		case language == "vue":
			// What its template uses is not looked into.
			if script := vueScript.FindStringSubmatchIndex(code); script != nil {
				d.Blocks = append(d.Blocks, sampleBlock{lineAt(at[4] + script[4]), "js", code[script[2]:script[3]] + "-script.js", code[script[4]:script[5]]})
			}
		case slices.Contains(languages, language):
			b := sampleBlock{Line: lineAt(at[4]), Language: language, Code: code}
			if m := fileLine.FindStringSubmatch(code); m != nil {
				b.File = m[1]
			}
			d.Blocks = append(d.Blocks, b)
		}
	}
	return d
}

// checkSamples returns what the compiler says of the samples.
func checkSamples(t *testing.T, documents []sampleDocument) []string {
	t.Helper()
	if err := install(); err != nil {
		t.Fatal(err)
	}
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]any{"package": filepath.Join(harness.Root(), "dist", "npm"), "documents": documents})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", "samples.mjs")
	c.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("node samples.mjs: %v\n%s", err, stderr.Bytes())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

// Every sample of TypeScript and JavaScript in the documents is sound in strict mode.
func TestSamplesCompile(t *testing.T) {
	var documents []sampleDocument
	blocks := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "js/pack/npm/*.md", "web/*/README.md"} {
		files, err := filepath.Glob(filepath.Join(harness.Root(), filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(harness.Root(), file)
			if err != nil {
				t.Fatal(err)
			}
			if d := samplesOf(filepath.ToSlash(name), string(text)); len(d.Blocks) > 0 {
				blocks += len(d.Blocks)
				documents = append(documents, d)
			}
		}
	}
	if blocks < 10 {
		t.Errorf("the documents have %d samples", blocks)
	}
	for _, line := range checkSamples(t, documents) {
		t.Error(line)
	}
}

// What is wrong with a sample is found, and reported with the line of the document.
func TestSamplesWrongAreFound(t *testing.T) {
	const document = "# A document\n" + // 1
		"```html\n<form id=\"say\"><input name=\"text\"></form>\n<script>\nsdk.on(\"MESSAGE_ARIVED\", () => {});\n</script>\n```\n" + // 2 to 7
		"```js\n// other.js\n/** @param {string} text */\nexport const say = (text) => chat.sendMessage(text);\n```\n" + // 8 to 12
		"```ts\nimport { say } from \"./other.js\";\n" + // 14
		"say(1);\n" +
		"document.querySelector(\"#say\").elements.text.value = \"\";\n" + // right
		"document.querySelector(\"#other\").remove();\n" + // 17
		"const m = say(\"x\"); m.body;\n" + // 18
		"```\n```jsx\nimport { init } from \"@example/avaya-ccaas-chat-sdk\";\n" + // 21
		"export const Part = ({ text }) => <p>{text}</p>;\n" + // 22
		"init({ hostURL, integrationId, token, appkey }, { wasmURL: 1 });\n" +
		"import { theirs } from \"./theirs\";\nimport { say as shared } from \"./other\";\n" + // 24
		"shared(theirs());\n```\n" // 26
	const another = "```js\n// theirs.js\nexport const theirs = () => 1;\n```\n```js\n// other.js\nexport const say = 1;\n```\n"
	got := checkSamples(t, []sampleDocument{samplesOf("docs/another.md", another), samplesOf("docs/wrong.md", document)})
	want := []string{"5: TS2345", "15: TS2345", "17: TS2531", "18: TS2339", "22: TS7031", "23: TS2322", "26: TS2345"}
	if len(got) != len(want) {
		t.Errorf("%d mistakes were found, %d were made", len(got), len(want))
	}
	for _, mistake := range want {
		if !slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "docs/wrong.md:"+mistake+": ") }) {
			t.Errorf("nothing says docs/wrong.md:%s", mistake)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}
