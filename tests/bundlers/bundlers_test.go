package bundlers

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const (
	packageName = "@example/avaya-ccaas-chat-sdk"
	wasmName    = "avaya-ccaas-chat-sdk.wasm"
)

// install makes sure that the short form's tools are there.
var install = sync.OnceValue(func() error { return setup() })

func setup(args ...string) error {
	if out, err := exec.Command("../setup/bundlers.sh", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("tests/setup/bundlers.sh: %w\n%s", err, out)
	}
	return nil
}

// pack lets npm pack the built package, and returns the archive's path.
var pack = sync.OnceValues(func() (string, error) {
	if err := install(); err != nil {
		return "", err
	}
	if out, err := exec.Command("../../build.sh", "package").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build.sh package: %w\n%s", err, out)
	}
	out, err := filepath.Abs("out/packed")
	if err != nil {
		return "", err
	}
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o777)); err != nil {
		return "", err
	}
	c := exec.Command("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", out)
	c.Dir = "../../dist/npm"
	if said, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack: %w\n%s", err, said)
	}
	found, err := filepath.Glob(filepath.Join(out, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm packed %q, %v", found, err)
	}
	return found[0], nil
})

func packed(t *testing.T) string {
	t.Helper()
	archive, err := pack()
	if err != nil {
		t.Fatal(err)
	}
	return archive
}

// project makes a project of these files, below a folder whose node_modules has the tools; it has
// the package in its own. It returns the project's folder.
func project(t *testing.T, below string, files map[string]string) string {
	t.Helper()
	archive := packed(t)
	dir, err := filepath.Abs(filepath.Join(below, "out", regexp.MustCompile(`[^\w]+`).ReplaceAllString(t.Name(), "-")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "node_modules", packageName, strings.TrimPrefix(h.Name, "package/")), string(text))
	}
	if _, ok := files["package.json"]; !ok {
		write(t, filepath.Join(dir, "package.json"), `{"private": true, "name": "page", "version": "1.0.0", "dependencies": {"`+packageName+`": "0.2.0"}}`)
	}
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// run runs a program of Node's in a project, and returns what it says.
func run(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "node", append([]string{path}, args...)...)
	c.Dir = dir
	c.Env = append(os.Environ(), "NO_COLOR=1", "CI=1", "NEXT_TELEMETRY_DISABLED=1", "NODE_ENV=")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", script, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// app is the page's script: it can chat.
