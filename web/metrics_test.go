package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"openchat/sdk/wire"
)

// metricsURL is where the process has printed that it serves its metrics.
func (p *running) metricsURL() string {
	p.Helper()
	p.logged("/metrics\n")
	return regexp.MustCompile(`http://\S+/metrics`).FindString(p.Log.String())
}

// scrape reads all metrics as Prometheus does.
func (p *running) scrape() map[string]*dto.MetricFamily {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), "GET", p.metricsURL(), nil)
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		p.Fatalf("/metrics answers %s", res.Status)
	}
	all := map[string]*dto.MetricFamily{}
	for d := expfmt.NewDecoder(res.Body, expfmt.ResponseFormat(res.Header)); ; {
		f := &dto.MetricFamily{}
		switch err := d.Decode(f); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			p.Fatal(err)
		}
		all[f.GetName()] = f
	}
}

// labels are those of a series, as name=value in the order of their names.
func labels(m *dto.Metric) string {
	var list []string
	for _, l := range m.GetLabel() {
		list = append(list, l.GetName()+"="+l.GetValue())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// seriesValue returns that of a series, of a histogram how often it has observed; 0 where there is none.
func seriesValue(all map[string]*dto.MetricFamily, name, of string) float64 {
	for _, m := range all[name].GetMetric() {
		if labels(m) == of {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

// wantValue wants a series to have that value.
func (p *running) wantValue(all map[string]*dto.MetricFamily, name, of string, want float64) {
	p.Helper()
	if got := seriesValue(all, name, of); got != want {
		p.Errorf("%s{%s} is %v, want %v; there are %v", name, of, got, want, all[name])
	}
}

// documentedMetric is a row of the table of docs/operations.md.
type documentedMetric struct {
	kind, labels   string
	meaning, worry string
}

// documentedMetrics reads that table.
func documentedMetrics(t *testing.T) map[string]documentedMetric {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Metrics\n")
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string]documentedMetric{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_*]+)` \\|(.*)\\|$").FindAllStringSubmatch(section, -1) {
		cells := strings.Split(row[2], "|")
		if len(cells) != 4 {
			t.Fatalf("the row of %s has %d cells", row[1], 1+len(cells))
		}
		var names []string
		for _, l := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			names = append(names, l[1])
		}
		slices.Sort(names)
		if _, twice := all[row[1]]; twice {
			t.Errorf("%s is documented twice", row[1])
		}
		all[row[1]] = documentedMetric{strings.TrimSpace(cells[0]), strings.Join(names, " "), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
	}
	if len(all) < 10 {
		t.Fatalf("the table of metrics has %d rows", len(all))
	}
	return all
}

// withLoad launches a gateway and has customers, an agent and strangers do a little of everything.
// It returns the words that must not be in labels.
func withLoad(t *testing.T) (p *running, private []string) {
	p = launchDemo(t, t.TempDir(), "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--max-store", "1GB")
	c := p.customer("Cleo")
	s := c.stream(0)
	e := c.create(`{"topic":"Billing"}`)
	path := "/engagements/" + e.EngagementID
	s.event(wire.EventEngagementActive)
	s.event(wire.EventParticipantAdded)
	s.event(wire.EventParticipantAdded)
	s.event(wire.EventMessages)
	waiting := p.scrape()
	p.wantValue(waiting, "openchat_streams", "state=authenticated", 1)
	p.wantValue(waiting, "openchat_sessions_connected", "", 1)
	p.wantValue(waiting, "openchat_chats", "account="+demoAccount+" state=waiting", 1)
	if seriesValue(waiting, "openchat_chat_oldest_wait_seconds", "account="+demoAccount) <= 0 {
		t.Error("nobody has waited")
	}
	p.agent(200, "POST", path+":accept", ann)
	p.agent(201, "POST", path+"/messages", `{"agentId":"`+agentID+`","text":"What about it?","correlationId":"1"}`)
	c.rest(201, "POST", path+"/messages", fmt.Sprintf(
		`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":"It is high.","textFormat":"PLAINTEXT"}},"correlationId":"2"}`,
		c.session.SessionID, e.DialogID))
	c.rest(200, "GET", path+"/messages?dialogId="+e.DialogID, "")
	for e := s.read().Event; e.Message == nil || e.Message.Body.Text != "It is high."; e = s.read().Event {
	}
	_ = s.conn.CloseNow()
	p.logged("stream closed")
	again := c.stream(s.last)
	p.wantValue(p.scrape(), "openchat_chats", "account="+demoAccount+" state=active", 1)
	// Strangers: what they send is in no label.
	for _, r := range []struct{ method, path, header, value string }{
		{"BREW", wire.BasePath + "/coffee/stranger-path", "X", "y"},
		{"GET", "/api/desk/v1/stranger-path", "Authorization", "Bearer " + demoDesk},
		{"GET", wire.BasePath + "/sessions/stranger-path", "Authorization", "Bearer stranger-token"},
		{"POST", wire.BasePath + "/sessions", "Origin", "https://stranger-path.example"},
	} {
		if status, b := p.call(r.method, r.path, "", r.header, r.value); status < 400 {
			t.Errorf("%s %s answers %d %s", r.method, r.path, status, b)
		}
	}
	p.hangup("settings read again")
	c.rest(204, "DELETE", "/sessions/"+c.session.SessionID, "")
	again.closed(wire.CloseSessionGone)
	return p, []string{
		c.session.SessionID, c.session.ParticipantID, e.EngagementID, e.DialogID, agentID, demoIntegrationID, c.token, c.appkey, demoDesk, demoServer,
		"Cleo", "Ann Agent", "Billing", "It is high", "What about it", "stranger", "BREW", "127.0.0.1",
	}
}

// Every metric of a gateway that has had a little of everything is in docs/operations.md with its
// type and its labels, and none is there that does not exist.
func TestMetricsAreDocumented(t *testing.T) {
	p, private := withLoad(t)
	all, docs := p.scrape(), documentedMetrics(t)
	for name, f := range all {
		d, ok := docs[name]
		if !ok {
			for _, group := range []string{"go_", "process_"} {
				ok = ok || strings.HasPrefix(name, group) && docs[group+"*"].meaning != ""
			}
			if !ok {
				t.Errorf("%s is not in docs/operations.md", name)
			}
			continue
		}
		if kind := strings.ToLower(f.GetType().String()); d.kind != kind {
			t.Errorf("%s is a %s, and documented as %q", name, kind, d.kind)
		}
		if d.meaning == "" || f.GetHelp() == "" {
			t.Errorf("nothing says what %s means", name)
		}
		for _, m := range f.GetMetric() {
			var names []string
			for _, l := range m.GetLabel() {
				names = append(names, l.GetName())
			}
			slices.Sort(names)
			if got := strings.Join(names, " "); got != d.labels {
				t.Errorf("%s has the labels %q, and documented are %q", name, got, d.labels)
			}
		}
	}
	for name := range docs {
		if all[name] == nil && !strings.HasSuffix(name, "*") {
			t.Errorf("%s is documented and does not exist", name)
		}
	}

	id := regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}|sha256|eyJ`)
	for name, f := range all {
		for _, m := range f.GetMetric() {
			for _, word := range private {
				if strings.Contains(labels(m), word) {
					t.Errorf("%s{%s} holds %q", name, labels(m), word)
				}
			}
			if id.MatchString(labels(m)) {
				t.Errorf("%s{%s} holds an id", name, labels(m))
			}
		}
	}
}

// What the load has done is what the metrics show of it.
func TestMetricsCount(t *testing.T) {
	p, _ := withLoad(t)
	all := p.scrape()
	for _, want := range []struct {
		name, of string
		value    float64
	}{
		{"openchat_sessions_created_total", "", 1},
		{"openchat_sessions_ended_total", "", 1},
		{"openchat_chats_created_total", "", 1},
		{"openchat_chat_wait_duration_seconds", "", 1},
		{"openchat_messages_total", "direction=in sender=customer", 1},
		{"openchat_messages_total", "direction=out sender=agent", 1},
		{"openchat_messages_total", "direction=out sender=bot", 1},
		{"openchat_stream_begins_total", "continuity=new", 1},
		{"openchat_stream_begins_total", "continuity=resumed", 1},
		{"openchat_stream_begins_total", "continuity=lost", 0},
		{"openchat_streams_ended_total", "code=broken", 1},
		{"openchat_desk_actions_total", "action=accept", 1},
		{"openchat_reloads_total", "outcome=done", 1},
		{"openchat_refusals_total", "reason=unauthorized", 1},
		{"openchat_refusals_total", "reason=origin", 1},
		{"openchat_refusals_total", "reason=not-found", 2},
		{"openchat_call_duration_seconds", "method=POST route=" + wire.BasePath + "/sessions status=201", 1},
		{"openchat_call_duration_seconds", "method=POST route=" + wire.BasePath + "/engagements/{id}/messages status=201", 1},
		{"openchat_call_duration_seconds", "method=GET route=" + wire.BasePath + "/sessions/{id} status=401", 1},
		{"openchat_call_duration_seconds", "method=POST route=/api/desk/v1/engagements/{id}:accept status=200", 1},
		{"openchat_call_duration_seconds", "method=GET route=/api/desk/v1/ status=404", 1},
		{"openchat_call_duration_seconds", "method=other route=/ status=404", 1},
		{"openchat_panics_total", "", 0},
		{"openchat_log_lines_total", "level=error", 0},
		{"openchat_store_writable", "", 1},
		{"openchat_draining", "", 0},
	} {
		p.wantValue(all, want.name, want.of, want.value)
	}
	for name, of := range map[string]string{
		"openchat_network_bytes_total":            "direction=out listener=addr",
		"openchat_store_request_duration_seconds": "operation=write outcome=ok",
		"openchat_store_sequence":                 "",
		"openchat_store_used_bytes":               "of=max-store",
		"openchat_connections":                    "listener=addr",
		"openchat_event_latency_seconds":          "",
	} {
		if seriesValue(all, name, of) <= 0 {
			t.Errorf("%s{%s} is 0; there are %v", name, of, all[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if f := all[name]; f.GetType() == dto.MetricType_HISTOGRAM && strings.HasPrefix(name, "openchat_") {
			for _, m := range f.GetMetric() {
				if h := m.GetHistogram(); len(h.GetBucket()) == 0 || h.Schema == nil {
					t.Errorf("%s{%s} lacks native or classic buckets", name, labels(m))
				}
			}
		}
	}

	p.Signal(syscall.SIGTERM)
	p.ended(stopWithin)
}

// Two demos on one machine both have metrics, on addresses of their own, to this machine only;
// without the demo there are none unless they are asked for.
func TestMetricsOfTwoDemos(t *testing.T) {
	first, second := launchDemo(t, t.TempDir(), "127.0.0.1:0"), launchDemo(t, t.TempDir(), "127.0.0.1:0")
	if first.metricsURL() == second.metricsURL() {
		t.Errorf("both are at %s", first.metricsURL())
	}
	for _, p := range []*running{first, second} {
		p.wantValue(p.scrape(), "openchat_store_writable", "", 1)
		r, err := http.NewRequestWithContext(t.Context(), "GET", p.metricsURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "rebound.example"
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("a name that resolves to the loopback is answered %s", res.Status)
		}
		if status, _ := p.call("GET", "/metrics", ""); status != http.StatusNotFound {
			t.Errorf("--addr answers /metrics with %d", status)
		}
	}
	plain := launch(t, built(t), append(twoTenants(t), "--desk-credential", "secret-of-the-only-desk")...)
	if out := plain.Log.String(); strings.Contains(out, "etrics") {
		t.Errorf("metrics are served though nobody asked: %s", out)
	}
}

// During a stop the metrics say so, and both listeners are counted apart.
func TestMetricsDuringAStop(t *testing.T) {
	p := launch(t, built(t), append(twoTenants(t), "--desk-credential", "secret-of-the-only-desk", "--desk-addr", "127.0.0.1:0",
		"--metrics-addr", "127.0.0.1:0", "--drain-delay", "3s")...)
	all := p.scrape()
	p.wantValue(all, "openchat_draining", "", 0)
	p.wantValue(all, "openchat_connections", "listener=desk-addr", 0)
	for _, account := range []string{"ABCDEF", "GHIJKL"} {
		if got := all["openchat_chats"].String(); !strings.Contains(got, account) {
			t.Errorf("the account %s is not in %s", account, got)
		}
	}
	p.Signal(syscall.SIGTERM)
	p.logged("not ready any more")
	p.wantValue(p.scrape(), "openchat_draining", "", 1)
	p.ended(stopWithin)
}
