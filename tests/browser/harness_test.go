package browser

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"openchat/tests/harness"
)

// A click that comes while the page moves its button goes to the button, and only there.
func TestClickFollowsWhatMoves(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(rw, `<!doctype html><title>moves</title><link rel="icon" href="data:,">
			<div id="above"></div><button id="button">a button</button>
			<script>
				let clicks = 0, others = 0;
				addEventListener("mousedown", () => { document.querySelector("#above").style.height = "200px"; }, { capture: true, once: true });
				addEventListener("click", (event) => { if (event.target.id === "button") clicks++; else others++; });
			</script>`)
	}))
	t.Cleanup(server.Close)
	b := harness.NewTab(t, "customer")
	b.Open(server.URL)
	b.Click("#button")
	b.Click("#button")
	var got struct{ Clicks, Others int }
	if b.Eval(&got, `({ clicks, others })`); got.Clicks != 2 || got.Others != 0 {
		t.Errorf("%d clicks came to the button and %d elsewhere, want 2 and none", got.Clicks, got.Others)
	}
}
