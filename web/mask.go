package main

import "strings"

// masked stands for a secret that is not shown.
const masked = "***"

// mask returns an option's value, or one of its values, without the secret in it. The name of a file
// with a secret, @file, is none.
func mask(o option, text string) string {
	hidden := func(secret string) string {
		if secret == "" || strings.HasPrefix(secret, "@") {
			return secret
		}
		return masked
	}
	if name, secret, ok := strings.Cut(text, "="); ok && o.name == "otlp-header" {
		return name + "=" + hidden(secret)
	}
	if _, isSecret := o.value.(*secrets); isSecret {
		_, secret := cutAccounts(text)
		return strings.TrimSuffix(text, secret) + hidden(secret)
	}
	switch o.name {
	case "appkey", "jwt-hs256-secret":
		return hidden(text)
	case "tenant":
		if parts := strings.SplitN(text, ":", 3); len(parts) == 3 {
			return parts[0] + ":" + parts[1] + ":" + hidden(parts[2])
		}
		return hidden(text)
	case "nats-url":
		list := strings.Split(text, ",")
		for i, u := range list {
			list[i] = maskURL(strings.TrimSpace(u))
		}
		return strings.Join(list, ",")
	case "jwks":
		_, source := cutAccounts(text)
		return strings.TrimSuffix(text, source) + maskURL(source)
	case "desk-oidc-issuer", "otlp-endpoint", "nats-monitor-url":
		return maskURL(text)
	}
	return text
}

// maskURL hides who signs in with which password, and a query, in which there may be a token.
func maskURL(text string) string {
	if strings.HasPrefix(text, "@") {
		return text
	}
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		if i := strings.LastIndexByte(text, '@'); i >= 0 {
			return masked + text[i:]
		}
		return text
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	host, path, hasPath := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(rest, '@'); at >= len(host) {
		host, path, hasPath = rest, "", false // a password with a slash in it
	}
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = masked + host[at:]
	}
	text = scheme + "://" + host
	if hasPath {
		text += "/" + path
	}
	if hasQuery && query != "" {
		text += "?" + masked
	}
	return text
}
