package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"
)

const chartFolder = "web/deploy/helm/chat-gateway"

// object is what a manifest holds.
type object = map[string]any

// values reads the chart's values and sets others, given as a.b and a value.
func values(t *testing.T, set ...any) object {
	t.Helper()
	v := object{}
	if err := yaml.Unmarshal([]byte(source(t, chartFolder+"/values.yaml")), &v); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(set); i += 2 {
		path := strings.Split(set[i].(string), ".")
		at := v
		for _, name := range path[:len(path)-1] {
			at = at[name].(object)
		}
		at[path[len(path)-1]] = set[i+1]
	}
	return v
}

// render renders the chart with as much of Helm as it uses, and returns its objects by kind.
func render(t *testing.T, v object) (objects map[string]object, err error) {
	t.Helper()
	chart := object{}
	if err := yaml.Unmarshal([]byte(source(t, chartFolder+"/Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	set := template.New("chart").Option("missingkey=error")
	set.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var b strings.Builder
			err := set.ExecuteTemplate(&b, name, data)
			return b.String(), err
		},
		"toYaml": func(v any) (string, error) {
			var b strings.Builder
			e := yaml.NewEncoder(&b)
			e.SetIndent(2)
			err := e.Encode(v)
			return strings.TrimSuffix(b.String(), "\n"), err
		},
		"nindent": func(n int, text string) string {
			pad := "\n" + strings.Repeat(" ", n)
			return pad + strings.ReplaceAll(text, "\n", pad)
		},
		"required": func(words string, v any) (any, error) {
			if v == nil || v == "" {
				return nil, errors.New(words)
			}
			return v, nil
		},
		"default": func(otherwise, v any) any {
			if v == nil || reflect.ValueOf(v).IsZero() {
				return otherwise
			}
			return v
		},
		"quote":      func(v any) string { return strconv.Quote(fmt.Sprint(v)) },
		"trunc":      func(n int, text string) string { return text[:min(n, len(text))] },
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"replace":    func(old, with, text string) string { return strings.ReplaceAll(text, old, with) },
		"upper":      strings.ToUpper,
		"add":        func(a, b int) int { return a + b },
	})
	files, err := filepath.Glob(filepath.Join(repository(chartFolder), "templates", "*"))
	if err != nil || len(files) < 6 {
		t.Fatalf("the templates are %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.New(filepath.Base(file)).Parse(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	data := object{
		"Values":  v,
		"Release": object{"Name": "chat", "Service": "Helm"},
		"Chart":   object{"Name": chart["name"], "AppVersion": chart["appVersion"]},
	}
	objects = map[string]object{}
	for _, file := range files {
		if strings.HasSuffix(file, ".tpl") {
			continue
		}
		var b bytes.Buffer
		if err := set.ExecuteTemplate(&b, filepath.Base(file), data); err != nil {
			return nil, err
		}
		for d := yaml.NewDecoder(&b); ; {
			var o object
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", filepath.Base(file), err)
			}
			if o == nil {
				continue
			}
			kind := o["kind"].(string)
			if objects[kind] != nil {
				t.Fatalf("two objects of the kind %s", kind)
			}
			objects[kind] = o
		}
	}
	return objects, nil
}

// at returns what a manifest has at a path like spec.containers.0.name; nil: nothing.
func at(o any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		switch v := o.(type) {
		case object:
			o = v[name]
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(v) {
				return nil
			}
			o = v[n]
		default:
			return nil
		}
	}
	return o
}

