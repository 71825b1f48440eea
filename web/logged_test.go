package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"openchat/web/metrics"
)

// One line at the start, and another after a reload, says whom the process serves and how much
// of it, with what is in effect and no secret.
func TestTheLogSaysTheSettingsInEffect(t *testing.T) {
	t.Parallel()
	const shared, appkey = "desk-credential-of-all-the-time", "appkey-of-the-second-time"
	file := filepath.Join(t.TempDir(), "gateway.toml")
	write(t, file, "allowed-origins = ['https://*.example.com', 'https://b.example']", "customer-chats = 5", "account-chats = 0", "max-store = '20GB'", "max-age = '48h'", "tenant = ['"+tenantText+appkey+"', '"+tenantText+"another', 'MNOPQR:a776d4f3-b886-40a3-9fa7-5b7df35b440b:third']")
	var args []string
	for two := twoTenants(t); len(two) > 0; { // without its tenants
		if two[0] == "--tenant" {
			two = two[2:]
			continue
		}
		args, two = append(args, two[0]), two[1:]
	}
	p := launch(t, built(t), append(args, "--desk-credential", shared, "--config", file, "--retain-bytes", "10GB")...)
	line := func(from string) string {
		t.Helper()
		p.logged(from)
		_, text, _ := strings.Cut(p.Log.String(), from)
		_, text, ok := strings.Cut(text, `msg="settings in effect" `)
		if !ok {
			t.Fatalf("the log has no such line:\n%s", p.Log.String())
		}
		text, _, _ = strings.Cut(text, "\n")
		return " " + text + " "
	}
	wants := func(line string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(line, " "+want+" ") {
				t.Errorf("the line lacks %s: %s", want, line)
			}
		}
	}
	const integration = "/a776d4f3-b886-40a3-9fa7-5b7df35b440b"
	p.logged("customer-chats=5")
	wants(line("msg=serving "), "tenants=ABCDEF"+integration+",MNOPQR"+integration, "origins=https://*.example.com,https://b.example", "customer-chats=5", "account-chats=0", "account-mib-per-hour=4096", "max-store=20GB",
		"max-age=48h", "session-idle=24h", "abandon-after=30m", "retain-bytes=10GB", "agents=0")

	write(t, file, "customer-chats = 6", "max-age = '72h'", "tenant = ['"+tenantText+appkey+"']")
	p.hangup("settings read again")
	p.logged(`settings="--max-age, --max-store"`)
	p.logged("customer-chats=6")
	wants(line("settings read again"), "tenants=ABCDEF"+integration, `origins=""`, "customer-chats=6", "max-age=48h")
	for _, secret := range []string{shared, appkey, serverSecret, "another", "third"} {
		if strings.Contains(p.Log.String(), secret) {
			t.Errorf("a secret is logged: %s", secret)
		}
	}
	p.terminate(syscall.SIGTERM)
	if few(make([]string, maxLogged+3)) != strings.Repeat(",", maxLogged-1)+" and 3 more" {
		t.Error("a long list is not shortened")
	}
}

// Each line of the log at WARN and ERROR is in docs/operations.md with what to do, and each one there is in the code.
func TestLinesOfTheLogThatNeedAPersonAreDocumented(t *testing.T) {
	t.Parallel()
	lines := map[string]bool{metrics.PanicMessage: true}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if text := messageOf(call); text != "" {
					lines[strings.ReplaceAll(text, "`", "")] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## The log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\| \\S.* \\|$").FindAllStringSubmatch(section, -1) {
		for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[1], -1) {
			documented[m[1]] = true
		}
	}
	if len(lines) < 40 {
		t.Fatalf("only %d lines were found in the code", len(lines))
	}
	for line := range lines {
		if !documented[line] {
			t.Errorf("docs/operations.md, \"The log\", does not say what to do about %q", line)
		}
		delete(documented, line)
	}
	for line := range documented {
		t.Errorf("docs/operations.md, \"The log\", has %q, which is no line at WARN or ERROR", line)
	}
}

// messageOf is the message that a call logs at WARN or ERROR, at once or later; "" for any other call. What
// a part of it that is not constant says is "…".
func messageOf(call *ast.CallExpr) string {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		name = f.Sel.Name
	case *ast.Ident:
		name = f.Name
	}
	at := map[string]int{"Warn": 0, "Error": 0, "NewNotices": 1, "NewTally": 2}
	i, ok := at[name]
	if !ok || len(call.Args) <= i {
		return ""
	}
	if level, ok := call.Args[max(i-1, 0)].(*ast.SelectorExpr); ok && level.Sel.Name == "LevelInfo" {
		return ""
	}
	text, constant := constantOf(call.Args[i])
	if !constant {
		return ""
	}
	return text
}

// constantOf is a text of which at least the beginning is constant.
func constantOf(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, ok := constantOf(e.X)
		right, constant := constantOf(e.Y)
		if !constant {
			right = "…"
		}
		return left + right, ok
	}
	return "", false
}
