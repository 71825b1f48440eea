package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// peer is an SDK that pages use for the same or a like purpose today.
type peer struct {
	name    string // its package
	version string // exactly this one is measured
	// entry is the script that a page would have: it imports the package and leaves what
	// it exports in window.peer.
	entry string
	// callable is the expression that is a function once the API can be used.
	callable string
	// without are modules of Node's that its packages name and a browser has not: they are
	// empty, as bundlers can be configured to make them.
	without []string
	// contactCenter: its visitors wait for an agent, as ours do.
	contactCenter bool

	code []byte // bundled and minified
}

// peers are the ones compared with.
var peers = []peer{
	{name: "amazon-connect-chatjs", version: "5.0.0", entry: `import "amazon-connect-chatjs"; window.peer = window.connect`, callable: "peer.ChatSession.create", contactCenter: true},
	{name: "@twilio/conversations", version: "3.0.1", callable: "peer.Client"},
	{name: "stream-chat", version: "9.53.0", callable: "peer.StreamChat.getInstance"},
	{name: "ably", version: "2.28.0", callable: "peer.Realtime"},
	{name: "centrifuge", version: "5.8.0", callable: "peer.Centrifuge"},
	{name: "@livechat/customer-sdk", version: "4.0.2", callable: "peer.init", contactCenter: true},
	{name: "@microsoft/omnichannel-chat-sdk", version: "1.11.8", callable: "peer.OmnichannelChatSDK", without: []string{"crypto"}, contactCenter: true},
}

func peerNamed(name string) peer {
	for _, p := range peers {
		if p.name == name {
			return p
		}
	}
	panic("no peer " + name)
}

// bundle installs a peer with npm, in a folder of the user's cache, unless it is there
// already, and makes of it what a page would load.
func bundle(ctx context.Context, p peer, log io.Writer) (peer, error) {
	cache, err := cacheDir()
	if err != nil {
		return p, err
	}
	dir := filepath.Join(cache, strings.NewReplacer("@", "", "/", "-").Replace(p.name)+"-"+p.version)
	if installed(dir, p) != nil {
		fmt.Fprintf(log, "npm installs %s %s in %s\n", p.name, p.version, dir)
		if err := install(ctx, dir, p); err != nil {
			return p, err
		}
	}
	entry := p.entry
	if entry == "" {
		entry = fmt.Sprintf("import * as all from %q; window.peer = all", p.name)
	}
	result := api.Build(api.BuildOptions{
		Stdin:             &api.StdinOptions{Contents: entry, ResolveDir: dir, Sourcefile: "entry.js"},
		Bundle:            true,
		Platform:          api.PlatformBrowser,
		Format:            api.FormatIIFE,
		Target:            api.ES2020,
		MinifySyntax:      true,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone,
		Define:            map[string]string{"process.env.NODE_ENV": `"production"`, "global": "window"},
		LogLevel:          api.LogLevelSilent,
		Plugins:           []api.Plugin{p.emptied()},
	})
	if len(result.Errors) > 0 {
		return p, fmt.Errorf("esbuild: %s (%d errors)", result.Errors[0].Text, len(result.Errors))
	}
	p.code = result.OutputFiles[0].Contents
	return p, nil
}

func (p peer) emptied() api.Plugin {
	return api.Plugin{Name: "empty", Setup: func(b api.PluginBuild) {
		for _, module := range p.without {
			b.OnResolve(api.OnResolveOptions{Filter: "^" + regexp.QuoteMeta(module) + "$"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
				return api.OnResolveResult{Path: a.Path, Namespace: "empty"}, nil
			})
		}
		none := ""
		b.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: "empty"}, func(api.OnLoadArgs) (api.OnLoadResult, error) {
			return api.OnLoadResult{Contents: &none}, nil
		})
	}}
}

// installed is nil when the peer lies in dir in its version.
func installed(dir string, p peer) error {
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", filepath.FromSlash(p.name), "package.json"))
	if err != nil {
		return err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	if manifest.Version != p.version {
		return fmt.Errorf("%s is %s, not %s", p.name, manifest.Version, p.version)
	}
	return nil
}

func install(ctx context.Context, dir string, p peer) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("npm is not in PATH: install Node with npm to compare with " + p.name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// npm installs into the nearest folder with a manifest.
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private":true}`), 0o644); err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "npm", "install", "--save-exact", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", p.name+"@"+p.version)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install %s@%s: %w\n%s", p.name, p.version, err, out)
	}
	return installed(dir, p)
}

// bundleAll bundles all peers and tells of those that it could not.
func bundleAll(ctx context.Context, log io.Writer) (found []peer, missing []string) {
	for _, p := range peers {
		b, err := bundle(ctx, p, log)
		if err != nil {
			fmt.Fprintf(log, "%s is left out: %v\n", p.name, err)
			reason, _, _ := strings.Cut(err.Error(), "\n")
			missing = append(missing, fmt.Sprintf("%s %s is left out: %s.", p.name, p.version, reason))
			continue
		}
		found = append(found, b)
	}
	return found, missing
}
