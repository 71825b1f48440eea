package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"openchat/tests/harness"
)

// commandsOf are the blocks of commands in a document.
func commandsOf(t *testing.T, document string) (list []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(source(t, document), -1) {
		list = append(list, m[1])
	}
	return list
}

// paste runs a block of commands in a folder, and returns what it writes.
func paste(t *testing.T, dir, block string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Timeout)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-euc", block)
	c.Dir = dir
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", block, err, out, &stderr)
	}
	return string(out)
}

// The commands of the documents for web developers, as they are printed but for addresses.
func TestWebDevelopersCommandsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway")
	}
	need(t, "openssl", "openssl")
	dir := fresh(t)

	security := commandsOf(t, "docs/security.md")
	if len(security) != 1 {
		t.Fatalf("docs/security.md has %d blocks of commands", len(security))
	}
	printed, stated, _ := strings.Cut(paste(t, dir, security[0]), "{")
	var info struct{ SHA384 map[string]string }
	if err := json.Unmarshal([]byte("{"+stated), &info); err != nil || len(info.SHA384) == 0 {
		t.Errorf("build-info.json is %q, %v", stated, err)
	}
	for _, name := range []string{"avaya-ccaas-chat-sdk.js", "avaya-ccaas-chat-sdk.wasm"} {
		if want := "dist/" + name + " " + info.SHA384[name] + "\n"; !strings.Contains(printed, want) {
			t.Errorf("docs/security.md's commands print %q, without %q", printed, want)
		}
	}

	debugging := commandsOf(t, "docs/debugging.md")
	if len(debugging) != 1 {
		t.Fatalf("docs/debugging.md has %d blocks of commands", len(debugging))
	}
	if err := os.WriteFile(filepath.Join(dir, "console.log"), []byte("goroutine 1 [running]:\nw.(*aaba).f(0x1)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if text := paste(t, dir, debugging[0]); !strings.Contains(text, "goroutine 1") || strings.Contains(text, "w.(*") {
		t.Errorf("docs/debugging.md's command makes of a traceback %q", text)
	}

	demos := commandsOf(t, "docs/testing.md")
	if len(demos) != 4 || !strings.Contains(demos[3], "docker run") { // its settings are TestDemoHostInAContainer's, and the image docker_test.go's
		t.Fatalf("docs/testing.md has the commands %q", demos)
	}
	for i, want := range []func(status func(change func(*http.Request)) *http.Response){
		func(ask func(func(*http.Request)) *http.Response) {
			if a := ask(func(*http.Request) {}); a.StatusCode != 200 {
				t.Errorf("make demo: %s", a.Status)
			}
			if a := ask(func(r *http.Request) { r.Host = "192.168.1.20:8080" }); a.StatusCode != 421 {
				t.Errorf("make demo, from elsewhere: %s", a.Status)
			}
		},
		func(ask func(func(*http.Request)) *http.Response) {
			a := ask(func(r *http.Request) {
				r.URL.Path = "/v1/getJWT"
				r.Method = http.MethodOptions
				r.Header.Set("Origin", "http://localhost:5173")
				r.Header.Set("Access-Control-Request-Method", "POST")
			})
			if a.Header.Get("Access-Control-Allow-Origin") != "http://localhost:5173" {
				t.Errorf("the page of another origin may not call: %s %v", a.Status, a.Header)
			}
		},
		func(ask func(func(*http.Request)) *http.Response) {
			if a := ask(func(r *http.Request) { r.Host = "192.168.1.20:8080" }); a.StatusCode != 200 {
				t.Errorf("the demo for a phone: %s", a.Status)
			}
			if a := ask(func(r *http.Request) { r.Host, r.URL.Path = "192.168.1.20:8080", "/desk/" }); a.StatusCode != 421 {
				t.Errorf("the desk of the demo for a phone: %s", a.Status)
			}
		},
	} {
		block := "ADDR=127.0.0.1:0 " + strings.Replace(demos[i], "ADDR=:8080 ", "", 1)
		p := &harness.Process{
			Name: "shell", Path: "/bin/sh", Args: []string{"-c", `cd "$1" && eval "$2"`, "sh", dir, block},
			Env: os.Environ(), Ready: harness.AddressLine,
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Timeout)
		defer cancel()
		t.Cleanup(p.Kill)
		if err := p.Start(ctx); err != nil {
			t.Fatalf("%s: %v\n%s", block, err, &p.Log)
		}
		want(func(change func(*http.Request)) *http.Response {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			change(r)
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = a.Body.Close()
			return a
		})
		if host, _, _ := net.SplitHostPort(strings.TrimPrefix(p.URL, "http://")); host != "127.0.0.1" {
			t.Errorf("%s prints %s first", block, p.URL)
		}
		if err := syscall.Kill(-p.PID(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Exited():
		case <-ctx.Done():
			t.Fatalf("%s: it does not end:\n%s", block, &p.Log)
		}
	}
}
