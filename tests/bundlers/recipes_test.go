package bundlers

import (
	"encoding/json"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// chatsByForm opens a page as the documents print it, begins a chat by its button, writes by its form,
// and is answered by an agent; then the page is opened again, and shows the chat.
func chatsByForm(t *testing.T, site http.Handler) {
	t.Helper()
	w, customer := harness.Shared(t), harness.NewCustomerID("recipe")
	o := w.NewOrigin(t)
	o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, wire.BasePath+"/"):
			return false
		case r.URL.Path == "/my-backend/chat" && r.Method == "POST":
			params := w.InitParams(t, customer, harness.TokenOptions{})
			params["hostURL"] = o.URL
			json.NewEncoder(rw).Encode(params)
		default:
			site.ServeHTTP(rw, r)
		}
		return true
	})
	agent := w.NewAgent(t, "Cy "+customer)
	b := harness.NewTab(t, "customer")
	b.Open(o.URL + "/")
	b.WaitUntil("the button", `document.querySelector("#start")`)
	b.Click("#start")
	b.WaitUntil("the form", `document.querySelector("#say button")`)
	id := engagement(agent, customer, 1)
	agent.Accept(id)
	b.Type("#say input", "Hello")
	b.Click("#say button")
	agent.WaitText(id, "Hello")
	agent.Send(id, "How can I help?")
	const shown = `["Hello", "How can I help?"].every((text) => [...document.querySelectorAll("li")].filter((e) => e.textContent.endsWith(": " + text)).length === 1)`
	b.WaitUntil("both messages", shown)
	b.Open(o.URL + "/")
	b.WaitUntil("both messages after a reload", shown+` && document.querySelector("#say button")`)
	agent.EndChat(id)
	b.WaitUntil("the end", `document.querySelector("#start") && !document.querySelector("#say")`)
}

const viteVue = `import vue from "@vitejs/plugin-vue";
export default { plugins: [vue()] };
`

func TestVue(t *testing.T) {
	head, _, _ := strings.Cut(page, "<script")
	files := samplesOf(t, "recipes.md")
	files["index.html"] = head + "<div id=\"app\"></div>\n<script type=\"module\" src=\"./main.js\"></script>\n"
	files["vite.config.mjs"] = viteVue
	dir := project(t, ".", files)
	noWarning(t, run(t, dir, "node_modules/vite/bin/vite.js", "build", "--outDir", "built"))
	chatsByForm(t, folder(filepath.Join(dir, "built")))
}

// angular are the files of a project as ng new makes it, without tests; POLYFILLS and PROVIDER make
// it one with zone.js.
var angular = map[string]string{
	"angular.json": `{
  "version": 1,
  "cli": {"analytics": false, "cache": {"enabled": false}},
  "projects": {"page": {
    "projectType": "application", "root": "", "sourceRoot": "src",
    "architect": {"build": {
      "builder": "@angular/build:application",
      "options": {
        "browser": "src/main.ts", "tsConfig": "tsconfig.json", "polyfills": [POLYFILLS],
        "assets": [ASSETS]
      },
      "configurations": {"production": {"outputHashing": "all"}},
      "defaultConfiguration": "production"
    }}
  }}
}
`,
	"tsconfig.json": `{
  "compilerOptions": {
    "strict": true, "noImplicitOverride": true, "noPropertyAccessFromIndexSignature": true, "noImplicitReturns": true,
    "noFallthroughCasesInSwitch": true, "skipLibCheck": true, "isolatedModules": true, "experimentalDecorators": true,
    "importHelpers": true, "target": "ES2022", "module": "preserve", "types": []
  },
  "angularCompilerOptions": {"strictInjectionParameters": true, "strictInputAccessModifiers": true, "strictTemplates": true},
  "include": ["src/**/*.ts"]
}
`,
	"src/index.html": `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A page</title><base href="/"><link rel="icon" href="data:,"></head>
<body><app-chat></app-chat></body>
</html>
`,
	"src/main.ts": `import { PROVIDER } from "@angular/core";
import { bootstrapApplication } from "@angular/platform-browser";
import { ChatComponent } from "./app/chat.component";

bootstrapApplication(ChatComponent, { providers: [PROVIDER()] }).catch((error) => console.error(error));
`,
}

func TestAngular(t *testing.T) {
	needsAll(t)
	samples := samplesOf(t, "recipes.md")
	_, json, _ := strings.Cut(string(read(t, "../../docs/recipes.md")), "```json\n")
	assets, _, _ := strings.Cut(json, "```")
	for name, with := range map[string][2]string{
		"zone.js":  {`"zone.js"`, "provideZoneChangeDetection"},
		"zoneless": {"", "provideZonelessChangeDetection"},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(angular)
			for name, text := range files {
				files[name] = strings.NewReplacer("POLYFILLS", with[0], "PROVIDER", with[1], "ASSETS", assets).Replace(text)
			}
			for _, name := range []string{"chat.service.ts", "chat.component.ts"} {
				files["src/app/"+name] = samples[name]
			}
			dir := project(t, "all", files)
			noWarning(t, run(t, dir, "all/node_modules/@angular/cli/bin/ng.js", "build"))
			chatsByForm(t, folder(filepath.Join(dir, "dist/page/browser")))
		})
	}
}
