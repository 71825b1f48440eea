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

// tokenClaims are the claims as they stand in a token.
type tokenClaims struct {
	Subject       string `wire:"sub"`
	IntegrationID string `wire:"integrationId"`
	CustomerName  string `wire:"customerName"`
	IssuedAt      int64  `wire:"iat,thousandths"` // in milliseconds since 1970
	Expiry        int64  `wire:"exp,thousandths"` // as IssuedAt
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
	r := newDecoder(text)
	read := r.tokenClaims()
	exp, iat := read.Expiry, read.IssuedAt
	if r.end() != nil || exp <= 0 {
		return c, errToken
	}
	if exp >= maxExpiry {
		return c, errTokenMillis
	}
	c.Subject, c.IntegrationID, c.CustomerName = read.Subject, read.IntegrationID, read.CustomerName
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