const app = `import sdk, { init, on, createEngagement, shutdown } from "` + packageName + `";
window.chat = async (params, config) => {
  try {
    await init(params, config);
  } catch (error) {
    return String(error);
  }
  const active = new Promise((resolve) => on("ENGAGEMENT_ACTIVE", resolve));
  const engagement = await createEngagement({ topic: "A bundler" });
  await active;
  const message = await engagement.sendMessage("Hello");
  await shutdown();
  return message.body.elementText.text;
};
window.sdk = sdk;
document.body.dataset.ready = "yes";
`

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A page</title>
<link rel="icon" href="data:,">
<body>
<script type="module" src="./main.js"></script>
`

// folder serves a folder, under a policy. Its pages may connect to their own origin, and to more.
func folder(dir string, more ...string) http.Handler {
	policy := "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:; connect-src 'self' " + strings.Join(more, " ")
	files := http.FileServer(http.Dir(dir))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		files.ServeHTTP(w, r)
	})
}

// open opens the page of a site that is on one origin with the gateway.
func open(t *testing.T, site http.Handler) (*harness.Tab, *harness.Origin) {
	t.Helper()
	o := harness.Shared(t).NewOrigin(t)
	o.Intercept(t, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, wire.BasePath+"/") {
			return false
		}
		site.ServeHTTP(w, r)
		return true
	})
	b := harness.NewTab(t, "customer")
	b.Open(o.URL + "/")
	b.WaitUntil("the page's script", `document.body.dataset.ready === "yes"`)
	return b, o
}

// chat sends a message, and returns what became of it. config is an expression of JavaScript.
func chat(b *harness.Tab, o *harness.Origin, config string) (result string) {
	b.T.Helper()
	params := harness.Shared(b.T).InitParams(b.T, harness.NewCustomerID("bundler"), harness.TokenOptions{})
	params["hostURL"] = o.URL
	b.Eval(&result, `chat(%s, `+config+`)`, params)
	return result
}

// chats fails the test unless the page of a site sends a message.
func chats(t *testing.T, site http.Handler) {
	t.Helper()
	b, o := open(t, site)
	if got := chat(b, o, `{logLevel: "WARN"}`); got != "Hello" {
		t.Errorf("the message is %q", got)
	}
}

// What checks packages, in its strictest form.
func TestCheckers(t *testing.T) {
	archive := packed(t)
	if says := run(t, ".", "node_modules/publint/src/cli.js", "run", archive, "--strict"); !strings.Contains(says, "All good!") {
		t.Errorf("publint:\n%s", says)
	}
	if says := run(t, ".", "node_modules/@arethetypeswrong/cli/dist/index.js", archive); !strings.Contains(says, "No problems found") {
		t.Errorf("attw:\n%s", says)
	}
}

// typed is a page's script that uses the types of the modules, and uses two of them wrongly.
const typed = `import sdk, { init, on, setWasmURL, preload, EventType, ACSException } from "` + packageName + `";
import type { Message, EventMap, ErrorCode, UserContext, WasmSource } from "` + packageName + `";
import url from "` + packageName + "/" + wasmName + `";
import { useChatSession, useEngagement, useMessages } from "` + packageName + `/react";
import type { ChatAccount, ChatSession } from "` + packageName + `/react";
import buildInfo from "` + packageName + `/build-info.json" with { type: "json" };
import "` + packageName + `/avaya-ccaas-chat-sdk.js";
export const build: string = buildInfo.build;
export const version: string = window.AvayaCCaaSChatSDK.version();
const account: ChatAccount = async () => ({ hostURL: "", integrationId: "", token: "", appkey: "" });
export const session: ChatSession = useChatSession(account, { wasmURL: url, idleTimeout: 0 });
export const codes: Array<ErrorCode | undefined> = [session.error?.code, useEngagement().error?.code];
export const sent: Promise<Message> = useMessages().send("Hello");
useChatSession(); useChatSession(null);
// @ts-expect-error no account
useChatSession("Ann");
// @ts-expect-error the messages are the hook's
useMessages().messages.pop();
on("MESSAGE_ARRIVED", (m: Message) => m.body.elementText.text);
const seen: Array<EventMap["SHUTDOWN"]> = [];
on(EventType.SHUTDOWN, (s) => seen.push(s));
const source: WasmSource = new URL(url);
setWasmURL(source); setWasmURL(fetch(url)); setWasmURL(null);
export const user: Promise<UserContext> = init(
  { hostURL: "", integrationId: "", token: "", appkey: "" },
  { wasmURL: WebAssembly.compileStreaming(fetch(url)), idleTimeout: 0 },
);
preload().catch((e) => { if (e instanceof ACSException) { const code: ErrorCode = e.code; return code; } return sdk.version(); });
// @ts-expect-error no such source
setWasmURL(5);
// @ts-expect-error the SDK is frozen
sdk.init = init;
`

// Strict pages may use the types, however TypeScript finds them.
func TestTypes(t *testing.T) {
	if out, err := exec.Command("../setup/typescript.sh").CombinedOutput(); err != nil {
		t.Fatalf("tests/setup/typescript.sh: %v\n%s", err, out)
	}
	// An import of JSON says its type in a module only.
	required := strings.Replace(typed, ` with { type: "json" }`, "", 1)
	files := map[string]string{"page.ts": typed, "page.mts": typed, "page.cts": required}
	maps.Copy(files, samplesOf(t, "react.md"))
	files["account.ts"], files["useChat.ts"] = samplesOf(t, "start.md")["account.js"], samplesOf(t, "recipes.md")["useChat.ts"]
	dir := project(t, ".", files)
	for _, how := range []string{
		"--moduleResolution bundler --module esnext --resolveJsonModule page.ts",
		"--module nodenext --resolveJsonModule page.mts page.cts",
		"--moduleResolution bundler --module esnext --jsx react-jsx --noUnusedLocals --verbatimModuleSyntax --erasableSyntaxOnly App.tsx useChat.ts",
	} {
		run(t, dir, "../meta/types/node_modules/typescript/bin/tsc", append(strings.Fields("--strict --noEmit --target es2022"), strings.Fields(how)...)...)
	}
}

// On a server both forms may be imported, and change nothing; what needs a page says so.
func TestServer(t *testing.T) {
	dir := project(t, ".", map[string]string{"main.mjs": `import { createRequire } from "node:module";
