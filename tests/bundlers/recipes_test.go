package bundlers

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"openchat/sdk/wire"
	"openchat/tests/harness"
)

// accountOf returns account.js of docs/start.md for a customer of the test's, at the gateway that is on
// the page's origin.
func accountOf(t *testing.T, customer string) string {
	t.Helper()
	text := samplesOf(t, "start.md")["account.js"]
	for from, to := range map[string]string{
		`"http://127.0.0.1:8080"`: `location.origin`,
		`customerId: "ann"`:       fmt.Sprintf(`customerId: %q, customerName: %q`, customer, "Customer "+customer),
	} {
		if strings.Count(text, from) != 1 {
			t.Fatalf("account.js must hold %s once", from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	return text
}

// siteOf lets an origin serve a site before the gateway.
func siteOf(t *testing.T, site http.Handler) *harness.Origin {
	t.Helper()
	o := harness.Shared(t).NewOrigin(t)
	o.Intercept(t, func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, wire.BasePath+"/") || r.URL.Path == "/v1/getJWT" {
			return false
		}
		site.ServeHTTP(rw, r)
		return true
	})
	return o
}

// chatsByForm opens a page as the documents print it, begins a chat by its button, writes by its form,
// and is answered by an agent; then the page is opened again, and shows the chat.
func chatsByForm(t *testing.T, customer string, site http.Handler) {
	t.Helper()
	o := siteOf(t, site)
	agent := harness.Shared(t).NewAgent(t, "Cy "+customer)
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
	files["index.html"] = head + "<div id=\"app\"></div>\n<script type=\"module\" src=\"./main.ts\"></script>\n"
	files["vite.config.mjs"] = viteVue
	customer := harness.NewCustomerID("vue")
	files["account.ts"] = accountOf(t, customer)
	dir := project(t, ".", files)
	noWarning(t, run(t, dir, "node_modules/vite/bin/vite.js", "build", "--outDir", "built"))
	chatsByForm(t, customer, folder(filepath.Join(dir, "built")))
}

// angular are the files of a project as ng new makes it, without tests; POLYFILLS and PROVIDER make
// it one with zone.js; LOADER and PREBUNDLE are of docs/recipes.md.
var angular = map[string]string{
	"angular.json": `{
  "version": 1,
  "cli": {"analytics": false},
  "projects": {"page": {
    "projectType": "application", "root": "", "sourceRoot": "src",
    "architect": {"build": {
      "builder": "@angular/build:application",
      "options": {
        "browser": "src/main.ts", "tsConfig": "tsconfig.json", "polyfills": [POLYFILLS],
        LOADER
      },
      "configurations": {"production": {"outputHashing": "all"}, "development": {"optimization": false, "sourceMap": true}},
      "defaultConfiguration": "production"
    }, "serve": {"builder": "@angular/build:dev-server", "options": {"buildTarget": "page:build:development", PREBUNDLE}}}
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
	const ng = "all/node_modules/@angular/cli/bin/ng.js"
	samples := samplesOf(t, "recipes.md")
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(read(t, "../../docs/recipes.md")), -1)
	if len(blocks) != 2 {
		t.Fatalf("docs/recipes.md has %d blocks of json", len(blocks))
	}
	for name, with := range map[string][2]string{
		"zone.js":  {`"zone.js"`, "provideZoneChangeDetection"},
		"zoneless": {"", "provideZonelessChangeDetection"},
	} {
		t.Run(name, func(t *testing.T) {
			files := maps.Clone(angular)
			for name, text := range files {
				files[name] = strings.NewReplacer("POLYFILLS", with[0], "PROVIDER", with[1], "LOADER", blocks[0][1], "PREBUNDLE", blocks[1][1]).Replace(text)
			}
			for _, name := range []string{"chat.service.ts", "chat.component.ts"} {
				files["src/app/"+name] = samples[name]
			}
			customer := harness.NewCustomerID("angular")
			files["src/app/account.ts"] = accountOf(t, customer)
			dir := project(t, "all", files)
			noWarning(t, run(t, dir, ng, "build"))
			hashed(t, filepath.Join(dir, "dist/page/browser"))
			chatsByForm(t, customer, folder(filepath.Join(dir, "dist/page/browser")))
			t.Run("dev", func(t *testing.T) {
				chatsByForm(t, customer, developedIn(t, dir, ng, "serve", "--host", "127.0.0.1", "--port", "0"))
			})
		})
	}
}
