package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"openchat/tests/harness"
)

// packed packs a release of the gateway under test, and returns its files.
func packed(t *testing.T, command, dist string) map[string][]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "release")
	c := exec.Command(command, "-version", version(t), "-dist", dist, "-out", out, gateway(t))
	c.Dir = harness.Root()
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	list, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range list {
		if files[e.Name()], err = os.ReadFile(filepath.Join(out, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestReleaseIsWholeAndTheSameEachTime(t *testing.T) {
	command := filepath.Join(t.TempDir(), "release")
	if err := harness.Run(t.Context(), "go", "build", "-o", command, "./web/deploy/release"); err != nil {
		t.Fatal(err)
	}
	dist := t.TempDir() // in the place of the built SDK
	for _, file := range []string{"avaya-ccaas-chat-sdk.js", "avaya-ccaas-chat-sdk.wasm", "build-info.json"} {
		if err := os.WriteFile(filepath.Join(dist, file), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := packed(t, command, dist)
	again := packed(t, command, dist)
	top := fmt.Sprintf("chat-gateway-%s-%s-%s", version(t), runtime.GOOS, runtime.GOARCH)
	if len(files) != 3 || files[top+".tar.gz"] == nil || files[top+".cdx.json"] == nil || files["SHA256SUMS"] == nil {
		t.Fatalf("%d files, without %s or its bill", len(files), top)
	}
	for name, content := range files {
		if !bytes.Equal(content, again[name]) {
			t.Errorf("%s is not the same when it is packed again", name)
		}
		if name != "SHA256SUMS" && !strings.Contains(string(files["SHA256SUMS"]), fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)) {
			t.Errorf("SHA256SUMS does not have %s:\n%s", name, files["SHA256SUMS"])
		}
	}

	z, err := gzip.NewReader(bytes.NewReader(files[top+".tar.gz"]))
	if err != nil {
		t.Fatal(err)
	}
	inside := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, top+"/")
		if executable := h.Mode&0o111 != 0; !ok || executable != (name == "gateway") || h.Uid != 0 || h.Uname != "" {
			t.Errorf("%s is in the archive, with the mode %o, of %d %q", h.Name, h.Mode, h.Uid, h.Uname)
		}
		if inside[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if built, err := os.ReadFile(gateway(t)); err != nil || !bytes.Equal(built, inside["gateway"]) {
		t.Errorf("the archive's gateway is not the one that was built: %v", err)
	}
	if !bytes.Equal(inside["sbom.cdx.json"], files[top+".cdx.json"]) {
		t.Error("the archive's bill is not the one beside it")
	}
	for name, from := range map[string]string{
		"docs/protocol.md": "docs/protocol.md", "LICENSE": "LICENSE", "README.md": "README.md", "CHANGELOG.md": "CHANGELOG.md",
		"deploy/systemd/chat-gateway.service": unitFile, "deploy/systemd/chat-gateway.sysusers": "web/deploy/systemd/chat-gateway.sysusers",
		"deploy/compose/compose.yaml": composeFile, "deploy/helm/chat-gateway/Chart.yaml": chartFolder + "/Chart.yaml", "deploy/nginx/chat.conf": "web/deploy/nginx/chat.conf",
	} {
		if string(inside[name]) != source(t, from) {
			t.Errorf("%s in the archive is not the repository's", name)
		}
	}
	if string(inside["dist/avaya-ccaas-chat-sdk.js"]) == "" || inside["deploy/release/main.go"] != nil {
		t.Error("the archive lacks the SDK, or has what packs it")
	}
	for name, text := range inside {
		if path.Ext(name) != ".md" {
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(((?:\.\./|\w)[\w./-]*)(?:#[^)]*)?\)`).FindAllSubmatch(text, -1) {
			if to := path.Join(path.Dir(name), string(m[1])); inside[to] == nil && to != "docs" {
				t.Errorf("%s in the archive has a link to %s, which is not there", name, m[1])
			}
		}
	}
	if len(inside["docs/operations.md"]) == 0 {
		t.Error("the archive has no docs/operations.md")
	}
	billOfMaterials(t, inside["sbom.cdx.json"])
}

// billOfMaterials checks what the schema of CycloneDX 1.6 asks for, and that all modules are there.
func billOfMaterials(t *testing.T, text []byte) {
	t.Helper()
	type part struct {
		Type, Name, Version, Purl string
		Ref                       string `json:"bom-ref"`
	}
	var bill struct {
		BomFormat, SpecVersion, SerialNumber string
		Version                              int
		Metadata                             struct{ Component part }
		Components                           []part
		Dependencies                         []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	serial := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	if bill.BomFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Version != 1 || !serial.MatchString(bill.SerialNumber) {
		t.Errorf("the bill is %s %s number %d, %s", bill.BomFormat, bill.SpecVersion, bill.Version, bill.SerialNumber)
	}
	if c := bill.Metadata.Component; c.Type != "application" || c.Name != "chat-gateway" || c.Version != version(t) {
		t.Errorf("the bill is of %+v", c)
	}
	refs := []string{bill.Metadata.Component.Ref}
	for _, c := range bill.Components {
		if c.Type != "library" || c.Name == "" || c.Version == "" || c.Purl != "pkg:golang/"+c.Name+"@"+c.Version || slices.Contains(refs, c.Ref) {
			t.Errorf("a component is %+v", c)
		}
		refs = append(refs, c.Ref)
	}
	for _, d := range bill.Dependencies {
		for _, ref := range append(d.DependsOn, d.Ref) {
			if !slices.Contains(refs, ref) {
				t.Errorf("a dependency names %q, which is no component", ref)
			}
		}
	}
	// As go itself reads the binary.
	out, err := exec.Command("go", "version", "-m", gateway(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(string(out), -1)
	for _, m := range modules {
		if !slices.Contains(refs, "pkg:golang/"+m[1]+"@"+m[2]) {
			t.Errorf("%s %s is not in the bill", m[1], m[2])
		}
	}
	if len(modules) < 10 || len(bill.Components) != len(modules)+1 {
		t.Errorf("%d modules and Go's library, and %d components", len(modules), len(bill.Components))
	}
}