const before = Object.keys(globalThis);
const required = createRequire(import.meta.url)("` + packageName + `");
const imported = await import("` + packageName + `");
for (const m of [required, imported]) {
  const code = (p) => p.then(() => "resolved", (e) => [e.code, e instanceof m.ACSException, e.message].join(" "));
  console.log(m.EventType.SHUTDOWN, m.version(), Object.keys(m.default).every((name) => m[name] === m.default[name]));
  console.log(await code(m.init({})), await code(m.preload()), await code(m.createEngagement()));
}
console.log(JSON.stringify(Object.keys(globalThis).filter((name) => !before.includes(name))));
`})
	says := run(t, dir, filepath.Join(dir, "main.mjs"))
	lines := strings.Split(strings.TrimSpace(says), "\n")
	if len(lines) != 5 || lines[0] != lines[2] || lines[1] != lines[3] || lines[4] != "[]" || !strings.HasSuffix(lines[0], " true") ||
		strings.Count(lines[1], "ACS-311 true") != 2 || !strings.Contains(lines[1], "there is no page") || !strings.Contains(lines[1], "ACS-310 true") {
		t.Errorf("it says\n%s", says)
	}
}

// esbuild bundles with esbuild, which copies no file that is named by new URL.
func esbuild(t *testing.T, dir, entry string, format api.Format) {
	t.Helper()
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: dir, EntryPoints: []string{entry}, Outdir: "built", EntryNames: "main", AssetNames: "[name]-[hash]", Bundle: true, Format: format,
		Loader: map[string]api.Loader{".wasm": api.LoaderFile}, External: []string{"react"}, Write: true,
		LogOverride: map[string]api.LogLevel{"empty-import-meta": api.LogLevelSilent},
	})
	for _, m := range slices.Concat(result.Errors, result.Warnings) {
		t.Errorf("esbuild: %s %v", m.Text, m.Location)
	}
	write(t, filepath.Join(dir, "built", "index.html"), page)
}

const namedByImport = `import wasmURL from "` + packageName + `/` + wasmName + `";
import { setWasmURL } from "` + packageName + `";
setWasmURL(wasmURL);
import "./app.js";
`

func TestEsbuild(t *testing.T) {
	t.Run("the wasm named by an import", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"app.js": app, "main.js": namedByImport})
		esbuild(t, dir, "main.js", api.FormatESModule)
		chats(t, folder(filepath.Join(dir, "built")))
	})
	t.Run("the wasm copied beside the bundle", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"main.js": app})
		esbuild(t, dir, "main.js", api.FormatESModule)
		write(t, filepath.Join(dir, "built", wasmName), string(read(t, filepath.Join(dir, "node_modules", packageName, wasmName))))
		chats(t, folder(filepath.Join(dir, "built")))
	})
	t.Run("INIT-9 no wasm beside the bundle", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"main.js": app})
		esbuild(t, dir, "main.js", api.FormatESModule)
		b, o := open(t, folder(filepath.Join(dir, "built")))
		b.AllowErrors(`Failed to load resource`)
		if got := chat(b, o, `{}`); !strings.Contains(got, "ACS-311") || !strings.Contains(got, "status 404") || !strings.Contains(got, "setWasmURL") || !strings.Contains(got, "reload the page") {
			t.Errorf("init: %s", got)
		}
	})
	t.Run("INIT-9 a bundle that has no URL", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"main.js": app})
		esbuild(t, dir, "main.js", api.FormatIIFE)
		b, o := open(t, folder(filepath.Join(dir, "built")))
		if got := chat(b, o, `{}`); !strings.Contains(got, "ACS-311") || !strings.Contains(got, "setWasmURL") {
			t.Errorf("init: %s", got)
		}
	})
}

// What a page does not use of the package is not in its bundle: an import has no side effect.
func TestUnusedImport(t *testing.T) {
	dir := project(t, ".", map[string]string{
		"main.js": `import sdk, { init } from "` + packageName + `"; import { useChatSession } from "` + packageName + `/react"; console.log("alone");`,
		"used.js": `import { version } from "` + packageName + `"; console.log(version());`,
	})
	for entry, isUsed := range map[string]bool{"main.js": false, "used.js": true} {
		esbuild(t, dir, entry, api.FormatESModule)
		if built := read(t, filepath.Join(dir, "built/main.js")); (len(built) > 10000) != isUsed {
			t.Errorf("%s becomes %d bytes:\n%.300s", entry, len(built), built)
		}
	}
}

// What the wasm can be loaded from, and what is refused.
func TestWasmURL(t *testing.T) {
	dir := project(t, ".", map[string]string{"main.js": app})
	esbuild(t, dir, "main.js", api.FormatESModule)
	wasm := read(t, filepath.Join(dir, "node_modules", packageName, wasmName))
	write(t, filepath.Join(dir, "built", "a", "chat.wasm"), string(wasm))
	// Of another build, whose stamp is as long as this one's; and one that only its hash tells apart.
	var info struct{ Build string }
	if err := json.Unmarshal(read(t, filepath.Join(dir, "node_modules", packageName, "build-info.json")), &info); err != nil {
		t.Fatal(err)
	}
	other := info.Build[:len(info.Build)-12] + "0123456789ab"
	write(t, filepath.Join(dir, "built", "other.wasm"), strings.ReplaceAll(string(wasm), info.Build, other))
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Type", "application/wasm")
		w.Write(wasm)
		if r.URL.Path == "/changed.wasm" {
			w.Write([]byte{0, 1, 0}) // an empty custom section
		}
	}))
	t.Cleanup(elsewhere.Close)
	here := folder(filepath.Join(dir, "built"), elsewhere.URL)
	for _, tt := range []struct{ name, config, want string }{
		{"a path", `{wasmURL: "/a/chat.wasm"}`, "Hello"},
		{"a URL", `{wasmURL: new URL("a/chat.wasm", location)}`, "Hello"},
		{"a Response", `{wasmURL: await fetch("/a/chat.wasm")}`, "Hello"},
		{"a promise of a Response", `{wasmURL: fetch("/a/chat.wasm")}`, "Hello"},
		{"a compiled module", `{wasmURL: WebAssembly.compileStreaming(fetch("/a/chat.wasm"))}`, "Hello"},
		{"a promise of a URL", `{wasmURL: Promise.resolve(new URL("a/chat.wasm", location))}`, "Hello"},
		{"the setter with a compiled module", `(sdk.setWasmURL(await WebAssembly.compileStreaming(fetch("/a/chat.wasm"))), {})`, "Hello"},
		{"the setter", `(sdk.setWasmURL("/a/chat.wasm"), {})`, "Hello"},
		{"another origin", `{wasmURL: "OTHER/chat.wasm"}`, "Hello"},
		{"a Response of another origin", `{wasmURL: fetch("OTHER/chat.wasm")}`, "Hello"},
		{"a changed file of another origin", `{wasmURL: "OTHER/changed.wasm"}`, "ACS-311"},
		{"a changed file's Response of another origin", `{wasmURL: fetch("OTHER/changed.wasm")}`, "reload the page"},
		{"another build", `{wasmURL: "/other.wasm"}`, "is of build " + other + ", but the script of build " + info.Build + ": the site has been deployed anew"},
		{"a Response that has been read", `{wasmURL: await fetch("/a/chat.wasm").then(async (r) => { await r.text(); return r })}`, "has been read"},
		{"a promise that is rejected", `{wasmURL: Promise.reject(new Error("offline"))}`, "offline"},
		{"no URL", `{wasmURL: "http://"}`, "is no URL"},
		{"an answer that is none", `{wasmURL: fetch("/none.wasm")}`, "status 404"},
		{"a page in its place", `{wasmURL: "/index.html"}`, "type text/html; charset=utf-8: serve the package's .wasm file there, or name its place with setWasmURL; where the site was deployed anew since this page was loaded, reload the page"},
	} {
		t.Run("INIT-9 "+tt.name, func(t *testing.T) {
			b, o := open(t, here)
			b.AllowErrors(`Failed to (load|find)|integrity`)
			config := strings.ReplaceAll(tt.config, "OTHER", elsewhere.URL)
			params := harness.Shared(t).InitParams(t, harness.NewCustomerID("bundler"), harness.TokenOptions{})
			params["hostURL"] = o.URL
			var got string
			b.Eval(&got, `(async () => chat(%s, `+config+`))()`, params)
			if !strings.Contains(got, tt.want) || (tt.want != "Hello" && !strings.Contains(got, "ACS-311")) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}

// hashed fails the test unless what is built has the wasm once, under a name with a hash: a file that
// is deployed anew then has another name.
func hashed(t *testing.T, dir string) {
	t.Helper()
	var found []string
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".wasm") {
			found = append(found, filepath.Base(path))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0] == wasmName || !regexp.MustCompile(`[\w-]{8,}`).MatchString(strings.ReplaceAll(found[0], "avaya-ccaas-chat-sdk", "")) {
		t.Errorf("built are %q", found)
	}
}

// noWarning fails the test for a bundler's warning.
func noWarning(t *testing.T, says string) {
	t.Helper()
	// Not in a file's path, such as SvelteKit's page for errors has.
	if regexp.MustCompile(`(?im)(^|[^\w/])(warn|error|doesn't exist)`).MatchString(says) {
		t.Errorf("the bundler says\n%s", says)
	}
}

