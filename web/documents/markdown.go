package documents

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// forgeIDs gives headings the ids that forges give them, so that a link to a section works there
// and here.
type forgeIDs struct{ seen map[string]int }

var notInIDs = regexp.MustCompile(`[^\p{L}\p{N}_\- ]`)

// Generate implements parser.IDs. The text is a heading's as it is written, with its marks.
func (f *forgeIDs) Generate(written []byte, _ ast.NodeKind) []byte {
	words := anchorTag.ReplaceAllString(string(written), "")
	words = linkMark.ReplaceAllString(words, "$1")
	id := strings.ReplaceAll(notInIDs.ReplaceAllString(strings.ToLower(strings.TrimSpace(words)), ""), " ", "-")
	n := f.seen[id]
	if f.seen[id]++; n > 0 {
		id = fmt.Sprint(id, "-", n)
	}
	return []byte(id)
}

// Put implements parser.IDs.
func (f *forgeIDs) Put(id []byte) { f.seen[string(id)]++ }

var (
	anchorTag = regexp.MustCompile(`<a id="[\w.\-]+">|</a>`)
	linkMark  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

func isAnchor(text string) bool { return anchorTag.FindString(text) == text }

func isComment(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "<!--") && strings.Index(text, "-->") == len(text)-len("-->")
}

// htmlOf returns the HTML that a node is, "" where it is none.
func htmlOf(n ast.Node, source []byte) string {
	switch n := n.(type) {
	case *ast.RawHTML:
		return string(n.Segments.Value(source))
	case *ast.HTMLBlock:
		all := n.Lines().Value(source)
		if n.HasClosure() {
			all = append(bytes.Clone(all), n.ClosureLine.Value(source)...)
		}
		return string(all)
	}
	return ""
}

// ownNodes renders what pages show in another way than plain HTML: what may be wider than the
// window scrolls by itself, also by keys, and of HTML there are anchors only.
type ownNodes struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (ownNodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindRawHTML, renderHTML)
	r.Register(ast.KindHTMLBlock, renderHTML)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(ast.KindCodeBlock, renderCode)
	r.Register(extensionast.KindTable, renderTable)
}

func renderHTML(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if text := htmlOf(n, source); entering && isAnchor(text) {
		_, _ = w.WriteString(text)
	}
	return ast.WalkSkipChildren, nil
}

func renderCode(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		code := html.EscapeString(string(n.Lines().Value(source)))
		_, _ = fmt.Fprintf(w, "<pre tabindex=\"0\"><code>%s</code></pre>\n", code)
	}
	return ast.WalkContinue, nil
}

// labelCells gives the cells of a table with three columns or more the texts of their columns'
// heads: where the window is narrow, a row's cells stand one below the other.
func labelCells(table *extensionast.Table, source []byte) {
	if !isStacked(table) {
		return
	}
	var heads []string
	for head := table.FirstChild().FirstChild(); head != nil; head = head.NextSibling() {
		heads = append(heads, plainText(head, source))
	}
	for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
		column := 0
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			cell.SetAttributeString("data-column", []byte(heads[column]))
			column++
		}
	}
}

func isStacked(n ast.Node) bool {
	table, ok := n.(*extensionast.Table)
	return ok && len(table.Alignments) > 2
}

func renderTable(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		class := "wide"
		if isStacked(n) {
			class = "wide stacked"
		}
		_, _ = fmt.Fprintf(w, "<div class=%q tabindex=\"0\">\n<table>\n", class)
	} else {
		_, _ = w.WriteString("</table>\n</div>\n")
	}
	return ast.WalkContinue, nil
}
