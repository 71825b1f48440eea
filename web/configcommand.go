package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"openchat/web/jwks"
)

// configCommand checks or prints the settings that a start with the same flags and environment
// would have.
const configCommand = "config"

// configUsage says how the command is used.
const configUsage = "gateway config check|print [flags of the gateway]"

// configuration runs the command; args are those after its name.
func configuration(args []string, env environment, stdout, stderr io.Writer) (code int, err error) {
	if len(args) == 0 || args[0] != "check" && args[0] != "print" {
		return exitMisused, errors.New("this command is " + configUsage)
	}
	var m mistakes
	s, err := readSettings(args[1:], env)
	m.add(err)
	switch {
	case s.help:
		usage(stdout)
		return 0, nil
	case args[0] == "check":
		m.add(s.checkAll())
	case len(m) == 0:
		s.print(stdout)
	}
	for _, mistake := range m {
		fmt.Fprintf(stderr, "gateway: %s\n", mistake)
	}
	if len(m) > 0 {
		return exitFailed, nil
	}
	if args[0] == "check" {
		fmt.Fprintln(stdout, "ok")
	}
	return 0, nil
}

// checkAll says all that a start refuses about the settings and the files that they name. It
// opens no port, no store and no connection.
func (s *settings) checkAll() error {
	var m mistakes
	tenants, err := s.check()
	m.add(err)
	config, err := s.gatewayConfig(tenants)
	m.add(err)
	log := slog.New(slog.DiscardHandler)
	if s.dist != "" {
		files, err := newDist(s.dist, log)
		if err != nil {
			m.add(s.placed(mistakes{oneLine(err)}))
		} else {
			files.gone.Close()
		}
	}
	for i, text := range s.jwks {
		_, source := cutAccounts(text)
		set, err := jwks.New(jwks.Config{Source: source, Refresh: s.jwksRefresh, Logger: log})
		if err == nil && !set.Remote() {
			if err := set.Load(context.Background()); err != nil {
				m.add(s.placed(mistakes{fmt.Sprintf("--jwks%s: %s", ordinal(i, len(s.jwks)), oneLine(err))}))
			}
		}
	}
	if len(m) == 0 { // what follows says the same in other words
		if err := config.Check(); err != nil {
			m.addf("%w (--tenant, --jwt-public-key)", err)
		}
		if s.deskIssuer == "" { // whose keys would be fetched
			m.add(s.deskAccess.Check())
		}
	}
	return m.err()
}

// print writes the settings as a settings file, with where each comes from.
func (s *settings) print(w io.Writer) {
	fmt.Fprintf(w, "# The settings of gateway %s. Secrets are not shown: %s stands in their place.\n", buildVersion(), masked)
	for _, name := range []string{configFile, environmentFile} {
		for _, o := range s.options() {
			if path, ok := o.value.(*string); ok && o.name == name && *path != "" {
				fmt.Fprintf(w, "# --%s %q\n", name, *path)
			}
		}
	}
	group := ""
	for _, o := range s.options() {
		if slices.Contains(notInConfig, o.name) {
			continue
		}
		if o.group != group {
			group = o.group
			fmt.Fprintf(w, "\n# %s\n", group)
		}
		line, err := toml.Marshal(map[string]any{o.name: shown(o)})
		if err != nil {
			panic("a setting of no known kind: " + o.name) // as in register
		}
		fmt.Fprintf(w, "%s # %s\n", strings.TrimSuffix(string(line), "\n"), s.sources[o.name])
	}
}

// shown is an option's value as a settings file has it, without secrets.
func shown(o option) any {
	each := func(values []string) []string {
		all := make([]string, len(values))
		for i, text := range values {
			all[i] = mask(o, text)
		}
		return all
	}
	switch v := o.value.(type) {
	case *string:
		return mask(o, *v)
	case *list:
		return each(*v)
	case *secrets:
		return each(*v)
	case *bool:
		return *v
	case *int:
		return *v
	case amount:
		n, _ := strconv.Atoi(v.String()) // it has written it itself
		return n
	}
	return defaultOf(o)
}
