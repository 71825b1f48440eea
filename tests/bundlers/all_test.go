package bundlers

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var installAll = sync.OnceValue(func() error { return setup("all") })

// needsAll skips a test of the long form, unless make bundlers runs it.
func needsAll(t *testing.T) {
	t.Helper()
	if os.Getenv("OPENCHAT_BUNDLERS") == "" {
		t.Skip("make bundlers runs it")
	}
	if err := installAll(); err != nil {
		t.Fatal(err)
	}
}

func TestWebpack(t *testing.T) {
	needsAll(t)
	dir := project(t, "all", map[string]string{"main.js": app})
	noWarning(t, run(t, dir, "all/node_modules/webpack-cli/bin/cli.js", "build", "--entry", "./main.js", "--output-path", "built", "--mode", "production", "--no-performance"))
	write(t, filepath.Join(dir, "built", "index.html"), page)
	hashed(t, filepath.Join(dir, "built"))
	chats(t, folder(filepath.Join(dir, "built")))
}

// Before its version 8, Vite puts what a page imports elsewhere while the page is developed, and not the
// wasm: docs/start.md says what to do.
const vite7Config = `export default { optimizeDeps: { exclude: ["` + packageName + `"] } };
`

func TestVite7(t *testing.T) {
	needsAll(t)
	const vite = "all/node_modules/vite7/bin/vite.js"
	dir := project(t, "all", map[string]string{"main.js": app, "index.html": page, "vite.config.mjs": vite7Config})
	noWarning(t, run(t, dir, vite, "build", "--outDir", "built"))
	hashed(t, filepath.Join(dir, "built"))
	chats(t, folder(filepath.Join(dir, "built")))
	t.Run("dev", func(t *testing.T) {
		chats(t, developed(t, vite, dir, "--host", "127.0.0.1")) // on the next free port: it takes 0 for none
	})
}

const rollupConfig = `import resolve from "@rollup/plugin-node-resolve";
import { importMetaAssets } from "@web/rollup-plugin-import-meta-assets";
export default { input: "main.js", output: { dir: "built", format: "es" }, plugins: [resolve({ browser: true }), importMetaAssets()] };
`

func TestRollup(t *testing.T) {
	needsAll(t)
	dir := project(t, "all", map[string]string{"main.js": app, "rollup.config.mjs": rollupConfig})
	noWarning(t, run(t, dir, "all/node_modules/rollup/dist/bin/rollup", "--config", "--silent=false"))
	write(t, filepath.Join(dir, "built", "index.html"), page)
	hashed(t, filepath.Join(dir, "built"))
	chats(t, folder(filepath.Join(dir, "built")))
}

func TestParcel(t *testing.T) {
	needsAll(t)
	dir := project(t, "all", map[string]string{"main.js": app, "index.html": page})
	noWarning(t, run(t, dir, "all/node_modules/parcel/lib/bin.js", "build", "index.html", "--dist-dir", "built", "--no-cache", "--log-level", "warn"))
	hashed(t, filepath.Join(dir, "built"))
	chats(t, http.FileServer(http.Dir(filepath.Join(dir, "built")))) // it writes an import map into the page, which a policy would refuse
}

// next are the files of a page that is rendered on the server, too.
var next = map[string]string{
	"app/layout.js": `export const metadata = { icons: "data:," };
export default ({ children }) => <html lang="en"><body>{children}</body></html>;
`,
	"app/page.js": `import { Chat } from "./chat.js";
export default () => <Chat />;
`,
	"app/chat.js": `"use client";
import { useEffect } from "react";
import sdk, { EventType } from "` + packageName + `";
import { useChatSession } from "` + packageName + `/react";
export const Chat = () => {
  const { status } = useChatSession();
  useEffect(() => { import("../main.js"); }, []);
  return <p>{EventType.SHUTDOWN} {status} {sdk.version()}</p>;
};
`,
	"main.js": app,
	// The development server takes calls of the origins that it knows only.
	"next.config.mjs": `import { resolve } from "node:path";
export default { allowedDevOrigins: ["127.0.0.1"], turbopack: { root: resolve(import.meta.dirname, "../..") } };
`,
	// In one process, which ends when it is asked to: next dev and next start serve from another one.
	"server.mjs": `import { createServer } from "node:http";
import next from "next";
const app = next({ dir: import.meta.dirname, ...JSON.parse(process.argv[2]) });
await app.prepare();
const server = createServer(app.getRequestHandler());
server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));
`,
}

