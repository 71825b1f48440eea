package js_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"openchat/tests/harness"
)

// The shipped build begins with a snapshot of the program, and without some of its tables. Its twin
// is the same program as the toolchain made it, which each page starts from its begin: what is
// shipped where js/pack does not know the toolchain.

// makeTwin builds the plain build in dist/twin, unless it is there already.
func makeTwin() error {
	const dir = dist + "twin"
	text, err := os.ReadFile(dist + "build-info.json")
	if err != nil {
		return err
	}
	var info, there struct{ Version, Build string }
	if err := json.Unmarshal(text, &info); err != nil {
		return err
	}
	if text, err := os.ReadFile(dir + "/build-info.json"); err == nil && json.Unmarshal(text, &there) == nil && there == info {
		return nil
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"./build.sh", "wasm", "-s -w -X main.build=" + info.Build, "dist/twin/" + wasm, "./wasm"},
		{"go", "run", "./js/pack", "-version", info.Version, "-build", info.Build, "-goroot", strings.TrimSpace(string(goroot)), "-go", "go9.99.1", "-out", "dist/twin"},
	} {
		c := exec.Command(command[0], command[1:]...)
		c.Dir = ".."
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", command, err, out)
		}
	}
	return nil
}

// openTwin opens a page with the SDK of a folder, whose gateway is in the page itself
// (testdata/twin.js): each thing happens in one order, whatever the machine does meanwhile.
func openTwin(t testing.TB, folder string) *harness.Target {
	t.Helper()
	browser, err := harness.SharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(folder))))
	mux.Handle("/testdata/", http.FileServer(http.Dir(".")))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!doctype html><title>twin</title><link rel="icon" href="data:,"><script>window.token = %q</script><script src="/testdata/twin.js"></script><script src="/sdk/%s"></script>`,
			harness.UnsignedToken(account), script)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	page, err := harness.OpenTarget(browser, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(page.Close)
	if err := page.Run(chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	return page
}

// outcome is what a page has seen: see testdata/twin.js.
type outcome struct {
	Calls    []string            // what became of each call
	Events   map[string][]string // by type
	Requests []string            // what the gateway was asked, sorted
}

// openTwins opens the shipped build and its twin.
func openTwins(t testing.TB) (pages [2]*harness.Target) {
	t.Helper()
	if err := harness.BuildSDK(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := makeTwin(); err != nil {
		t.Fatal(err)
	}
	return [2]*harness.Target{openTwin(t, dist), openTwin(t, dist+"twin")}
}

// compareTwins plays commands in both pages and compares what they have seen.
func compareTwins(t *testing.T, pages [2]*harness.Target, commands []byte) outcome {
	t.Helper()
	numbers := make([]int, len(commands))
	for i, c := range commands {
		numbers[i] = int(c)
	}
	var seen [2]outcome
	var errs [2]error
	var both sync.WaitGroup
	for i, page := range pages {
		both.Go(func() { errs[i] = page.Eval(&seen[i], "twin.play(%s)", numbers) })
	}
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	a, _ := json.MarshalIndent(seen[0], "", " ")
	b, _ := json.MarshalIndent(seen[1], "", " ")
	shipped, plain := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(shipped), len(plain)) {
		if shipped[i] != plain[i] {
			t.Fatalf("%v: the shipped build has\n%s\nwhere the plain one has\n%s\nAll of the shipped one:\n%s\nof the plain one:\n%s", commands, shipped[i], plain[i], a, b)
		}
	}
	if len(shipped) != len(plain) {
		t.Fatalf("%v: the shipped build has\n%s\nthe plain one\n%s", commands, a, b)
	}
	return seen[0]
}

// A page cannot tell a build that begins with a snapshot from one that starts from its begin,
// which is what is shipped of a toolchain that js/pack does not know.
func TestPlainBuildDoesTheSame(t *testing.T) {
	pages := openTwins(t)
	var snapshot, plain bool
	for i, is := range []*bool{&snapshot, &plain} {
		if err := pages[i].Eval(is, `fetch(%s).then((r) => WebAssembly.compileStreaming(r)).then((m) => !WebAssembly.Module.exports(m).some((e) => e.name === "run"))`, "/sdk/"+wasm); err != nil {
			t.Fatal(err)
		}
	}
	if !snapshot || plain {
		t.Fatalf("the shipped build begins with a snapshot: %v, the plain one: %v", snapshot, plain)
	}
	seen := compareTwins(t, pages, []byte{
		0, 1, 1, 2, 3, 65, 5, 0, 4, 3, 4, 1, 7, 1, 6, 1, 3, 1, 3, 6, 9, 1, 8, 1, 3, 66, 2, 0, 10, 1, 12, 1,
	})
	all := strings.Join(seen.Calls, "\n")
	for _, want := range []string{"init: ", "createEngagement: ", "sendMessage: ", "getMessages: ", "ACS-"} {
		if !strings.Contains(all, want) {
			t.Errorf("the commands have not come to %q:\n%s", want, all)
		}
	}
	for _, want := range []string{"INITIALIZED", "ENGAGEMENT_ACTIVE", "MESSAGE_DELIVERED", "MESSAGE_ARRIVED", "SHUTDOWN"} {
		if len(seen.Events[want]) == 0 {
			t.Errorf("there was no %s; the calls were\n%s", want, all)
		}
	}
}

// Whatever a page calls and a gateway answers, the shipped build delivers what the plain one does.
func FuzzTwins(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 3, 0, 4, 0})
	f.Add([]byte{0, 1, 1, 2, 8, 9, 3, 3, 5, 4, 4, 1, 7, 1, 11, 1, 13, 1, 0, 1, 2, 0, 3, 70})
	random := rand.New(rand.NewPCG(1, 2))
	for range 6 {
		commands := []byte{0, 1, 1, 0} // init and a chat, without which most others do nothing
		for range 12 {
			commands = append(commands, byte(random.Uint32()), byte(random.Uint32()))
		}
		f.Add(commands)
	}
	pages := openTwins(f)
	f.Fuzz(func(t *testing.T, commands []byte) {
		compareTwins(t, pages, commands[:min(len(commands), 32)])
	})
}