func TestChartFitsTheGateway(t *testing.T) {
	if _, err := render(t, values(t)); err == nil || !strings.Contains(err.Error(), "image.repository is required") {
		t.Errorf("without an image: %v", err)
	}
	objects, err := render(t, values(t, "image.repository", "registry.example.com/chat-gateway"))
	if err != nil {
		t.Fatal(err)
	}
	if kinds := slices.Sorted(maps.Keys(objects)); !slices.Equal(kinds, []string{"Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}) {
		t.Fatalf("the chart makes %q", kinds)
	}
	pod := at(objects["Deployment"], "spec.template.spec")
	container := at(pod, "containers.0")
	for path, want := range map[string]any{
		"automountServiceAccountToken":                          false,
		"securityContext.runAsNonRoot":                          true,
		"securityContext.runAsUser":                             65532,
		"securityContext.seccompProfile.type":                   "RuntimeDefault",
		"containers.0.image":                                    "registry.example.com/chat-gateway:" + version(t),
		"containers.0.securityContext.readOnlyRootFilesystem":   true,
		"containers.0.securityContext.allowPrivilegeEscalation": false,
		"containers.0.securityContext.capabilities.drop.0":      "ALL",
		"containers.0.startupProbe.httpGet.path":                "/livez",
		"containers.0.livenessProbe.httpGet.path":               "/livez",
		"containers.0.readinessProbe.httpGet.path":              "/readyz",
		"volumes.0.secret.secretName":                           "chat-gateway",
		"containers.0.volumeMounts.0.readOnly":                  true,
	} {
		if got := at(pod, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	environment := map[string]string{}
	for _, e := range at(container, "env").([]any) {
		environment[at(e, "name").(string)] = at(e, "value").(string)
	}
	wantSettings(t, "the chart", strings.Join(slices.Collect(maps.Keys(environment)), "\n"))
	if environment["GATEWAY_DRAIN_DELAY"] != "15s" || at(pod, "terminationGracePeriodSeconds") != 35 {
		t.Errorf("a drain of %s and 10 s have to fit into %v s", environment["GATEWAY_DRAIN_DELAY"], at(pod, "terminationGracePeriodSeconds"))
	}
	if environment["GATEWAY_BEHIND_PROXY"] != "true" || environment["GATEWAY_ENVIRONMENT_FILE"] != at(container, "volumeMounts.0.mountPath").(string)+"/gateway.env" {
		t.Errorf("the environment is %q", environment)
	}
	// All that selects selects these pods.
	labels := at(objects["Deployment"], "spec.template.metadata.labels").(object)
	for what, selector := range map[string]any{
		"Deployment":          at(objects["Deployment"], "spec.selector.matchLabels"),
		"Service":             at(objects["Service"], "spec.selector"),
		"PodDisruptionBudget": at(objects["PodDisruptionBudget"], "spec.selector.matchLabels"),
	} {
		s, _ := selector.(object)
		if len(s) == 0 {
			t.Errorf("the %s selects everything", what)
		}
		for name, value := range s {
			if labels[name] != value {
				t.Errorf("the %s selects %s=%v, the pods have %v", what, name, value, labels[name])
			}
		}
	}
	if from, want := at(objects["Service"], "spec.ports.0.targetPort"), at(container, "ports.0.name"); from != want {
		t.Errorf("the Service goes to the port %v, which is %v", from, want)
	}
	if budget := at(objects["PodDisruptionBudget"], "spec.maxUnavailable"); budget != 1 || at(objects["Deployment"], "spec.replicas") != 2 {
		t.Errorf("%v of %v pods may be away", budget, at(objects["Deployment"], "spec.replicas"))
	}
}

func TestChartTakesValues(t *testing.T) {
	objects, err := render(t, values(t, "image.repository", "r", "image.tag", "1.2.3", "drainDelaySeconds", 60, "settings.max-age", "240h",
		"tolerations", []any{object{"key": "chat"}}, "podAnnotations", object{"a": "b"}, "metrics.enabled", true, "serviceMonitor.enabled", true, "serviceMonitor.labels", object{"release": "prometheus"}))
	if err != nil {
		t.Fatal(err)
	}
	pod := at(objects["Deployment"], "spec.template.spec")
	if at(pod, "containers.0.image") != "r:1.2.3" || at(pod, "terminationGracePeriodSeconds") != 80 || at(pod, "tolerations.0.key") != "chat" ||
		at(objects["Deployment"], "spec.template.metadata.annotations.a") != "b" {
		t.Errorf("the values do not arrive: %v", pod)
	}
	environment := map[string]string{}
	for _, e := range at(pod, "containers.0.env").([]any) {
		environment[at(e, "name").(string)] = at(e, "value").(string)
	}
	if environment["GATEWAY_MAX_AGE"] != "240h" || environment["GATEWAY_DRAIN_DELAY"] != "60s" {
		t.Errorf("the environment is %q", environment)
	}
	// Prometheus goes to the port that --metrics-addr opens.
	if environment["GATEWAY_METRICS_ADDR"] != ":9090" || at(pod, "containers.0.ports.1.containerPort") != 9090 ||
		at(objects["ServiceMonitor"], "spec.endpoints.0.port") != at(objects["Service"], "spec.ports.1.name") ||
		at(objects["Service"], "spec.ports.1.targetPort") != at(pod, "containers.0.ports.1.name") ||
		at(objects["ServiceMonitor"], "metadata.labels.release") != "prometheus" {
		t.Errorf("the ServiceMonitor %v does not fit the Service %v", objects["ServiceMonitor"], objects["Service"])
	}
	names, err := settingNames()
	if err != nil {
		t.Fatal(err)
	}
	if !names["metrics-addr"] {
		t.Skip("this gateway has no --metrics-addr yet, which metrics.enabled sets")
	}
}

// version is that of the build.
func version(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^VERSION=(\S+)$`).FindStringSubmatch(source(t, "build.sh"))
	if m == nil {
		t.Fatal("build.sh has no version")
	}
	return m[1]
}

func TestVersionsAreTheBuilds(t *testing.T) {
	for name, text := range map[string]string{
		chartFolder + "/Chart.yaml": "\nversion: %[1]s\nappVersion: %[1]s\n",
		composeFile:                 "image: chat-gateway:%s\n",
		dockerfile:                  "-t chat-gateway:%s ",
	} {
		if text = fmt.Sprintf(text, version(t)); !strings.Contains(source(t, name), text) {
			t.Errorf("%s does not hold %q", name, text)
		}
	}
}

func TestHelmAcceptsTheChart(t *testing.T) {
	if _, err := exec.LookPath("helm"); err != nil {
		t.Skip("helm is not installed; TestChartFitsTheGateway renders the chart without it")
	}
	for _, command := range []string{"lint --strict", "template chat --kube-version 1.30.0"} {
		words := append(strings.Fields(command), repository(chartFolder), "--set", "image.repository=r,metrics.enabled=true,serviceMonitor.enabled=true")
		if out, err := exec.Command("helm", words...).CombinedOutput(); err != nil {
			t.Errorf("helm %s: %v\n%s", command, err, out)
		}
	}
}