func TestNext(t *testing.T) {
	needsAll(t)
	const bin = "all/node_modules/next/dist/bin/next"
	for _, bundler := range []string{"turbopack", "webpack"} {
		t.Run("build and serve "+bundler, func(t *testing.T) {
			dir := project(t, "all", next)
			noWarning(t, run(t, dir, bin, "build", "--"+bundler))
			if html := read(t, filepath.Join(dir, ".next/server/app/index.html")); !strings.Contains(string(html), "SHUTDOWN<!-- --> <!-- -->opening") {
				t.Errorf("rendered on the server is\n%s", html)
			}
			hashed(t, filepath.Join(dir, ".next/static"))
			chats(t, developed(t, filepath.Join(dir, "server.mjs"), `{"dev": false}`))
		})
		t.Run("dev "+bundler, func(t *testing.T) {
			dir := project(t, "all", next)
			chats(t, developed(t, filepath.Join(dir, "server.mjs"), `{"dev": true, "`+bundler+`": true}`))
		})
	}
}

// svelteKit are the files of a page that is rendered on the server, too, as sv create makes it. It is
// served by the adapter's handler: its own server has no port of its choosing.
var svelteKit = map[string]string{
	"package.json": `{"private": true, "name": "page", "version": "1.0.0", "type": "module", "dependencies": {"` + packageName + `": "0.2.0"}}`,
	"svelte.config.js": `import adapter from "@sveltejs/adapter-node";
export default { kit: { adapter: adapter() } };
`,
	"vite.config.js": `import { sveltekit } from "@sveltejs/kit/vite";
export default { plugins: [sveltekit()] };
`,
	"src/app.html": `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">%sveltekit.head%</head>
<body><div>%sveltekit.body%</div></body>
</html>
`,
	"src/lib/main.js": app,
	"src/routes/+page.svelte": `<script>
  import { onMount } from "svelte";
  import sdk, { EventType } from "` + packageName + `";
  onMount(() => { import("$lib/main.js"); });
</script>
<p>{EventType.SHUTDOWN} {sdk.version()}</p>
`,
	"server.mjs": `import { createServer } from "node:http";
import { handler } from "./build/handler.js";
const server = createServer(handler);
server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port));
`,
}

func TestSvelteKit(t *testing.T) {
	needsAll(t)
	const vite = "all/node_modules/vite/bin/vite.js"
	t.Run("build and serve", func(t *testing.T) {
		dir := project(t, "all", svelteKit)
		run(t, dir, "all/node_modules/@sveltejs/kit/svelte-kit.js", "sync")
		noWarning(t, run(t, dir, vite, "build"))
		hashed(t, filepath.Join(dir, "build", "client"))
		site := developed(t, filepath.Join(dir, "server.mjs"))
		r := httptest.NewRecorder()
		site.ServeHTTP(r, httptest.NewRequest("GET", "/", nil))
		if html := r.Body.String(); !strings.Contains(html, "SHUTDOWN") {
			t.Errorf("rendered on the server is\n%s", html)
		}
		chats(t, site)
	})
	t.Run("dev", func(t *testing.T) {
		dir := project(t, "all", svelteKit)
		run(t, dir, "all/node_modules/@sveltejs/kit/svelte-kit.js", "sync")
		chats(t, developedIn(t, dir, vite, "dev", "--host", "127.0.0.1", "--port", "0", "--strictPort"))
	})
}
