package main

import (
	"fmt"
	"slices"
	"strings"
)

// logSettings says in one line whom the process serves and how much of it, without secrets.
func (p *process) logSettings() {
	var tenants []string
	for _, t := range p.served {
		if name := t.Account + "/" + t.IntegrationID; !slices.Contains(tenants, name) { // it may have several appkeys
			tenants = append(tenants, name)
		}
	}
	attributes := []any{"tenants", few(tenants), "origins", few(p.origins)}
	for _, o := range p.options() {
		switch v := o.value.(type) {
		case amount:
			attributes = append(attributes, o.name, v.String())
		case span:
			attributes = append(attributes, o.name, written(*v.value))
		case *size:
			attributes = append(attributes, o.name, v.String())
		}
	}
	attributes = append(attributes, "retain-bytes", few(p.retain), "agents", len(p.deskAccess.Agents))
	p.log.Info("settings in effect", attributes...)
}

// maxLogged is how many values of a setting the log shows.
const maxLogged = 20

// few joins the first values, and says how many there are more.
func few(values []string) string {
	if len(values) <= maxLogged {
		return strings.Join(values, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(values[:maxLogged], ","), len(values)-maxLogged)
}
