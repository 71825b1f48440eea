// Command release packs a release. build.sh calls it:
//
//	go run ./web/deploy/release -version 0.2.0 -dist dist -out dist/release dist/linux-amd64/gateway dist/linux-arm64/gateway
//
// For each gateway it writes into the out folder
//
//   - chat-gateway-VERSION-OS-ARCH.tar.gz: the gateway, the SDK's files, docs and web/deploy,
//   - chat-gateway-VERSION-OS-ARCH.cdx.json, which is in the archive as well: the modules in the
//     gateway, as CycloneDX 1.6,
//
// and SHA256SUMS of all these. The same input gives the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// name of the product, in file names and bills.
const name = "chat-gateway"

// modified is the time of all files in an archive: a fixed one, so that the bytes depend on the
// content alone.
var modified = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	var r release
	flag.StringVar(&r.version, "version", "", "SemVer of the release")
	flag.StringVar(&r.dist, "dist", "dist", "folder of the built SDK")
	flag.StringVar(&r.source, "source", ".", "the repository's folder")
	flag.StringVar(&r.out, "out", "", "folder to write to; what an earlier release left there goes")
	flag.Parse()
	if err := r.pack(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

type release struct {
	version, dist, source, out string
}

// pack writes the release of these gateways.
func (r *release) pack(gateways []string) error {
	if r.version == "" || r.out == "" || len(gateways) == 0 {
		return errors.New("-version, -out and at least one gateway are needed")
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(r.out, name+"-*"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	common, err := r.common()
	if err != nil {
		return err
	}
	var sums strings.Builder
	write := func(file string, content []byte) error {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), file)
		return os.WriteFile(filepath.Join(r.out, file), content, 0o644)
	}
	for _, gateway := range gateways {
		info, err := buildinfo.ReadFile(gateway)
		if err != nil {
			return err
		}
		binary, err := os.ReadFile(gateway)
		if err != nil {
			return err
		}
		bill, err := r.bill(info, binary)
		if err != nil {
			return err
		}
		top := fmt.Sprintf("%s-%s-%s-%s", name, r.version, setting(info, "GOOS"), setting(info, "GOARCH"))
		archive, err := archived(top, append([]file{{"gateway", 0o755, binary}, {"sbom.cdx.json", 0o644, bill}}, common...))
		if err != nil {
			return err
		}
		if err := write(top+".cdx.json", bill); err != nil {
			return err
		}
		if err := write(top+".tar.gz", archive); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(sums.String()), 0o644)
}

// file is one of an archive.
type file struct {
	name    string // with slashes
	mode    int64
	content []byte
}

// common returns the files that do not depend on the platform.
func (r *release) common() (files []file, err error) {
	add := func(from, as string) {
		if err != nil {
			return
		}
		err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case !e.Type().IsRegular() || filepath.Ext(path) == ".go": // as this command
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if filepath.Ext(path) == ".md" {
				content = bytes.ReplaceAll(content, []byte("](../web/deploy/"), []byte("](../deploy/")) // as they lie in the archive
			}
			inside, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			files = append(files, file{filepath.ToSlash(filepath.Join(as, inside)), 0o644, content})
			return nil
		})
	}
	built, err := filepath.Glob(filepath.Join(r.dist, "avaya-ccaas-chat-sdk.*"))
	if err == nil && len(built) == 0 {
		err = fmt.Errorf("%s has no built SDK", r.dist)
	}
	for _, path := range append(built, filepath.Join(r.dist, "build-info.json")) {
		add(path, "dist/"+filepath.Base(path))
	}
	add(filepath.Join(r.source, "docs"), "docs")
	add(filepath.Join(r.source, "web", "deploy"), "deploy")
	for _, name := range []string{"README.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE", "tests/BENCH.md", "tests/CONFORMANCE.md", "web/pages/README.md"} {
		add(filepath.Join(r.source, name), name)
	}
	return files, err
}

// archived returns a tar.gz with these files below a folder.
func archived(top string, files []file) ([]byte, error) {
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		h := &tar.Header{Name: path.Join(top, f.name), Mode: f.mode, Size: int64(len(f.content)), ModTime: modified, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	err = errors.Join(w.Close(), z.Close())
	return b.Bytes(), err
}

// setting returns what a binary was built with.
func setting(info *debug.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// What a bill of CycloneDX 1.6 has here. The members are the specification's.
type (
	bill struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		SerialNumber string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Purl       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// bill returns the bill of materials of a gateway: the modules that are linked into it, as the
// linker has noted them, and Go's library. Which module needs which is not noted: all stand as
// the gateway's own.
func (r *release) bill(info *debug.BuildInfo, binary []byte) ([]byte, error) {
	sum := fmt.Sprintf("%x", sha256.Sum256(binary))
	b := bill{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: uuid.NewSHA1(uuid.NameSpaceOID, []byte(sum)).URN(),
	}
	root := component{Type: "application", Ref: name, Name: name, Version: r.version, Hashes: []hash{{"SHA-256", sum}}}
	for _, key := range []string{"GOOS", "GOARCH"} {
		root.Properties = append(root.Properties, property{"build:" + key, setting(info, key)})
	}
	b.Metadata.Component = root
	of := func(path, version, sum string) {
		purl := "pkg:golang/" + path + "@" + version
		c := component{Type: "library", Ref: purl, Name: path, Version: version, Purl: purl}
		if sum != "" {
			c.Properties = []property{{"go.sum", sum}}
		}
		b.Components = append(b.Components, c)
	}
	of("std", strings.TrimPrefix(info.GoVersion, "go"), "")
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		of(m.Path, m.Version, m.Sum)
	}
	all := dependency{Ref: name}
	for _, c := range b.Components {
		all.DependsOn = append(all.DependsOn, c.Ref)
	}
	b.Dependencies = append(b.Dependencies, all)
	for _, c := range b.Components {
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.Ref})
	}
	return json.Marshal(b, jsontext.WithIndent("  "), json.Deterministic(true))
}