func TestVite(t *testing.T) {
	const vite = "node_modules/vite/bin/vite.js"
	t.Run("build", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"main.js": app, "index.html": page})
		noWarning(t, run(t, dir, vite, "build", "--outDir", "built"))
		hashed(t, filepath.Join(dir, "built"))
		chats(t, folder(filepath.Join(dir, "built")))
	})
	t.Run("dev", func(t *testing.T) {
		dir := project(t, ".", map[string]string{"main.js": app, "index.html": page})
		chats(t, developed(t, vite, dir, "--host", "127.0.0.1", "--port", "0", "--strictPort"))
	})
}

// developed starts a server that is one process, and returns what passes calls on to it.
func developed(t *testing.T, script string, args ...string) http.Handler {
	t.Helper()
	return developedIn(t, "", script, args...)
}

// developedIn starts the server in a folder; "": where the test runs.
func developedIn(t *testing.T, dir, script string, args ...string) http.Handler {
	t.Helper()
	path, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(script)
	p := &harness.Process{
		Name: name, Path: node, Dir: dir, Args: append([]string{path}, args...), Ready: regexp.MustCompile(`http://(127\.0\.0\.1|localhost):\d+`),
		Env: []string{"NO_COLOR=1", "HOME=" + t.TempDir(), "NEXT_TELEMETRY_DISABLED=1"},
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		noWarning(t, p.Log.String()) // before its own processes complain of its end
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", name, p.Log.String())
		}
	})
	to, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // as the page's origin: else the socket for changes is refused
	}}
}

