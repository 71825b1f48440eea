package documents

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"openchat/docs"
)

// site renders documents, whose list has them all.
func site(t *testing.T, files map[string]string) (map[string]string, error) {
	t.Helper()
	all := fstest.MapFS{"README.md": {Data: []byte("# Documents\n\n## Learn\n\n| Document | What |\n|---|---|\n| [`a.md`](a.md) | [b](b.md) |\n| [the project](../README.md) | |\n")}}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	pages, err := Pages(all)
	texts := map[string]string{}
	for name, page := range pages {
		texts[name] = string(page)
	}
	return texts, err
}

func TestPages(t *testing.T) {
	pages, err := site(t, map[string]string{
		"a.md": "# A & more\n\n## First section\n\n#### <a id=\"ROW-1\"></a>ROW-1 `code_of(x)`\n\n### Second [part](b.md)\n\n" +
			"[b](b.md#a-section), [list](README.md), [here](#first-section), [project](../README.md), [`code`](../js/code.js), [out](https://example.com/x.md)\n\n" +
			"<!-- a comment -->\n\n```html\n<script>alert(1)</script>\n```\n\n| x |\n|---|\n| <a id=\"CELL-1\"></a>y |\n\n" +
			"| One | Two & `2` | Three |\n|---|---:|---|\n| a | b | c |\n",
		"b.md": "# B\n\n## A section\n\n## A section\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for page, wanted := range map[string][]string{
		"index.html": {`<title>Documents - Chat SDK</title>`, `<a href="a.html">A &amp; more</a>`, `<td>the project</td>`, `<h2>Learn</h2>`},
		"a.html": {
			`<h1 id="a--more">A &amp; more</h1>`, `<h2 id="first-section">First section</h2>`, `<h3 id="row-1-code_ofx"><a id="ROW-1"></a>ROW-1 <code>code_of(x)</code></h3>`,
			`<h3 id="second-part">`, `<a href="b.html#a-section">b</a>`, `<a href="index.html">list</a>`, `<a href="#first-section">here</a>`,
			`, project, <code>code</code>, `, `<a href="https://example.com/x.md">out</a>`, `<pre tabindex="0"><code>&lt;script&gt;alert(1)&lt;/script&gt;` + "\n</code></pre>",
			"<div class=\"wide\" tabindex=\"0\">\n<table>", "<div class=\"wide stacked\" tabindex=\"0\">\n<table>", `<td align="right" data-column="Two &amp; 2">b</td>`, `<td><a id="CELL-1"></a>y</td>`, `<a href="#first-section">First section</a>`, `<a href="a.html" aria-current="page">A &amp; more</a>`,
		},
		"b.html": {`<h2 id="a-section">`, `<h2 id="a-section-1">`},
	} {
		for _, text := range wanted {
			if !strings.Contains(pages[page], text) {
				t.Errorf("%s has no %s:\n%s", page, text, pages[page])
			}
		}
	}
	if strings.Contains(pages["a.html"], "<!--") || strings.Contains(pages["index.html"], `<a href="b.html">B</a>`) {
		t.Errorf("what is not for readers is shown:\n%s\n%s", pages["a.html"], pages["index.html"])
	}
	if len(pages) != 4 {
		t.Errorf("%d files were made, not 3 pages and a style", len(pages))
	}
}

func TestPagesThatCanNotBeMade(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"HTML in a line":      {"a.md": "# A\n\nsome <b>HTML</b>\n"},
		"HTML as a block":     {"a.md": "# A\n\n<div onclick=\"x\">\n</div>\n"},
		"a script":            {"a.md": "# A\n\n<script>alert(1)</script>\n"},
		"an anchor with more": {"a.md": "# A\n\nsome <a id=\"x\" href=\"y\">HTML</a>\n"},
		"two of one name":     {"a.md": "# A\n", "A.md": "# A\n"},
		"a list in its place": {"index.md": "# A\n"},
	} {
		if _, err := site(t, files); err == nil {
			t.Errorf("%s: pages were made", name)
		}
	}
	if _, err := Pages(fstest.MapFS{"a.md": {Data: []byte("# A\n")}}); err == nil {
		t.Error("without a list, pages were made")
	}
}

// The documents of docs/: each is listed, has a title, and has each id once.
func TestDocuments(t *testing.T) {
	pages, err := Pages(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 12 {
		t.Errorf("there are %d pages", len(pages))
	}
	for name, text := range pages {
		page := string(text)
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		if strings.Contains(page, "<title> -") || strings.Count(page, "<h1") != 1 {
			t.Errorf("%s has not one title", name)
		}
		if !strings.Contains(string(pages["index.html"]), `href="`+name+`"`) && name != "index.html" {
			t.Errorf("docs/README.md does not list what is %s", name)
		}
		if m := regexp.MustCompile(`<[^>]* (?:style|on\w+)="`).FindString(page); m != "" {
			t.Errorf("%s has what the pages' policy forbids: %s", name, m)
		}
		seen := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("%s has the id %q twice", name, m[1])
			}
			seen[m[1]] = true
		}
	}
}
