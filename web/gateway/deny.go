package gateway

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"openchat/web/httpapi"
	"openchat/web/store"
)

// DenyList names tokens and customers that are refused whoever has signed for them. Nil, as
// the zero value, refuses nobody. ReadDenyList makes one.
type DenyList struct {
	entries map[denied]struct{}
}

// denied is an entry, by the SHA-256 of its claim: what is looked for may be long.
type denied struct {
	account string // "": of every account
	claim   string // jti or sub
	value   [sha256.Size]byte
}

// Bounds of a deny-list.
const (
	MaxDenyListBytes   = 16 << 20
	MaxDenyListEntries = 100_000
	maxDeniedJTI       = 1024 // bytes; a longer jti cannot be denied, but its customer can
)

// The claims by which is denied.
const (
	claimToken    = "jti"
	claimCustomer = "sub"
)

// ReadDenyList reads a deny-list: a line for each entry, of a claim and its value, as
//
//	sub ann
//	sub@ABCDEF ann of that account only
//	jti 9f3c1d
//	sub " a value with blanks around it, as JSON"
//
// A value goes to the end of its line, without the blanks around it. Empty lines, and those
// that begin with #, count for nothing. The errors name the line and quote nothing of it.
func ReadDenyList(text []byte) (*DenyList, error) {
	if len(text) > MaxDenyListBytes {
		return nil, fmt.Errorf("the deny-list has more than %d bytes", MaxDenyListBytes)
	}
	d := &DenyList{entries: map[denied]struct{}{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		entry := strings.TrimSpace(string(line))
		if entry == "" || entry[0] == '#' {
			continue
		}
		key, err := readDenied(entry)
		if err != nil {
			return nil, fmt.Errorf("line %d of the deny-list %w", n, err)
		}
		if d.entries[key] = struct{}{}; len(d.entries) > MaxDenyListEntries {
			return nil, fmt.Errorf("the deny-list has more than %d entries", MaxDenyListEntries)
		}
	}
	return d, nil
}

func readDenied(entry string) (key denied, err error) {
	at := strings.IndexAny(entry, " \t")
	if at < 0 || !utf8.ValidString(entry) {
		return key, errors.New("is not a claim, a blank and its value in UTF-8")
	}
	claim, account, limited := strings.Cut(entry[:at], "@")
	if claim != claimToken && claim != claimCustomer {
		return key, errors.New("does not begin with jti or sub, or with one of these, @ and an account")
	}
	if limited && httpapi.CheckAccount(account) != nil {
		return key, errors.New("names an account that is not six letters")
	}
	value := strings.TrimSpace(entry[at:])
	if value[0] == '"' {
		if err := json.Unmarshal([]byte(value), &value); err != nil {
			return key, errors.New("has a value that begins with a quotation mark and is not a JSON string")
		}
	}
	if claim == claimCustomer && store.CheckCustomerID(value) != nil || claim == claimToken && (value == "" || len(value) > maxDeniedJTI) {
		return key, errors.New("has a value that no token has: it is empty or too long")
	}
	return denied{account, claim, sha256.Sum256([]byte(value))}, nil
}

// Len returns the number of entries.
func (d *DenyList) Len() int {
	if d == nil {
		return 0
	}
	return len(d.entries)
}

// has reports whether the claim's value, by its SHA-256, is denied in the account.
func (d *DenyList) has(account, claim string, value [sha256.Size]byte) bool {
	if d.Len() == 0 {
		return false
	}
	_, everywhere := d.entries[denied{"", claim, value}]
	_, here := d.entries[denied{account, claim, value}]
	return everywhere || here
}

// hasCustomer reports whether a customer is denied.
func (d *DenyList) hasCustomer(c store.Customer) bool {
	return d.Len() > 0 && d.has(c.Account, claimCustomer, sha256.Sum256([]byte(c.ID)))
}
