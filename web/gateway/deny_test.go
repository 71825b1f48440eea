package gateway

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/store"
)

func denyList(t testing.TB, lines ...string) *DenyList {
	t.Helper()
	d, err := ReadDenyList([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDenyListIsReadLineByLine(t *testing.T) {
	d := denyList(t, "# withdrawn", "", "sub ann b. ", "\tsub@"+account+"\tbob\r", `sub " with blanks "`, "jti 9f3c", "jti@"+otherAccount+" 9f3d", "jti 9f3c")
	if d.Len() != 5 {
		t.Errorf("%d entries", d.Len())
	}
	for id, in := range map[string][2]bool{
		"ann b.": {true, true}, "bob": {true, false}, " with blanks ": {true, true}, "with blanks": {false, false}, "9f3c": {false, false}, "ann": {false, false},
	} {
		for i, of := range []string{account, otherAccount} {
			if got := d.hasCustomer(store.Customer{Account: of, ID: id}); got != in[i] {
				t.Errorf("customer %q of %s: %v", id, of, got)
			}
		}
	}
	for id, in := range map[string][2]bool{"9f3c": {true, true}, "9f3d": {false, true}, "bob": {false, false}} {
		for i, of := range []string{account, otherAccount} {
			if got := d.has(of, "jti", sha256.Sum256([]byte(id))); got != in[i] {
				t.Errorf("token %q of %s: %v", id, of, got)
			}
		}
	}
	var none *DenyList
	if none.Len() != 0 || none.hasCustomer(store.Customer{Account: account, ID: "ann"}) {
		t.Error("no list denies")
	}
}

func TestDenyListRefusesLinesThatSayNothing(t *testing.T) {
	for _, line := range []string{
		"secret", "sub", "sub ", "sub@ ann", "sub@abc ann", "iss x", "SUB ann", "sub:ann", `sub "`, `sub ""`, `sub "secret" x`,
		"sub " + strings.Repeat("x", store.MaxCustomerID+1), "jti " + strings.Repeat("x", maxDeniedJTI+1), "sub \xff",
	} {
		d, err := ReadDenyList([]byte("\n# all is well\n" + line))
		if err == nil || d != nil || !strings.HasPrefix(err.Error(), "line 3 of the deny-list ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := ReadDenyList(make([]byte, MaxDenyListBytes+1)); err == nil {
		t.Error("any size is taken")
	}
	many := &bytes.Buffer{}
	for i := range MaxDenyListEntries + 1 {
		fmt.Fprintf(many, "sub %d\n", i)
	}
	if _, err := ReadDenyList(many.Bytes()); err == nil {
		t.Error("any number of entries is taken")
	}
}

func TestDenyListRefusesTokensAndCustomers(t *testing.T) {
	w := newEnvironment(t, func(c *Config) {
		c.DenyList = denyList(t, "sub bob", "sub@"+otherAccount+" ann", "jti 1")
	})
	w.taken("another customer's", w.token("ann"), appkey)
	if status, p, reason := w.attempt(w.token("bob"), appkey); status != 403 || !p.Has("sub") || reason != "sub is on the deny-list" {
		t.Errorf("a customer: %d %+v, %q", status, p, reason)
	}
	withID := func(id string) string {
		return signedBy(t, w.key, "k1", func(c jwt.MapClaims) { c["jti"] = id })
	}
	w.taken("another token", withID("2"), appkey)
	if status, _, reason := w.attempt(withID("1"), appkey); status != 401 || reason != "jti is on the deny-list" {
		t.Errorf("a token: %d, %q", status, reason)
	}
	r := w.request("POST", wire.BasePath+"/accounts/"+account+"/tokens", "", `{"customerId":"bob","integrationId":"`+integration+`"}`,
		"Authorization", "Bearer "+serverSecret, "appkey", appkey)
	if r.status != 403 || !strings.Contains(string(r.body), `"customerId"`) {
		t.Errorf("a token for a customer: %d %s", r.status, r.body)
	}
}

func FuzzDenyList(f *testing.F) {
	for _, text := range []string{"sub ann\njti 1\n# x\n\nsub@ABCDEF bob", "sub \"a\\u0000\"", "sub@\x00 x", "jti\t\u2028x", "sub a\rb"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ReadDenyList(text)
		if (err == nil) != (d != nil) || d.Len() > bytes.Count(text, []byte("\n"))+1 {
			t.Fatalf("%d entries, %v", d.Len(), err)
		}
		if err != nil {
			if len(err.Error()) > 120 {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		// What is read once more is the same.
		again, err := ReadDenyList(append(text, '\n'))
		if err != nil || again.Len() != d.Len() {
			t.Fatalf("with a line break at the end: %v", err)
		}
		for key := range d.entries {
			if !again.has(key.account, key.claim, key.value) {
				t.Fatalf("an entry is lost of %q", text)
			}
		}
	})
}
