package wire

import (
	"errors"
	"strings"
	"time"
)

// Claims are what a client reads from its token. It verifies nothing: only the
// gateway can.
type Claims struct {
	Subject       string
	IntegrationID string
	CustomerName  string    // empty: none
	IssuedAt      time.Time // zero: none
	Expiry        time.Time
}

var (
	errToken       = errors.New("it is not a JWT with an exp claim")
	errTokenMillis = errors.New("its exp claim is in milliseconds, it must be in seconds since 1970")
)

// maxExpiry is in milliseconds since 1970, in the year 5138. An exp beyond can only be one
// that was written in milliseconds.
const maxExpiry = 1e14

// ReadToken reads the claims of a compact JWT, with or without TokenPrefix. Its
// error never quotes the token.
func ReadToken(token string) (c Claims, err error) {
	header, rest, _ := strings.Cut(TrimTokenPrefix(token), ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if header == "" || signature == "" || strings.Contains(signature, ".") {
		return c, errToken
	}
	text, ok := decodeBase64URL(payload)
	if !ok {
		return c, errToken
	}
	var exp, iat int64 // milliseconds
	r := newDecoder(text)
	r.object(func(name string) {
		switch name {
		case "sub":
			c.Subject = r.str()
		case "integrationId":
			c.IntegrationID = r.str()
		case "customerName":
			c.CustomerName = r.str()
		case "exp":
			exp = r.thousandths()
		case "iat":
			iat = r.thousandths()
		default:
			r.skip()
		}
	})
	if r.end() != nil || exp <= 0 {
		return Claims{}, errToken
	}
	if exp >= maxExpiry {
		return Claims{}, errTokenMillis
	}
	c.Expiry = time.UnixMilli(exp).UTC()
	if iat > 0 && iat < exp {
		c.IssuedAt = time.UnixMilli(iat).UTC()
	}
	return c, nil
}

// TrimTokenPrefix removes the optional "jwt." before a compact JWT.
func TrimTokenPrefix(token string) string {
	if rest, ok := strings.CutPrefix(token, TokenPrefix); ok && strings.Count(rest, ".") == 2 {
		return rest
	}
	return token
}

// decodeBase64URL is here because encoding/base64 links reflect, which every
// visitor would download.
func decodeBase64URL(s string) ([]byte, bool) {
	s = strings.TrimRight(s, "=")
	if len(s)%4 == 1 {
		return nil, false
	}
	out := make([]byte, 0, len(s)*3/4)
	var bits uint32
	n := 0
	for i := range len(s) {
		var v byte
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z':
			v = c - 'A'
		case c >= 'a' && c <= 'z':
			v = c - 'a' + 26
		case c >= '0' && c <= '9':
			v = c - '0' + 52
		case c == '-':
			v = 62
		case c == '_':
			v = 63
		default:
			return nil, false
		}
		bits = bits<<6 | uint32(v)
		if n += 6; n >= 8 {
			n -= 8
			out = append(out, byte(bits>>n))
		}
	}
	return out, true
}
