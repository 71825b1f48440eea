package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"openchat/js/pack/strip"
	"openchat/tests/harness"
)

// TestTracebackOfShippedWasm: what a panic logs in a page has neither names nor lines, and the
// build's symbols bring both back.
func TestTracebackOfShippedWasm(t *testing.T) {
	t.Parallel()
	const file, statement = "openchat/wasm/transport.go", `s.finish(event.Get("code").Int()`
	source, err := os.ReadFile("../../wasm/transport.go")
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(source), statement)
	if !found {
		t.Fatalf("wasm/transport.go has no %s", statement)
	}
	line := 1 + strings.Count(before, "\n")

	w := harness.Shared(t)
	b := harness.NewTab(t, "customer")
	b.AllowErrors(`panic in a WebSocket callback|WebSocket|` + harness.NetworkErrors)
	o := w.NewOrigin(t)
	b.Open(o.URL + "/t/page.html")
	w.Init(b, harness.NewCustomerID("trace"), harness.TokenOptions{}, `{logLevel: "ERROR"}`)
	var log string
	b.JS(&log, `
		const lines = [], { error } = console;
		console.error = (...words) => { lines.push(words.join(" ")); error.apply(console, words) };
		const made = new Promise((resolve) => {
			window.WebSocket = class extends WebSocket { constructor(...of) { super(...of); resolve(this) } };
		});
		// Another session opens another connection, which ends as no browser ends one.
		await AvayaCCaaSChatSDK.shutdown();
		const again = t.init(%s);
		(await made).onclose({ code: "none" });
		await again;
		console.error = error;
		return lines.join("\n")`, w.InitParams(t, harness.NewCustomerID("trace"), harness.TokenOptions{}))
	if !strings.Contains(log, "w.(*") || strings.Contains(log, ".go:") {
		t.Fatalf("not the traceback of a stripped wasm:\n%s", log)
	}
	f, err := os.Open("../../dist/avaya-ccaas-chat-sdk.symbols")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := strip.ReadSymbols(f)
	if err != nil {
		t.Fatal(err)
	}
	explained := symbols.Explain(log)
	for _, want := range []string{fmt.Sprintf("%s:%d +0x", file, line), "syscall/js.Value.Int", "main.(*socket).guarded(", "main.traceback("} {
		if !strings.Contains(explained, want) {
			t.Errorf("the traceback does not hold %q", want)
		}
	}
	if strings.Contains(explained, "?:0") {
		t.Error("a place is left without its file")
	}
	if t.Failed() {
		t.Logf("the log:\n%s\nand explained:\n%s", log, explained)
	}
}
