package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const composeFile = "web/deploy/compose/compose.yaml"

// service is one of a compose file.
type service struct {
	Image       string
	User        string
	Command     []string
	Environment map[string]string
	Volumes     []string
	ReadOnly    bool          `yaml:"read_only"`
	CapDrop     []string      `yaml:"cap_drop"`
	SecurityOpt []string      `yaml:"security_opt"`
	StopGrace   time.Duration `yaml:"stop_grace_period"`
	Restart     string
	Ports       []string
	Ulimits     map[string]int
	Build       struct{ Context, Dockerfile string }
	Healthcheck struct {
		Test              []string
		Interval, Timeout time.Duration
		Retries           int
	}
	DependsOn map[string]struct{ Condition string } `yaml:"depends_on"`
	Networks  map[string]struct{ Aliases []string }
}

// compose reads the compose file. A member that is not known here is an error.
func compose(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		Name     string
		Services map[string]service
	}
	d := yaml.NewDecoder(strings.NewReader(source(t, composeFile)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	return file.Services
}

// composeEnvironment is the environment of a gateway of the compose file.
func composeEnvironment(t *testing.T) map[string]string {
	t.Helper()
	environment := compose(t)["gateway1"].Environment
	if len(environment) == 0 {
		t.Fatalf("gateway1 of %s has no environment", composeFile)
	}
	return environment
}

func TestComposeFileFitsTheGateway(t *testing.T) {
	services := compose(t)
	wantSettings(t, composeFile, source(t, composeFile))
	pinned := regexp.MustCompile(`^[a-z-]+:(\d+\.\d+\.\d+)(-[a-z]+)?$`)
	var upstreams []string
	for name, s := range services {
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %q has no exact version", name, s.Image)
		}
		for _, v := range s.Volumes {
			// What is secret or made by the operator is not in the repository.
			from, _, _ := strings.Cut(v, ":")
			if slices.Contains([]string{"./secrets", "./tls", "./nats"}, from) {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(repository(composeFile)), from)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if strings.HasPrefix(name, "gateway") || name == "nats" {
			if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
				t.Errorf("%s may do more than it needs", name)
			}
		}
		if !strings.HasPrefix(name, "gateway") {
			continue
		}
		drain, err := time.ParseDuration(s.Environment["GATEWAY_DRAIN_DELAY"])
		if err != nil || s.StopGrace < drain+10*time.Second {
			t.Errorf("%s is given %v to stop; its drain takes %v, and its stop 10 s more", name, s.StopGrace, drain)
		}
		if s.Environment["GATEWAY_CONFIG"] != "/run/secrets/gateway.toml" || !slices.Contains(s.Volumes, "./secrets:/run/secrets:ro") {
			t.Errorf("%s does not find its settings file", name)
		}
		if s.Environment["GATEWAY_BEHIND_PROXY"] != "true" {
			t.Errorf("%s does not know that it is behind a proxy", name)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(repository(composeFile)), s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, alias := range s.Networks["default"].Aliases {
			upstreams = append(upstreams, "server "+alias+":8080 ")
		}
	}
	if len(upstreams) != 2 {
		t.Errorf("the gateways have the names %q", upstreams)
	}
	for _, u := range upstreams {
		if !strings.Contains(source(t, "web/deploy/nginx/chat.conf"), u) {
			t.Errorf("nginx has no %q", u)
		}
	}
}

func TestNATSOfTheComposeFileIsTheOneThatIsTested(t *testing.T) {
	version := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindStringSubmatch(source(t, "go.mod"))
	if image := compose(t)["nats"].Image; version == nil || !strings.HasPrefix(image, "nats:"+version[1]+"-") {
		t.Errorf("the image is %s, and go.mod has %q", image, version)
	}
	if s := source(t, "web/deploy/compose/nats.conf"); !regexp.MustCompile(`(?m)^  sync_interval: always$`).MatchString(s) {
		t.Error("NATS does not write to the disk before it acknowledges")
	}
	// The permissions are those of the document.
	spaces := regexp.MustCompile(`\s+`)
	documented := blocks(t, "## An external NATS server", "conf")
	isPermissions := func(block string) bool { return strings.Contains(block, "publish") }
	i := slices.IndexFunc(documented, isPermissions)
	if i < 0 || !strings.Contains(spaces.ReplaceAllString(source(t, "web/deploy/compose/nats.conf"), " "), strings.TrimSpace(spaces.ReplaceAllString(documented[i], " "))) {
		t.Error("the permissions of nats.conf are not those of docs/operations.md")
	}
}
