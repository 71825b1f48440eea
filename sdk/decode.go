package sdk

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
)

// DecodeInit reads init's two arguments from JSON, as a page gave them: "" for an
// absent one. It applies the rules of INIT-1 to INIT-5. Config values of the wrong
// type come out as invalid ones, which Init warns of and replaces (INIT-6); only a
// config that is no object is an error.
//
// unknown are lines for Mistake, one for each member that is none of init's, whether or not
// there is an error: a misspelt name is often the reason of one. At most ten of each
// argument are named, in no order.
func DecodeInit(params, config string) (p InitParams, c Config, unknown []string, err error) {
	unknown = append(unknownMembers("params", params, paramNames), unknownMembers("config", config, configNames)...)
	if p, err = decodeParams(params); err == nil {
		c, err = decodeConfig(config)
	}
	return p, c, unknown, err
}

var (
	paramNames  = []string{"hostURL", "integrationId", "token", "appkey", "displayName", "sessionParameters"}
	configNames = []string{"reconnectionTimeout", "idleTimeout", "idleShutdownGraceTimeout", "logLevel"}
)

// unknownMembers says of each member that is none of the known ones which is meant, where
// that differs in the case of letters only.
func unknownMembers(what, object string, known []string) (lines []string) {
	m, _ := wire.Members(object)
	for name := range m {
		if slices.Contains(known, name) {
			continue
		}
		line := "init: " + what + "." + clip(name) + " is unknown and ignored"
		for _, k := range known {
			if rest, ok := cutPrefixFold(name, k); ok && rest == "" {
				line += ": write " + k
			}
		}
		if lines = append(lines, line); len(lines) == 10 {
			break
		}
	}
	return lines
}

func decodeParams(params string) (p InitParams, err error) {
	m, ok := wire.Members(params)
	if !ok {
		return p, fail(CodeInitParams, "params must be an object")
	}
	p.HostURL, _ = m["hostURL"].Text()
	p.IntegrationID, _ = m["integrationId"].Text()
	p.Token, _ = m["token"].Text()
	p.Appkey, _ = m["appkey"].Text()
	if v := m["displayName"]; !v.Null() {
		if p.DisplayName, ok = v.Text(); !ok {
			return p, fail(CodeConstraintViolation, "displayName must be a string")
		}
	}
	if p.SessionParameters, err = DecodeParameters("sessionParameters", string(m["sessionParameters"])); err != nil {
		return p, err
	}
	return p, p.check()
}

// check applies the rules of INIT-1 to INIT-5.
func (p *InitParams) check() error {
	if p.HostURL == "" {
		return fail(CodeNoURL, "pass hostURL")
	}
	if !validURL(p.HostURL) {
		return fail(CodeInvalidURL, "hostURL must be an http or https URL without query or fragment")
	}
	if !wire.IsUUID(p.IntegrationID) {
		return fail(CodeIntegrationID, "integrationId must be a UUID")
	}
	if p.Token == "" {
		return fail(CodeNoToken, "pass token")
	}
	if _, err := readToken(p.Token); err != nil {
		return err
	}
	if p.Appkey == "" {
		return fail(CodeInitParams, "pass appkey")
	}
	if wire.UTF16Len(p.DisplayName) > wire.MaxDisplayName {
		return fail(CodeConstraintViolation, "displayName must have at most 70 characters")
	}
	return checkParameters("sessionParameters", p.SessionParameters)
}

// validURL accepts http(s)://host[:port][/path]. net/url would add its weight, and
// fmt's, to every visitor's download.
func validURL(u string) bool {
	rest, ok := cutPrefixFold(u, "https://")
	if !ok {
		if rest, ok = cutPrefixFold(u, "http://"); !ok {
			return false
		}
	}
	authority, _, _ := strings.Cut(rest, "/")
	return validAuthority(authority) && !strings.ContainsAny(rest, " \t\r\n\\?#<>\"")
}

