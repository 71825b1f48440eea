package main

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"openchat/web/httpapi"
)

// reloadable names the options that take effect when the settings are read again. The others
// need another start.
var reloadable = []string{
	configFile,
	"account", "integration-id", "appkey", "tenant",
	"jwt-public-key", "jwks", "jwks-refresh", "jwt-private-key", "jwt-hs256-secret", "jwt-issuer", "jwt-audience", "max-token-age", "deny-list",
	"server-credential", "desk-credential", "agents", "desk-oidc-issuer", "desk-oidc-audience", "allowed-origins",
	"customer-chats", "account-chats", "customer-chats-per-hour", "account-chats-per-hour", "customer-sessions-per-hour",
	"account-sessions-per-hour", "customer-mib-per-hour", "account-mib-per-hour", "customer-calls",
}

// reload reads the settings again, and has what can change take effect. When anything is
// wrong with them, all stay as they were.
func (p *process) reload(ctx context.Context) {
	if err := p.audit.Reopen(); err != nil {
		p.log.Error("the audit log could not be opened anew; the file before stays in use", "error", err)
	}
	later, err := p.takeSettings(ctx)
	e := httpapi.Audited{Actor: "operator", Action: "reload", Outcome: httpapi.Done}
	if err != nil {
		e.Outcome = "refused"
	}
	p.audit.Note(e)
	p.metrics.Reloaded(err == nil)
	if err != nil {
		p.log.Error("the settings could not be taken; those before stay", "error", oneLine(err))
		return
	}
	if len(later) > 0 {
		p.log.Warn("some settings take effect at the next start only", "settings", strings.Join(later, ", "))
	}
	p.log.Info("settings read again", "tenants", len(p.served), "agents", len(p.deskAccess.Agents))
	p.logSettings()
}

// takeSettings is reload. It returns the settings that have changed without effect.
func (p *process) takeSettings(ctx context.Context) (later []string, err error) {
	s, err := p.parse()
	if err != nil {
		return nil, err
	}
	tenants, err := s.check()
	if err != nil {
		return nil, err
	}
	if s.demo != p.demo {
		return nil, errors.New("--demo can be changed by another start only")
	}
	config, err := s.gatewayConfig(tenants)
	if err != nil {
		return nil, err
	}
	keepIssuer, err := p.issuer.open(ctx, p, s, false)
	if err != nil {
		return nil, err
	}
	if err := s.deskAccess.Check(); err != nil {
		return nil, err
	}
	var keepSets func()
	if config.KeySets, keepSets, err = p.keySets.open(ctx, p, s, false); err != nil {
		return nil, err
	}
	if err := p.gateway.Reload(config); err != nil {
		return nil, err
	}
	keepSets()
	keepIssuer()
	p.desk.SetOrigins(s.deskOrigins())
	if err := p.desk.SetAccess(s.deskAccess); err != nil {
		return nil, err // it has been checked
	}
	later = changed(p.settings, s)
	// What needs another start stays what the process was started with.
	for _, o := range p.options() {
		if slices.Contains(reloadable, o.name) {
			copyOption(o, s)
		}
	}
	p.served = tenants
	p.servers, p.keys, p.deskAccess = s.servers, s.keys, s.deskAccess
	return later, nil
}

// changed names the options that are others in the new settings and need another start.
func changed(old, now *settings) (names []string) {
	next := now.options()
	for i, o := range old.options() {
		if !slices.Contains(reloadable, o.name) && !reflect.DeepEqual(valueOf(o), valueOf(next[i])) {
			names = append(names, "--"+o.name)
		}
	}
	return names
}

// valueOf returns what an option's value points to.
func valueOf(o option) any {
	switch v := o.value.(type) {
	case span:
		return *v.value
	case amount:
		return *v.value
	}
	return reflect.ValueOf(o.value).Elem().Interface()
}

// copyOption gives an option the value that it has in other settings.
func copyOption(o option, from *settings) {
	for _, other := range from.options() {
		if other.name != o.name {
			continue
		}
		switch v := o.value.(type) {
		case span:
			*v.value = *other.value.(span).value
		case amount:
			*v.value = *other.value.(amount).value
		default:
			reflect.ValueOf(v).Elem().Set(reflect.ValueOf(other.value).Elem())
		}
	}
}

// deskOrigins are the origins of desks' pages. "*" is for customers' pages: an agent's desk is
// worth naming.
func (s *settings) deskOrigins() []string {
	return slices.DeleteFunc(slices.Clone(s.origins), func(o string) bool { return o == "*" })
}

// checkStreams ends the streams of keys that a key set has lost.
func (p *process) checkStreams() {
	if g := p.serving.Load(); g != nil {
		g.CheckStreams()
	}
}