// A page without a bundler: an import map, on its own origin and on another, whose module the map
// has checked.
func TestImportMap(t *testing.T) {
	dir := project(t, ".", map[string]string{"main.js": app})
	modules := filepath.Join(dir, "node_modules", packageName)
	var info struct{ SHA384 map[string]string }
	if err := json.Unmarshal(read(t, filepath.Join(modules, "build-info.json")), &info); err != nil {
		t.Fatal(err)
	}
	changed := false
	cdn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if changed && strings.HasSuffix(r.URL.Path, ".wasm") {
			w.Header().Set("Content-Type", "application/wasm")
			w.Write(append(read(t, filepath.Join(modules, wasmName)), 0, 1, 0)) // an empty custom section
			return
		}
		http.FileServer(http.Dir(modules)).ServeHTTP(w, r)
	}))
	t.Cleanup(cdn.Close)
	site := func(at, script string) http.Handler {
		main := "/node_modules/" + packageName + "/index.mjs"
		if at != "" {
			main = at + "/index.mjs"
		}
		importMap, _ := json.Marshal(map[string]any{
			"imports":   map[string]string{packageName: main},
			"integrity": map[string]string{main: info.SHA384["index.mjs"]},
		})
		files := http.FileServer(http.Dir(dir))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" {
				files.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, strings.Replace(strings.Replace(page, "main.js", script, 1), "<script type", `<script type="importmap">`+string(importMap)+"</script>\n<script type", 1))
		})
	}
	t.Run("an import changes nothing", func(t *testing.T) {
		write(t, filepath.Join(dir, "import.js"), `const before = Reflect.ownKeys(window);
const module = await import("`+packageName+`");
window.added = Reflect.ownKeys(window).filter((key) => !before.includes(key)).map(String);
document.body.dataset.ready = typeof module.init === "function" ? "yes" : "no";
`)
		b, _ := open(t, site("", "import.js"))
		var added, loaded []string
		b.Eval(&added, `added`)
		b.Eval(&loaded, `performance.getEntriesByType("resource").map((e) => e.name.split("/").pop())`)
		if slices.Sort(loaded); len(added) > 0 || !slices.Equal(loaded, []string{"import.js", "index.mjs"}) {
			t.Errorf("globals that were added: %q, files that were loaded: %q", added, loaded)
		}
	})
	t.Run("own origin", func(t *testing.T) { chats(t, site("", "main.js")) })
	t.Run("another origin", func(t *testing.T) { chats(t, site(cdn.URL, "main.js")) })
	t.Run("INIT-9 another origin, whose wasm is another file", func(t *testing.T) {
		changed = true
		b, o := open(t, site(cdn.URL, "main.js"))
		b.AllowErrors(`integrity|Failed to`)
		if got := chat(b, o, `{}`); !strings.Contains(got, "ACS-311") || !strings.Contains(got, "reload the page") {
			t.Errorf("init: %s", got)
		}
	})
}