// validAuthority accepts host, host:port and [IPv6]:port. What a browser's URL parser
// refuses must be refused here: a fetch of it fails as one without a network does, and
// would be tried again until init's time is over.
func validAuthority(a string) bool {
	host, port, _ := strings.Cut(a, ":")
	if inside, bracketed := strings.CutPrefix(a, "["); bracketed {
		var closed bool
		if host, port, closed = strings.Cut(inside, "]"); !closed || !strings.Contains(host, ":") || strings.Trim(host, "0123456789abcdefABCDEF:.") != "" {
			return false
		}
		var hasPort bool
		if port, hasPort = strings.CutPrefix(port, ":"); port != "" && !hasPort {
			return false
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return false
	}
	return host != "" && !strings.ContainsAny(host, "%@[]^|`{}")
}

// cutPrefixFold cuts a prefix, whichever letters of ASCII are capitals. strings.EqualFold
// would link Unicode's tables.
func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) {
		return s, false
	}
	for i := range len(prefix) {
		if lower(s[i]) != lower(prefix[i]) {
			return s, false
		}
	}
	return s[len(prefix):], true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func decodeConfig(config string) (c Config, err error) {
	if config == "" {
		return c, nil
	}
	m, ok := wire.Members(config)
	if !ok {
		return c, fail(CodeConfiguration, "config must be an object")
	}
	c.given = true
	seconds := func(name string, into *time.Duration) {
		v, given := m[name]
		if !given {
			return
		}
		ms, ok := v.Thousandths()
		// Every bound is below an hour: this is out of all of them, and what lies
		// beyond would overflow.
		if !ok || ms < 0 || ms > 1e9 {
			ms = 1e9
		}
		*into = time.Duration(ms) * time.Millisecond
		if *into == 0 {
			*into = IdleDisabled
		}
	}
	seconds("reconnectionTimeout", &c.ReconnectionTimeout)
	seconds("idleTimeout", &c.IdleTimeout)
	seconds("idleShutdownGraceTimeout", &c.IdleShutdownGraceTimeout)
	if v, given := m["logLevel"]; given {
		word, _ := v.Text()
		if c.LogLevel = LogLevel(word); word == "" {
			c.LogLevel = "?"
		}
	}
	return c, nil
}

// normalize replaces absent and invalid values by their defaults and returns a
// warning for each invalid one (INIT-6).
func (c *Config) normalize() (warnings []Code) {
	none := *c == Config{}
	bound := func(v *time.Duration, low, high, standard time.Duration, off bool, warning Code) {
		switch {
		case *v == 0:
			*v = standard
		case off && *v == IdleDisabled:
		case *v < low || *v > high:
			*v = standard
			warnings = append(warnings, warning)
		}
	}
	bound(&c.ReconnectionTimeout, minReconnectionTimeout, maxReconnectionTimeout, defaultReconnectionTimeout, false, CodeReconnectionTimeout)
	bound(&c.IdleTimeout, minIdleTimeout, maxIdleTimeout, defaultIdleTimeout, true, CodeIdleTimeoutValue)
	bound(&c.IdleShutdownGraceTimeout, minIdleGrace, maxIdleGrace, defaultIdleGrace, false, CodeIdleGraceValue)
	if none {
		warnings = append(warnings, CodeNoConfiguration)
	}
	if c.LogLevel != "" && c.LogLevel.rank() < 0 {
		c.LogLevel = LogError
		warnings = append(warnings, CodeLogLevel)
	}
	return warnings
}

// DecodeParameters reads MappedData, "" or null for an absent one, and applies its
// bounds (INIT-5, ENG-8). what names the argument in errors, which also name the key.
func DecodeParameters(what, mapped string) (map[string]string, error) {
	if wire.Value(mapped).Null() {
		return nil, nil
	}
	m, ok := wire.Members(mapped)
	if !ok {
		return nil, fail(CodeConstraintViolation, what+" must be an object of strings")
	}
	p := make(map[string]string, len(m))
	for k, v := range m {
		s, ok := v.Text()
		if !ok {
			return nil, fail(CodeConstraintViolation, what+"."+clip(k)+" must be a string")
		}
		p[k] = s
	}
	return p, checkParameters(what, p)
}

func checkParameters(what string, p map[string]string) error {
	if len(p) > wire.MaxParameters {
		return fail(CodeConstraintViolation, what+" must have at most 20 entries")
	}
	for k, v := range p {
		switch {
		case k == "":
			return fail(CodeConstraintViolation, what+" has an empty key")
		case wire.UTF16Len(k) > wire.MaxParameterKey:
			return fail(CodeConstraintViolation, what+"."+clip(k)+": a key must have at most 64 characters")
		case wire.UTF16Len(v) > wire.MaxParameterValue:
			return fail(CodeConstraintViolation, what+"."+clip(k)+" must have at most 256 characters")
		}
	}
	return nil
}

// clip keeps a key that a page made up from filling an error message.
func clip(k string) string {
	if r := []rune(k); len(r) > wire.MaxParameterKey {
		return string(r[:wire.MaxParameterKey]) + "…"
	}
	return k
}
