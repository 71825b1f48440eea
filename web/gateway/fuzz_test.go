package gateway

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// How FuzzVerify signs a header and claims.
const (
	signedRight    = iota // by the gateway's key
	signedStrange         // by another
	signedOther           // by the gateway's key, but for other claims
	signedPublic          // HS256 with the public key's PEM as the secret
	signedNot             // with an empty signature
	signedVerbatim        // the claims are the whole token
	signings
)

// FuzzVerify tries to get in. A token is taken only if the gateway's key has signed
// exactly it, for here and now; encoding/json and the clock say so once more.
func FuzzVerify(f *testing.F) {
	seed := sha256.Sum256([]byte("the key of the fuzzing"))
	key := ed25519.NewKeyFromSeed(seed[:])
	_, strange, err := ed25519.GenerateKey(nil)
	if err != nil {
		f.Fatal(err)
	}
	public := publicPEM(f, key.Public())
	v, err := newVerifier(&Config{
		Tenants: []Tenant{{account, integration, appkey}, {otherAccount, otherInt, otherKey}},
		Keys:    []Key{{ID: "k1", PEM: public}}, Issuer: issuer, Audience: audience,
	})
	if err != nil {
		f.Fatal(err)
	}
	const header = `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`
	const claims = `{"iss":"` + issuer + `","aud":["` + audience + `"],"sub":"ann","accountId":"` + account + `","integrationId":"` + integration + `","iat":1,"exp":4102444800,"customerName":"Ann"}`
	for how := range byte(signings) {
		f.Add(header, claims, appkey, how)
	}
	for _, h := range []string{
		`{"alg":"none"}`, `{"alg":"None","kid":"k1"}`, `{"alg":"HS256","kid":"k1"}`, `{"alg":"RS256","kid":"k1"}`, `{"alg":"eddsa","kid":"k1"}`,
		`{"alg":"EdDSA"}`, `{"alg":"EdDSA","kid":["k1"]}`, `{"alg":"EdDSA","kid":"../../k1"}`, `{"alg":"none","alg":"EdDSA","kid":"k1"}`,
		`{"alg":"EdDSA","kid":"k1","crit":[]}`, `{"alg":"EdDSA","kid":"k1","jku":"https://evil.example/keys"}`, `{"alg":"EdDSA","kid":"k1","jwk":{"kty":"OKP"}}`,
		`null`, `[]`, `{"alg":null}`, ``,
	} {
		f.Add(h, claims, appkey, byte(signedRight))
		f.Add(h, claims, appkey, byte(signedPublic))
	}
	for _, change := range [][2]string{
		{`"sub":"ann"`, `"sub":"ann","sub":"bob"`}, {`"sub":"ann"`, `"sub":"ann","SUB":"bob"`}, {`"sub":"ann"`, "\"sub\":\"\xff\""}, {`"sub":"ann"`, `"sub":""`},
		{`4102444800`, `1`}, {`4102444800`, `"4102444800"`}, {`4102444800`, `4.1e9`}, {`4102444800`, `1e300`}, {`4102444800`, `null`},
		{`"iat":1`, `"iat":4102444800`}, {`"iat":1`, `"nbf":4102444800`}, {`"iat":1`, `"nbf":1e300`}, {`"iat":1`, `"nbf":-1`},
		{`["` + audience + `"]`, `"` + audience + `"`}, {`["` + audience + `"]`, `[]`}, {`["` + audience + `"]`, `[["` + audience + `"]]`},
		{`"` + account + `"`, `"` + otherAccount + `"`}, {integration, otherInt}, {integration, strings.ToUpper(integration)}, {issuer, issuer + "/"},
	} {
		f.Add(header, strings.Replace(claims, change[0], change[1], 1), appkey, byte(signedRight))
	}
	f.Add(header, claims, otherKey, byte(signedRight))
	f.Add(header, claims, "", byte(signedRight))

	encode := base64.RawURLEncoding.EncodeToString
	f.Fuzz(func(t *testing.T, header, claims, appkey string, how byte) {
		signed := encode([]byte(header)) + "." + encode([]byte(claims))
		var token string
		switch how {
		case signedRight:
			token = signed + "." + encode(ed25519.Sign(key, []byte(signed)))
		case signedStrange:
			token = signed + "." + encode(ed25519.Sign(strange, []byte(signed)))
		case signedOther:
			token = signed + "." + encode(ed25519.Sign(key, []byte(signed+"x")))
		case signedPublic:
			mac := hmac.New(sha256.New, public)
			mac.Write([]byte(signed))
			token = signed + "." + encode(mac.Sum(nil))
		case signedVerbatim:
			token = claims
		default:
			token = signed + "."
		}
		c, err := v.verify(t.Context(), token, appkey)
		if err != nil {
			if !errors.Is(err, errUnauthorized) && !errors.Is(err, errExpired) && !errors.Is(err, errForbidden) || len(err.Error()) > 100 || c != nil {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if how != signedRight {
			t.Fatalf("taken, signed in way %d: %q", how, token)
		}
		var h struct{ Alg, Kid string }
		if err := json.Unmarshal([]byte(header), &h); err != nil || h.Alg != "EdDSA" || h.Kid != "k1" {
			t.Fatalf("taken with the header %q: %v", header, err)
		}
		var p map[string]any
		if err := json.Unmarshal([]byte(claims), &p); err != nil || !utf8.ValidString(claims) {
			t.Fatalf("taken with the claims %q: %v", claims, err)
		}
		text := func(name string) string { s, _ := p[name].(string); return s }
		now := float64(time.Now().Unix())
		exp, _ := p["exp"].(float64)
		iat, _ := p["iat"].(float64)
		nbf, _ := p["nbf"].(float64)
		forUs := text("aud") == audience
		if list, ok := p["aud"].([]any); ok {
			for _, a := range list {
				forUs = forUs || a == audience
			}
		}
		tenant := text("accountId") == account && strings.EqualFold(text("integrationId"), integration) && appkey == "the-app-key" ||
			text("accountId") == otherAccount && strings.EqualFold(text("integrationId"), otherInt) && appkey == otherKey
		n := utf8.RuneCountInString(text("sub"))
		if exp < now-1 || iat > now+31 || nbf > now+31 || text("iss") != issuer || !forUs || !tenant || n < 1 || n > 256 {
			t.Fatalf("taken with the claims %q and the appkey %q", claims, appkey)
		}
		if c.ID != text("sub") || c.Account != text("accountId") || !strings.EqualFold(c.IntegrationID, text("integrationId")) || c.Name != text("customerName") || c.Expiry.Unix() != int64(exp) {
			t.Fatalf("%+v out of %q", c, claims)
		}
		// The client has to see the same in it.
		if read, err := wire.ReadToken(token); err != nil || read.Subject != c.ID || read.CustomerName != c.Name || !read.Expiry.Truncate(time.Second).Equal(c.Expiry.Truncate(time.Second)) {
			t.Fatalf("the client reads %+v, %v; the gateway %+v", read, err, c)
		}
	})
}

// FuzzRequest gives every text to every call that has a body, as far as the store:
// what comes through holds the limits, and what is refused is not quoted.
func FuzzRequest(f *testing.F) {
	for _, text := range []string{
		`{"integrationId":"` + integration + `","displayName":"Ann","sessionParameters":{"a":"b"},"correlationId":"k"}`,
		`{"sessionId":"` + unknownID + `","engagementParameters":{"topic":"tea"},"correlationId":"k"}`,
		`{"sessionId":"` + unknownID + `","dialogId":"` + unknownID + `","reason":"USER_CLOSED","correlationId":"k"}`,
		`{"sessionId":"` + unknownID + `","dialogId":"` + unknownID + `","body":{"elementType":"text","elementText":{"text":"x","textFormat":"PLAINTEXT"}},"parentMessageId":"` + unknownID + `","correlationId":"k"}`,
		`{"customerId":"ann","integrationId":"` + integration + `","customerName":"Ann","customerIdentifiers":{"emailAddresses":["a"],"userId":"4711"},"verifiedCustomer":true,"ttl":15.5}`,
		`{"customerIdentifiers":{"a":[1]}}`, `{"customerIdentifiers":{"a":[["b"]]}}`, `{"sessionParameters":{"` + strings.Repeat("k", 500) + `":1}}`,
		`{"customerId":"ann","customerId":"bob"}`, `{"customerid":"ann"}`, "{\"customerId\":\"\xff\"}", `{"ttl":1e400}`, `{"ttl":null}`,
		`{"sessionParameters":{"` + strings.Repeat("k", 65) + `":""}}`, `{"sessionParameters":{"":""}}`, `{"body":{"elementText":{"text":"` + strings.Repeat("😀", 2049) + `"}}}`,
		strings.Repeat(`{"x":`, 16) + `1` + strings.Repeat(`}`, 16), strings.Repeat(`{"x":`, 17) + `1` + strings.Repeat(`}`, 17), strings.Repeat(`[`, 10000),
		`{"x":"` + strings.Repeat(`[\"`, 30) + `"}`, `{"correlationId":"` + strings.Repeat("c", 257) + `"}`, `null`, ``, `{}x`, "\ufeff{}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		refused := func(err error) {
			t.Helper()
			var p *httpapi.Problem
			if !errors.As(err, &p) || p.Status != 400 && p.Status != 413 || (p.Status == 413) != (len(text) > wire.MaxBody) || len(p.Detail) > 300 {
				t.Fatalf("refused with %v", err)
			}
		}
		read := func(decodeAndCheck func() error) {
			t.Helper()
			err := decodeAndCheck()
			if err != nil {
				refused(err)
				return
			}
			if !json.Valid(text) || !utf8.Valid(text) || len(text) > wire.MaxBody || depth(text) > httpapi.MaxDepth {
				t.Fatalf("taken: %.200q", text)
			}
		}
		limited := func(m map[string]string) {
			for k, v := range m {
				if k == "" || wire.UTF16Len(k) > wire.MaxParameterKey || wire.UTF16Len(v) > wire.MaxParameterValue || len(m) > wire.MaxParameters {
					t.Fatalf("taken: %q", m)
				}
			}
		}
		request := httptest.NewRequest("POST", "/", bytes.NewReader(text))
		again := func() { request.Body = httptest.NewRequest("POST", "/", bytes.NewReader(text)).Body }
		read(func() error {
			in, err := httpapi.Decode(request, wire.DecodeCreateSession)
			if err == nil {
				err = checkSession(&in)
			}
			if err == nil {
				limited(in.SessionParameters)
				if wire.UTF16Len(in.DisplayName) > wire.MaxDisplayName || len(in.CorrelationID) > wire.MaxCorrelationID {
					t.Fatalf("taken: %+v", in)
				}
			}
			return err
		})
		again()
		read(func() error {
			in, err := httpapi.Decode(request, wire.DecodeCreateEngagement)
			if err == nil {
				err = httpapi.Parameters("engagementParameters", in.EngagementParameters)
			}
			if err == nil {
				limited(in.EngagementParameters)
			}
			return err
		})
		again()
		read(func() error {
			in, err := httpapi.Decode(request, wire.DecodeEngagementCall)
			if err == nil {
				err = checkReason(&in.Reason)
			}
			if err == nil && !in.Reason.Valid() {
				t.Fatalf("taken: %+v", in)
			}
			return err
		})
		again()
		read(func() error {
			in, err := httpapi.Decode(request, wire.DecodeSendMessage)
			if err == nil {
				err = checkMessage(&in)
			}
			if err == nil {
				if n := wire.UTF16Len(in.Body.Text); n < 1 || n > wire.MaxText || in.Body.ElementType != wire.ElementText || !in.Body.TextFormat.Valid() || !utf8.ValidString(in.Body.Text) {
					t.Fatalf("taken: %+v", in)
				}
			}
			return err
		})
		again()
		read(func() error {
			in, err := httpapi.Decode(request, httpapi.Unmarshal[tokenRequest])
			if err == nil {
				err = in.check()
			}
			if err == nil && (!utf8.ValidString(in.CustomerID) || len(in.Identifiers) > maxIdentifiers) {
				t.Fatalf("taken: %+v", in)
			}
			for _, values := range in.Identifiers {
				if err == nil && len(values.list) > maxIdentifierValues {
					t.Fatalf("taken: %+v", in)
				}
			}
			return err
		})
	})
}

// depth is how deep JSON is nested.
func depth(text []byte) int {
	d := json.NewDecoder(bytes.NewReader(text))
	deepest, now := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			now++
			deepest = max(deepest, now)
		case json.Delim('}'), json.Delim(']'):
			now--
		}
	}
}
