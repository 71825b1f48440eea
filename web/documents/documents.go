// Package documents renders the documents of docs/ as pages, with working links between
// them and a list of all on each.
package documents

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// index is the document that lists the others, under headings: the list on each page is made of it.
const index = "README.md"

var (
	//go:embed style.css
	style []byte
	// pageText has marks where a page's parts go. It is no html/template, which calls methods by
	// their names: the linker would then keep every method of the gateway, 4 MB.
	//go:embed page.html
	pageText string
)

// document is one file.
type document struct {
	file     string // its name
	page     string // its page's name
	title    string
	source   []byte
	root     ast.Node
	contents []link // its sections
}

type link struct{ To, Text string }

// group is a part of the list of all documents.
type group struct {
	Name  string
	Links []link
}

// Pages returns the pages of all documents by their names, and what they need: index.html leads to
// the others. They lie in one folder, beside the folders of the demo's other pages.
func Pages(files fs.FS) (map[string][]byte, error) {
	all, err := read(files)
	if err != nil {
		return nil, err
	}
	byFile := map[string]*document{}
	byPage := map[string]*document{}
	for _, d := range all {
		if other := byPage[d.page]; other != nil {
			return nil, fmt.Errorf("%s and %s would both be %s", other.file, d.file, d.page)
		}
		byFile[d.file], byPage[d.page] = d, d
	}
	markdown := newMarkdown()
	for _, d := range all {
		if err := d.parse(markdown.Parser()); err != nil {
			return nil, fmt.Errorf("%s: %w", d.file, err)
		}
	}
	listed := byFile[index]
	if listed == nil {
		return nil, fmt.Errorf("there is no %s", index)
	}
	groups := listed.groups(byFile)
	pages := map[string][]byte{"style.css": style}
	for _, d := range all {
		d.relink(byFile)
		if pages[d.page], err = d.render(markdown.Renderer(), groups); err != nil {
			return nil, fmt.Errorf("%s: %w", d.file, err)
		}
	}
	return pages, nil
}

// read reads the documents: files of Markdown.
func read(files fs.FS) (all []*document, err error) {
	err = fs.WalkDir(files, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(file) != ".md" {
			return err
		}
		source, err := fs.ReadFile(files, file)
		all = append(all, &document{file: file, page: pageName(file), source: source})
		return err
	})
	return all, err
}

// pageName returns the name of a document's page: that of start.md is start.html.
func pageName(file string) string {
	if file == index {
		return "index.html"
	}
	return strings.ToLower(strings.TrimSuffix(path.Base(file), ".md")) + ".html"
}

func newMarkdown() goldmark.Markdown {
	return goldmark.New(
		// The other way to align cells is a style of their own, which the pages' policy forbids.
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(ownNodes{}, 1))),
	)
}

// parse reads the document's title and sections, and prepares it for a narrow window. Levels of headings that are left out are closed
// up, so that no heading of a page is more than one level below the one that it belongs to.
func (d *document) parse(p parser.Parser) error {
	context := parser.NewContext(parser.WithIDs(&forgeIDs{seen: map[string]int{}}))
	d.root = p.Parse(text.NewReader(d.source), parser.WithContext(context))
	var open []int
	return ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if html := htmlOf(n, d.source); html != "" && !isAnchor(html) && !isComment(html) {
			return ast.WalkStop, fmt.Errorf("only anchors and comments may be HTML, not %s", html)
		}
		if table, ok := n.(*extensionast.Table); ok {
			labelCells(table, d.source)
		}
		heading, ok := n.(*ast.Heading)
		if !ok {
			return ast.WalkContinue, nil
		}
		words := plainText(heading, d.source)
		switch heading.Level {
		case 1:
			d.title = words
		case 2:
			id, _ := heading.AttributeString("id")
			d.contents = append(d.contents, link{"#" + string(id.([]byte)), words})
		}
		for len(open) > 0 && open[len(open)-1] >= heading.Level {
			open = open[:len(open)-1]
		}
		open = append(open, heading.Level)
		heading.Level = len(open)
		return ast.WalkContinue, nil
	})
}

// groups reads the list of all documents out of this one: its sections, and in each the documents
// that the first cells of a table lead to.
func (d *document) groups(byFile map[string]*document) (groups []group) {
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Heading:
			if entering && n.Level == 2 {
				groups = append(groups, group{Name: plainText(n, d.source)})
			}
		case *ast.Link:
			cell, isCell := n.Parent().(*extensionast.TableCell)
			to := byFile[string(n.Destination)]
			if entering && isCell && cell.PreviousSibling() == nil && to != nil && len(groups) > 0 {
				last := &groups[len(groups)-1]
				last.Links = append(last.Links, link{to.page, to.title})
			}
		}
		return ast.WalkContinue, nil
	})
	return groups
}

// relink turns links between files into links between pages. Of a link to another file of the
// repository only the text stays: the demo does not serve that.
func (d *document) relink(byFile map[string]*document) {
	var links []*ast.Link
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if l, ok := n.(*ast.Link); ok && entering {
			links = append(links, l)
		}
		return ast.WalkContinue, nil
	})
	for _, l := range links {
		to, err := url.Parse(string(l.Destination))
		if err != nil || to.IsAbs() || to.Path == "" {
			continue
		}
		target := byFile[to.Path]
		if target == nil {
			parent := l.Parent()
			for child := l.FirstChild(); child != nil; child = l.FirstChild() {
				parent.InsertBefore(parent, l, child)
			}
			parent.RemoveChild(parent, l)
			continue
		}
		to.Path = target.page
		l.Destination = []byte(to.String())
	}
}

func (d *document) render(r renderer.Renderer, groups []group) ([]byte, error) {
	var body bytes.Buffer
	if err := r.Render(&body, d.source, d.root); err != nil {
		return nil, err
	}
	contents := ""
	if len(d.contents) > 0 {
		contents = `<nav aria-labelledby="page-contents">` + "\n" + `<h2 id="page-contents">On this page</h2>` + "\n" + d.list(d.contents) + "</nav>"
	}
	var documents strings.Builder
	for _, g := range groups {
		documents.WriteString("<h2>" + html.EscapeString(g.Name) + "</h2>\n" + d.list(g.Links))
	}
	page := strings.NewReplacer(
		"{{title}}", html.EscapeString(d.title), "{{body}}", body.String(), "{{contents}}", contents, "{{documents}}", documents.String(),
	).Replace(pageText)
	return []byte(page), nil
}

// list returns links as a list, in which that to this document says so.
func (d *document) list(links []link) string {
	var b strings.Builder
	b.WriteString("<ul>\n")
	for _, l := range links {
		current := ""
		if l.To == d.page {
			current = ` aria-current="page"`
		}
		fmt.Fprintf(&b, "<li><a href=\"%s\"%s>%s</a></li>\n", html.EscapeString(l.To), current, html.EscapeString(l.Text))
	}
	b.WriteString("</ul>\n")
	return b.String()
}

// plainText returns the words in a node, without marks.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}
