package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"openchat/tests/harness"
)

// dashboard returns the queries of deploy/grafana.json, with what its variables may stand for.
func dashboard(t *testing.T) (queries []string) {
	t.Helper()
	text, err := os.ReadFile("deploy/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			query := strings.NewReplacer("$__rate_interval", "1m", "$account", ".*").Replace(target.Expr)
			if query == "" || strings.Contains(query, "$") {
				t.Errorf("a query of the panel %q has a variable that the test does not know: %s", p.Title, target.Expr)
			}
			queries = append(queries, query)
		}
	}
	if len(queries) < 20 {
		t.Fatalf("the dashboard has %d queries", len(queries))
	}
	return queries
}

// prometheus returns the folder with prometheus and promtool, or skips the test.
func prometheus(t *testing.T) string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), filepath.Join(harness.Root(), "tests/setup/prometheus.sh")).CombinedOutput(); err != nil {
		t.Skipf("Prometheus is not to be had here, so nothing is tried with it: %v\n%s", err, out)
	}
	return filepath.Join(harness.Root(), "dist/tools")
}

// Every metric, and every label of one, that the dashboard and the alert rules name exists.
func TestPrometheusFilesNameWhatExists(t *testing.T) {
	p, _ := withLoad(t)
	all := p.scrape()
	rules, err := os.ReadFile("deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(string(rules), "") + strings.Join(dashboard(t), "\n")
	named := map[string]bool{}
	for _, found := range regexp.MustCompile(`\b((?:openchat|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(text, -1) {
		f := all[found[1]]
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if base, ok := strings.CutSuffix(found[1], suffix); ok && all[base].GetType() == dto.MetricType_HISTOGRAM && all[base] != nil {
				f = all[base]
			}
		}
		if f == nil {
			t.Errorf("there is no metric %s", found[1])
			continue
		}
		named[f.GetName()] = true
		for _, l := range regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`).FindAllStringSubmatch(found[2], -1) {
			has := func(m *dto.Metric) bool {
				return slices.ContainsFunc(m.GetLabel(), func(p *dto.LabelPair) bool { return p.GetName() == l[1] })
			}
			if l[1] != "job" && l[1] != "instance" && !slices.ContainsFunc(f.GetMetric(), has) {
				t.Errorf("%s has no label %s", f.GetName(), l[1])
			}
		}
	}
	if len(named) < 20 {
		t.Errorf("dashboard and rules name %d metrics", len(named))
	}
}

// promtool accepts the alert rules, and the dashboard's queries as queries.
func TestPrometheusAcceptsTheFiles(t *testing.T) {
	tool := filepath.Join(prometheus(t), "promtool")
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, q := range dashboard(t) {
		fmt.Fprintf(&rules, "      - {record: \"query:%d\", expr: %q}\n", i, q)
	}
	queries := filepath.Join(t.TempDir(), "queries.yml")
	write(t, queries, rules.String())
	for _, file := range []string{"deploy/alerts.yml", queries} {
		if out, err := exec.CommandContext(t.Context(), tool, "check", "rules", file).CombinedOutput(); err != nil {
			t.Errorf("promtool check rules %s: %v\n%s", file, err, out)
		}
	}
}

// A Prometheus that scrapes a gateway evaluates every alert rule, fires none of those that call
// somebody, and has an answer to every query of the dashboard; so does one that takes native
// histograms and no classic ones.
func TestPrometheusAnswersTheDashboard(t *testing.T) {
	program := filepath.Join(prometheus(t), "prometheus")
	p, _ := withLoad(t)
	rules, err := filepath.Abs("deploy/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	target := strings.TrimSuffix(strings.TrimPrefix(p.metricsURL(), "http://"), "/metrics")
	for name, flags := range map[string][]string{"classic": nil, "native": {"--enable-feature=native-histograms"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := filepath.Join(dir, "prometheus.yml")
			write(t, config, "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}", fmt.Sprintf("rule_files: [%q]", rules),
				fmt.Sprintf("scrape_configs: [{job_name: openchat, static_configs: [{targets: [%q]}]}]", target))
			server := &harness.Process{
				Name: "prometheus", Path: program, Ready: regexp.MustCompile(`Server is ready`),
				Args: append([]string{"--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", "127.0.0.1:0"}, flags...),
			}
			t.Cleanup(server.Kill)
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			at := regexp.MustCompile(`Listening on.*(127\.0\.0\.1:[1-9][0-9]*)`).FindStringSubmatch(server.Log.String())
			if at == nil {
				t.Fatalf("Prometheus does not say where it listens: %s", server.Log.String())
			}
			api := "http://" + at[1] + "/api/v1/"
			// A rate takes two scrapes of a series, and an evaluation of the rules one more.
			ctx, cancel := context.WithTimeout(t.Context(), harness.Timeout)
			defer cancel()
			for len(queryAt(ctx, t, api, `count_over_time(up{job="openchat"}[1m]) >= 4 and up{job="openchat"} == 1`)) == 0 {
				select {
				case <-ctx.Done():
					t.Fatalf("Prometheus has not scraped the gateway: %s", server.Log.Last(5))
				case <-time.After(100 * time.Millisecond):
				}
			}
			for _, q := range dashboard(t) {
				if len(queryAt(ctx, t, api, q)) == 0 {
					t.Errorf("no answer to %s", q)
				}
			}
			if name == "native" {
				if len(queryAt(ctx, t, api, `histogram_quantile(0.99, sum(rate(openchat_call_duration_seconds[1m])))`)) == 0 {
					t.Error("there are no native histograms")
				}
			}
			var evaluated struct {
				Data struct {
					Groups []struct {
						Rules []struct {
							Name, Health, LastError, State string
							Labels                         map[string]string
						}
					}
				}
			}
			readJSON(ctx, t, api+"rules", &evaluated)
			if len(evaluated.Data.Groups) == 0 || len(evaluated.Data.Groups[0].Rules) == 0 {
				t.Fatal("there are no rules")
			}
			for _, r := range evaluated.Data.Groups[0].Rules {
				if r.Health != "ok" || r.State == "firing" {
					t.Errorf("the rule %s is %s, %s: %s", r.Name, r.Health, r.State, r.LastError)
				}
			}
		})
	}
}

// queryAt asks a Prometheus.
func queryAt(ctx context.Context, t *testing.T, api, query string) []json.RawMessage {
	t.Helper()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	readJSON(ctx, t, api+"query?query="+url.QueryEscape(query), &answer)
	if answer.Status != "success" {
		t.Errorf("%s: %s", query, answer.Error)
	}
	return answer.Data.Result
}

func readJSON(ctx context.Context, t *testing.T, from string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", from, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s answers %s, %v", from, res.Status, err)
	}
}