// The sample of docs/start.md, as it is printed: what the customer writes reaches an agent, and the
// other way round, also after a reload.
func TestStart(t *testing.T) {
	const vite = "node_modules/vite/bin/vite.js"
	_, html, _ := strings.Cut(string(read(t, "../../docs/start.md")), "```html\n")
	html, _, _ = strings.Cut(html, "```")
	head, _, _ := strings.Cut(page, "<script")
	files := samplesOf(t, "start.md")
	files["index.html"], files["account.js"] = head+html, accountOf(t, harness.NewCustomerID("start"))
	dir := project(t, ".", files)
	noWarning(t, run(t, dir, vite, "build", "--outDir", "built"))
	o := siteOf(t, folder(filepath.Join(dir, "built")))
	b := harness.NewTab(t, "customer")
	for _, text := range []string{"Hello", "Hello again"} {
		b.Open(o.URL + "/")
		b.WaitUntil("the form", `!document.querySelector("#say button").disabled`)
		b.Type(`#say input`, text)
		b.Click("#say button")
		b.WaitUntil("the message", `document.getElementById("log").textContent.includes(%s)`, ": "+text+"\n")
	}
}

// The sample of docs/sizes.md, as it is printed: the WebAssembly is loaded when the visitor shows
// interest, and not before.
func TestOnDemand(t *testing.T) {
	block := regexp.MustCompile("(?s)```js\n(// on-demand\\.js\n.*?)```").FindSubmatch(read(t, "../../docs/sizes.md"))
	if block == nil {
		t.Fatal("docs/sizes.md has no on-demand.js")
	}
	dir := project(t, ".", map[string]string{"app.js": app, "on-demand.js": string(block[1]), "main.js": `import "./app.js";
import { loadOnDemand } from "./on-demand.js";
const button = document.body.appendChild(document.createElement("button"));
button.id = "chat";
window.opened = 0;
loadOnDemand(button, () => window.opened++);
`})
	esbuild(t, dir, "main.js", api.FormatESModule)
	write(t, filepath.Join(dir, "built", wasmName), string(read(t, filepath.Join(dir, "node_modules", packageName, wasmName))))
	b, o := open(t, folder(filepath.Join(dir, "built")))
	const loaded = `performance.getEntriesByType("resource").filter((e) => e.name.includes(".wasm")).length`
	count := func(what string, want int) {
		t.Helper()
		var n int
		if b.Eval(&n, what); n != want {
			t.Errorf("%s is %d, not %d", what, n, want)
		}
	}
	count(loaded, 0)
	b.Eval(nil, `new Promise((resolve) => {
		new PerformanceObserver((list) => list.getEntries().some((e) => e.name.includes(".wasm")) && resolve()).observe({ type: "resource" });
		document.querySelector("#chat").dispatchEvent(new Event("pointerenter"));
	})`)
	count(`opened`, 0)
	b.Click("#chat")
	b.Click("#chat")
	count(`opened`, 1)
	if got := chat(b, o, `{}`); got != "Hello" {
		t.Errorf("the message is %q", got)
	}
	count(loaded, 1)
}
