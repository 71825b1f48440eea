package gateway

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// tokenClaims is Claims as a token holds them.
type tokenClaims struct {
	jwt.RegisteredClaims
	Account       string              `json:"accountId"`
	IntegrationID string              `json:"integrationId"`
	CustomerName  string              `json:"customerName,omitempty"`
	Verified      bool                `json:"verifiedCustomer"`
	Identifiers   map[string][]string `json:"customerIdentifiers,omitempty"`
}

// signedClaims keeps the claims' text until the signature has been verified: before,
// nothing of what is wrong with them is anybody's business.
type signedClaims struct {
	jwt.RegisteredClaims // never read; it makes this a jwt.Claims
	text                 []byte
	keys                 []verifyKey // that have signed it
}

func (c *signedClaims) UnmarshalJSON(text []byte) error {
	c.text = slices.Clone(text)
	return nil
}

// readClaims reads claims strictly: names as they are written, each once, in valid UTF-8,
// and dates that are numbers. encoding/json would take the last of sub and SUB, and one
// customer for another where their ids are not UTF-8. Its errors are refusals.
func readClaims(text []byte) (*tokenClaims, error) {
	in, err := httpapi.Unmarshal[struct {
		Issuer        string           `json:"iss"`
		Subject       string           `json:"sub"`
		Audience      texts            `json:"aud"`
		Expires       *float64         `json:"exp"`
		NotBefore     *float64         `json:"nbf"`
		Issued        *float64         `json:"iat"`
		ID            jsontext.Value   `json:"jti"`
		Account       string           `json:"accountId"`
		IntegrationID string           `json:"integrationId"`
		CustomerName  string           `json:"customerName"`
		Verified      bool             `json:"verifiedCustomer"`
		Identifiers   map[string]texts `json:"customerIdentifiers"`
	}](text)
	if err != nil {
		var wrong *wire.TypeError
		if !errors.As(err, &wrong) || wrong.Field == "" {
			return nil, &refusal{kind: errUnauthorized, Violation: wire.Violation{Message: "the claims are not one JSON object in UTF-8 that has each name once"}}
		}
		return nil, refuseClaim(errUnauthorized, wrong.Field, httpapi.MustBe(wrong.Want), wire.ViolationPattern)
	}
	if v := checkIdentifiers(in.Identifiers); v != nil {
		return nil, refuse(errUnauthorized, *v)
	}
	claims := &tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: in.Issuer, Subject: in.Subject, Audience: in.Audience.list, ID: textOf(in.ID)},
		Account:          in.Account,
		IntegrationID:    in.IntegrationID,
		CustomerName:     in.CustomerName,
		Verified:         in.Verified,
		Identifiers:      lists(in.Identifiers),
	}
	for _, d := range []struct {
		name    string
		seconds *float64
		to      **jwt.NumericDate
	}{
		{"exp", in.Expires, &claims.ExpiresAt}, {"nbf", in.NotBefore, &claims.NotBefore}, {"iat", in.Issued, &claims.IssuedAt},
	} {
		if d.seconds == nil {
			continue
		}
		if *d.seconds < 0 || *d.seconds >= minMilliseconds {
			return nil, refuseClaim(errUnauthorized, d.name, "must be in seconds since 1970, not in milliseconds", wire.ViolationPattern)
		}
		*d.to = jwt.NewNumericDate(time.Unix(int64(*d.seconds), 0))
	}
	return claims, nil
}

// minMilliseconds is where a date of a token can only be in milliseconds: as such it is in
// March 1973, in seconds in the year 5138.
const minMilliseconds = 1e11

// Bounds of customerIdentifiers, which are the platform's; lengths are in UTF-16 code units.
const (
	maxIdentifiers      = 10
	maxIdentifierKey    = 50
	maxIdentifierValues = 5
	maxIdentifierValue  = 256
)

// texts is a list of strings, or one string in its place.
type texts struct {
	list  []string
	alone bool // it was no list
}

func (t *texts) UnmarshalJSON(text []byte) error {
	*t = texts{}
	var elements []jsontext.Value
	switch value := jsontext.Value(text); value.Kind() {
	case 'n':
		return nil
	case '"':
		t.alone, elements = true, []jsontext.Value{value}
	case '[':
		if err := json.Unmarshal(text, &elements); err != nil {
			return err
		}
	default:
		return &wire.TypeError{Want: "string or list of strings"}
	}
	t.list = make([]string, len(elements))
	for i, e := range elements {
		if e.Kind() != '"' {
			return &wire.TypeError{Field: "[" + strconv.Itoa(i) + "]", Want: "string"}
		}
		if err := json.Unmarshal(e, &t.list[i]); err != nil {
			return err
		}
	}
	return nil
}

// textOf returns a string's text, and "" for a value of another type, which counts for nothing.
func textOf(value jsontext.Value) (text string) {
	if value.Kind() == '"' {
		_ = json.Unmarshal(value, &text) // it has been parsed
	}
	return text
}

// lists is m without a memory of what was no list.
func lists(m map[string]texts) map[string][]string {
	var all map[string][]string
	for key, values := range m {
		if all == nil {
			all = make(map[string][]string, len(m))
		}
		all[key] = append([]string{}, values.list...)
	}
	return all
}

// checkIdentifiers returns what is out of bounds, the first by name; nil for nothing. A
// nil map, unlike one without keys, is of a customer who is not known.
func checkIdentifiers(m map[string]texts) *wire.Violation {
	const field = "customerIdentifiers"
	if m != nil && (len(m) < 1 || len(m) > maxIdentifiers) {
		return &wire.Violation{Field: field, Message: "must have " + httpapi.Between(1, maxIdentifiers) + " keys, or be left out", Code: wire.ViolationLength}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if n := wire.UTF16Len(key); n < 1 || n > maxIdentifierKey {
			return &wire.Violation{Field: field, Message: "must have keys of " + httpapi.Between(1, maxIdentifierKey) + " characters", Code: wire.ViolationLength}
		}
		values := m[key]
		if len(values.list) > maxIdentifierValues {
			return &wire.Violation{Field: field + "." + key, Message: "must have at most " + strconv.Itoa(maxIdentifierValues) + " values", Code: wire.ViolationLength}
		}
		for i, value := range values.list {
			if n := wire.UTF16Len(value); n < 1 || n > maxIdentifierValue {
				at := field + "." + key
				if !values.alone {
					at += "[" + strconv.Itoa(i) + "]"
				}
				return &wire.Violation{Field: at, Message: "must have " + httpapi.Between(1, maxIdentifierValue) + " characters", Code: wire.ViolationLength}
			}
		}
	}
	return nil
}
