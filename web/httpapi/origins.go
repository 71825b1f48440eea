package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// AnyOrigin stands in a list of allowed origins for every page.
const AnyOrigin = "*"

// Origins are the origins whose pages may call, besides the server's own. A request without
// an Origin header comes from no other origin's page. Make them with NewOrigins. The
// methods are safe for concurrent use.
type Origins struct {
	allowed atomic.Pointer[allowedOrigins]
}

// allowedOrigins is a list of origins, prepared for the question whether it has one.
type allowedOrigins struct {
	any   bool
	exact map[string]bool
	below []subdomains
}

// subdomains are the origins of all hosts below a domain.
type subdomains struct {
	scheme string
	domain string // with the dot before it
	port   string // with the colon before it; "": the scheme's own
}

// NewOrigins makes Origins of a list of which CheckOrigin has accepted each entry but AnyOrigin.
func NewOrigins(list []string) *Origins {
	o := &Origins{}
	o.Set(list)
	return o
}

// Set replaces the list.
func (o *Origins) Set(list []string) {
	next := &allowedOrigins{exact: map[string]bool{}}
	for _, text := range list {
		if text == AnyOrigin {
			next.any = true
			continue
		}
		origin, err := parseOrigin(text)
		if err != nil {
			continue // CheckOrigin has refused it
		}
		if domain, ok := strings.CutPrefix(origin.host, "*"); ok {
			next.below = append(next.below, subdomains{origin.scheme, domain, origin.port})
		} else {
			next.exact[origin.String()] = true
		}
	}
	o.allowed.Store(next)
}

// Other returns the request's origin when its page may call only because the list has its
// origin, else "".
func (o *Origins) Other(r *http.Request) string {
	origin := r.Header.Get("Origin")
	if page, err := parseOrigin(origin); origin == "" || err == nil && own(r, page) {
		return ""
	}
	return origin
}

// Has reports whether the list has an origin, or all.
func (o *Origins) Has(origin string) bool {
	allowed := o.allowed.Load()
	if allowed.any {
		return true
	}
	page, err := parseOrigin(origin)
	return err == nil && allowed.has(page)
}

func (l *allowedOrigins) has(o parsedOrigin) bool {
	if strings.Contains(o.host, "*") {
		return false
	}
	return l.exact[o.String()] || slices.ContainsFunc(l.below, func(s subdomains) bool { return s.has(o) })
}

// has reports whether the origin's host is one or more labels below the domain.
func (s subdomains) has(o parsedOrigin) bool {
	labels, ok := strings.CutSuffix(o.host, s.domain)
	return ok && o.scheme == s.scheme && o.port == s.port && labels != "" && !strings.HasPrefix(labels, ".") &&
		!strings.HasSuffix(labels, ".") && !strings.Contains(labels, "..")
}

// allow reports whether pages of the origin may call: those of the list, and the server's own.
func (o *Origins) allow(r *http.Request, origin string) bool {
	allowed := o.allowed.Load()
	if allowed.any {
		return true
	}
	page, err := parseOrigin(origin)
	return err == nil && (allowed.has(page) || own(r, page))
}

// own reports whether the page's origin is the server's. The scheme is not known behind a proxy.
func own(r *http.Request, page parsedOrigin) bool {
	server, err := parseOrigin(page.scheme + "://" + r.Host)
	return err == nil && page == server
}

// CheckOrigin checks one of the origins whose pages may call: https://shop.example.com, or
// https://*.example.com for all hosts below a domain. Not AnyOrigin.
func CheckOrigin(value string) error {
	o, err := parseOrigin(value)
	switch {
	case err != nil:
		return err
	case !strings.Contains(o.host, "*"):
		return nil
	}
	domain, ok := strings.CutPrefix(o.host, "*.")
	labels := strings.Split(domain, ".")
	switch {
	case !ok || strings.Contains(domain, "*"):
		return errors.New("not possible: * may only stand once, for all that is before a domain, as in https://*.example.com")
	case strings.Contains("."+domain+".", ".."):
		return errors.New("not possible: the domain after *. has an empty part")
	case strings.Trim(labels[len(labels)-1], "0123456789") == "":
		return errors.New("not possible: nothing is below an address; * is for domains, as in https://*.example.com")
	case len(labels) == 1 && domain != "localhost":
		return errors.New("not possible: strangers may have hosts below a domain of one part; name one of yours, as in https://*.example.com")
	}
	return nil
}

var errNoOrigin = errors.New("not an origin, as in https://shop.example.com without a path")

// parsedOrigin is an origin as browsers write it: in lower case and without the scheme's own
// port. Two are the same origin when they are equal.
type parsedOrigin struct {
	scheme string
	host   string // a name, an address, or [an address] of IPv6
	port   string // with the colon before it; "": the scheme's own
}

func (o parsedOrigin) String() string { return o.scheme + "://" + o.host + o.port }

// parseOrigin reads an origin. Its error says what value is, as in "--allowed-origins x is …".
func parseOrigin(value string) (parsedOrigin, error) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !strings.EqualFold(u.Scheme+"://"+u.Host, value) {
		return parsedOrigin{}, errNoOrigin
	}
	for i := range len(value) {
		if value[i] <= ' ' || value[i] >= 0x7f {
			return parsedOrigin{}, errors.New("not an origin as browsers send it: write names with other letters than a to z as xn--…")
		}
	}
	o := parsedOrigin{scheme: u.Scheme, host: strings.ToLower(u.Host)}
	if i := strings.LastIndexByte(o.host, ':'); i >= 0 && !strings.HasSuffix(o.host, "]") {
		port, err := strconv.ParseUint(o.host[i+1:], 10, 16)
		if err != nil {
			return parsedOrigin{}, errors.New("not an origin: its port is no number from 0 to 65535")
		}
		if o.host = o.host[:i]; u.Scheme == "http" && port != 80 || u.Scheme == "https" && port != 443 {
			o.port = ":" + strconv.FormatUint(port, 10)
		}
	}
	return o, nil
}

// maxOriginLines is how many origins that may not call are logged one by one at a time: anybody
// may send any.
const maxOriginLines = 10

// NewOriginNotices returns what logs the pages that a Server refuses, which serves what.
func NewOriginNotices(log *slog.Logger, serves string) *Notices {
	return NewNotices(log, "a page was refused whose origin is not allowed to call "+serves, maxOriginLines)
}

// maxShownOrigin is how long an origin may be that is logged, in bytes.
const maxShownOrigin = 100

// ShownOrigin is an Origin header for the log, in lower case. The client chooses it: what is no
// origin, or a long one, is not shown.
func ShownOrigin(origin string) string {
	if origin == "null" || origin == "" {
		return origin
	}
	if _, err := parseOrigin(origin); err != nil || len(origin) > maxShownOrigin {
		return "no origin"
	}
	return strings.ToLower(origin)
}
