package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"openchat/tests/harness"
)

const dockerfile = "web/deploy/docker/Dockerfile"

// instruction is one of a Dockerfile.
type instruction struct{ name, rest string }

// stages returns the instructions of each stage of the Dockerfile, from its FROM on.
func stages(t *testing.T) (list [][]instruction) {
	t.Helper()
	for line := range strings.Lines(source(t, dockerfile)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		switch {
		case name == "FROM":
			list = append(list, nil)
		case len(list) == 0:
			t.Fatalf("%s comes before FROM", line)
		}
		list[len(list)-1] = append(list[len(list)-1], instruction{name, strings.TrimSpace(rest)})
	}
	return list
}

// one returns what stands after the one instruction of that name.
func one(t *testing.T, stage []instruction, name string) string {
	t.Helper()
	var found []string
	for _, i := range stage {
		if i.name == name {
			found = append(found, i.rest)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s stands %d times in the stage %v", name, len(found), stage[0])
	}
	return found[0]
}

// words reads an instruction's list of words.
func words(t *testing.T, text string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s is no list: %v", text, err)
	}
	return list
}

func TestDockerfileIsBuiltWithTheModulesGo(t *testing.T) {
	all := stages(t)
	if len(all) != 2 {
		t.Fatalf("%d stages", len(all))
	}
	toolchain := regexp.MustCompile(`^golang:(1\.\d+)\.\d+-bookworm AS build$`).FindStringSubmatch(one(t, all[0], "FROM"))
	if toolchain == nil || !strings.Contains(source(t, "go.mod"), "\ngo "+toolchain[1]+".") {
		t.Errorf("FROM %s is no exact version of the Go that go.mod names", one(t, all[0], "FROM"))
	}
	var built bool
	for _, i := range all[0] {
		if i.name == "RUN" && i.rest == "./build.sh /out/dist && ./build.sh gateway /out && mkdir /out/data" {
			built = true
		}
	}
	if !built {
		t.Error("the first stage does not build what the second copies")
	}
	if from := one(t, all[1], "FROM"); from != "scratch" {
		t.Errorf("the image begins with %s", from)
	}
	wantSettings(t, dockerfile, source(t, dockerfile))
}

// Docker cannot run everywhere: the second stage is made by hand, and run as Docker runs it with
// --read-only, with another root, another user and no rights.
func TestImageRunsUnprivilegedOnAReadOnlyRoot(t *testing.T) {
	stage := stages(t)[1]
	root := t.TempDir()
	for dir := root; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // another user comes here
			t.Fatal(err)
		}
	}
	user := one(t, stage, "USER")
	asRoot := os.Getuid() == 0
	for _, i := range stage {
		if i.name != "COPY" {
			continue
		}
		var from, to string
		for _, word := range strings.Fields(i.rest) {
			switch {
			case strings.HasPrefix(word, "--"):
			case from == "":
				from = word
			default:
				to = filepath.Join(root, word)
			}
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch from {
		case "/out/gateway":
			var text []byte
			if text, err = os.ReadFile(gateway(t)); err == nil {
				err = os.WriteFile(to, text, 0o755)
			}
		case "/out/dist":
			err = os.Mkdir(to, 0o755)
			for _, kind := range []string{".js", ".wasm", ".d.ts"} { // in the place of the built SDK
				for _, packed := range []string{"", ".br", ".gz"} {
					err = errors.Join(err, os.WriteFile(filepath.Join(to, "avaya-ccaas-chat-sdk"+kind+packed), []byte(kind), 0o644))
				}
			}
		case "/out/data":
			err = os.Mkdir(to, 0o755)
		case "/etc/ssl/certs/ca-certificates.crt":
			err = os.WriteFile(to, nil, 0o644)
		default:
			t.Fatalf("%s is copied, and no such file is made", from)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(i.rest, "--chown="+user+" ") && asRoot {
			if out, err := exec.Command("chown", user, to).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
		}
	}
	volume := filepath.Join(root, one(t, stage, "VOLUME"))
	environment := strings.Fields(one(t, stage, "ENV"))
	for i, e := range environment {
		if e == "GATEWAY_ADDR=:8080" {
			environment[i] = "GATEWAY_ADDR=" + ports(t, 1)[0]
		}
	}
	if one(t, stage, "EXPOSE") != "8080" {
		t.Error("the port of GATEWAY_ADDR is not exposed")
	}

	// container returns the command that runs words in the image.
	container := func(words []string) []string {
		options, enter := "-Urm", "exec chroot "+root
		if asRoot {
			options, enter = "-m", "exec chroot --groups= --userspec="+user+" "+root
		}
		script := fmt.Sprintf(`set -e; mount --bind %[1]s %[1]s; mount --bind %[2]s %[2]s; mount -o remount,ro,bind %[1]s; if touch %[1]s/new 2>/dev/null; then exit 9; fi; %[3]s "$@"`, root, volume, enter)
		return append([]string{"unshare", options, "sh", "-c", script, "container"}, words...)
	}
	if out, err := exec.Command("unshare", container([]string{"/gateway", "--version"})[1:]...).CombinedOutput(); err != nil && !strings.Contains(string(out), "gateway:") {
		t.Skipf("no other root can be made here: %v %s", err, out)
	}
	line := container(append(words(t, one(t, stage, "ENTRYPOINT")), "--demo"))
	program, err := exec.LookPath(line[0])
	if err != nil {
		t.Fatal(err)
	}
	p := &harness.Process{Name: "container", Path: program, Args: line[1:], Env: environment, Ready: harness.AddressLine}
	t.Cleanup(p.Kill)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}

	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if uid, _, _ := strings.Cut(user, ":"); asRoot && !regexp.MustCompile(`(?m)^Uid:\s+`+uid+`\s+`+uid+`\s`).Match(status) || asRoot && !regexp.MustCompile(`(?m)^CapEff:\s+0+$`).Match(status) {
		t.Errorf("the gateway has more rights than it needs:\n%s", status)
	}
	written := 0
	if err := filepath.WalkDir(volume, func(_ string, e fs.DirEntry, err error) error { written++; return err }); err != nil || written < 3 {
		t.Errorf("the volume has %d files: %v", written, err)
	}

	health, ok := strings.CutPrefix(one(t, stage, "HEALTHCHECK"), "--interval=10s --timeout=6s --start-period=60s CMD ")
	if !ok {
		t.Fatalf("HEALTHCHECK %s", one(t, stage, "HEALTHCHECK"))
	}
	check := func(words []string) error {
		ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
		defer cancel()
		line := container(words)
		c := exec.CommandContext(ctx, line[0], line[1:]...)
		c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
		out, err := c.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%v: %w %s", words, err, out)
		}
		return nil
	}
	if err := check(words(t, health)); err != nil {
		t.Error(err)
	}
	// That of the compose file, which waits until the store takes changes.
	if test := compose(t)["gateway1"].Healthcheck.Test; len(test) < 2 || test[0] != "CMD" {
		t.Errorf("the health check of the compose file is %q", test)
	} else if err := check(test[1:]); err != nil {
		t.Error(err)
	}
	if err := p.Stop(harness.Timeout); err != nil { // with the STOPSIGNAL
		t.Error(err)
	}
	if err := check(words(t, health)); err == nil {
		t.Error("a gateway that has ended is healthy")
	}
}
