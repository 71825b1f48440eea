package deploy

import (
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"openchat/tests/harness"
)

// fresh makes a copy of the sources, with the SDK built, as on a machine of somebody who begins.
func fresh(t *testing.T) string {
	t.Helper()
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	to, from := t.TempDir(), harness.Root()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name {
			case ".git", "data", "chat", "dist/tools", "dist/release":
				return fs.SkipDir
			}
			if base := d.Name(); base == "node_modules" || base == "out" { // of other tests, which may be running
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		if name == ".git" || strings.HasPrefix(name, "dist/") && !strings.HasPrefix(name, "dist/avaya-") && name != "dist/build-info.json" {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, info.Mode().Perm()); err != nil {
			return err
		}
		return os.Chtimes(filepath.Join(to, name), info.ModTime(), info.ModTime())
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// The README's commands for a gateway, pasted whole into a shell whose files are for everybody to read,
// leave nothing that others may read, and go on with the same secrets when they are pasted again.
func TestREADMEBlockCanBePastedAndLeavesNoSecretReadable(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the gateway")
	}
	need(t, "openssl", "openssl")
	_, text, _ := strings.Cut(source(t, "README.md"), "\n## Run the gateway\n")
	m := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the README has no commands for a gateway")
	}
	dir := fresh(t)
	block := filepath.Join(t.TempDir(), "block.sh")
	if err := os.WriteFile(block, []byte(replace(t, m[1], "127.0.0.1:8080", ports(t, 1)[0])), 0o600); err != nil {
		t.Fatal(err)
	}
	var appkey string
	for range 2 {
		p := &harness.Process{
			Name: "shell", Path: "/bin/sh", Args: []string{"-c", `umask 022 && cd "$1" && exec sh <"$2"`, "sh", dir, block},
			Env: os.Environ(), Ready: harness.AddressLine, // Go's caches are there
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Timeout)
		defer cancel()
		t.Cleanup(p.Kill)
		if err := p.Start(ctx); err != nil {
			t.Fatalf("%v\n%s", err, &p.Log)
		}
		files := map[string]os.FileMode{}
		err := filepath.WalkDir(filepath.Join(dir, "chat"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				name, _ := filepath.Rel(dir, path)
				files[name] = info.Mode()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"appkey.txt", "desk.txt", "server.txt", "customers.key"} {
			if mode := files["chat/secrets/"+name]; mode != 0o600 {
				t.Errorf("chat/secrets/%s has the mode %v", name, mode)
			}
		}
		if len(files) < 8 {
			t.Errorf("there are %d files: %v", len(files), files)
		}
		for name, mode := range files {
			if mode.Perm()&0o077 != 0 {
				t.Errorf("%s is for others: %v", name, mode)
			}
		}
		a, err := http.Get(p.URL + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		if a.StatusCode != http.StatusOK {
			t.Errorf("/readyz is answered %s", a.Status)
		}
		secret, err := os.ReadFile(filepath.Join(dir, "chat/secrets/appkey.txt"))
		if err != nil || appkey != "" && appkey != string(secret) {
			t.Errorf("the second time the appkey is another, %v", err)
		}
		appkey = string(secret)
		if strings.Contains(p.Log.String(), strings.TrimSpace(appkey)) {
			t.Error("the output holds a secret")
		}
		// As Ctrl-C: to all that the shell has begun.
		if err := syscall.Kill(-p.PID(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Exited():
		case <-ctx.Done():
			t.Fatalf("it does not end:\n%s", &p.Log)
		}
	}
}
