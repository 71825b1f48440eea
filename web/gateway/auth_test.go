package gateway

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
)

func publicPEM(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, strange, _ := ed25519.GenerateKey(rand.Reader)
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	rsaPEM := publicPEM(t, rsaKey.Public())
	secret := []byte("0123456789abcdef0123456789abcdef")
	w := newEnvironment(t, func(c *Config) {
		c.Keys = []Key{{PEM: rsaPEM}}
	})
	demo := newEnvironment(t, func(c *Config) {
		c.Keys = []Key{{Secret: secret}}
	})

	now := time.Now()
	sound := jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": "ann", "accountId": account, "integrationId": integration,
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "1",
	}
	with := func(changes jwt.MapClaims) jwt.MapClaims {
		c := maps.Clone(sound)
		for k, v := range changes {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
		return c
	}
	sign := func(method jwt.SigningMethod, key any, claims jwt.Claims, header ...string) string {
		t.Helper()
		token := jwt.NewWithClaims(method, claims)
		for i := 0; i < len(header); i += 2 {
			token.Header[header[i]] = header[i+1]
		}
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ed := func(claims jwt.Claims, header ...string) string {
		return sign(jwt.SigningMethodEdDSA, w.key, claims, append([]string{"kid", "k1"}, header...)...)
	}
	encode := base64.RawURLEncoding.EncodeToString
	claimsOf := func(claims jwt.MapClaims) string {
		text, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// raw signs any text as header and claims; without a key, not at all.
	raw := func(header, claims string, key ed25519.PrivateKey) string {
		signed := encode([]byte(header)) + "." + encode([]byte(claims))
		if key == nil {
			return signed + "."
		}
		return signed + "." + encode(ed25519.Sign(key, []byte(signed)))
	}
	// header puts another header before a token's claims and signature.
	header := func(text, token string) string {
		return encode([]byte(text)) + token[strings.IndexByte(token, '.'):]
	}
	// other is a letter that differs from c in the bits that an Ed25519 signature's last
	// letter has to spare.
	other := func(c byte) string {
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return letters[strings.IndexByte(letters, c)^1:][:1]
	}
	good := ed(sound)
	parts := strings.Split(good, ".")
	ann := w.session("ann")

	const ok, unauthorized, forbidden = 404, 401, 403 // the session asked for does not exist
	for _, c := range []struct {
		name  string
		token string
		want  int
		close int
	}{
		{"EdDSA", good, ok, wire.CloseSessionGone},
		{"with the prefix", "jwt." + good, ok, wire.CloseSessionGone},
		{"RS256", sign(jwt.SigningMethodRS256, rsaKey, sound), ok, wire.CloseSessionGone},
		{"RS256 with a kid that its key does not need", sign(jwt.SigningMethodRS256, rsaKey, sound, "kid", "x"), ok, wire.CloseSessionGone},
		{"several audiences", ed(with(jwt.MapClaims{"aud": []string{"x", audience}})), ok, wire.CloseSessionGone},
		{"integrationId in capitals", ed(with(jwt.MapClaims{"integrationId": strings.ToUpper(integration)})), ok, wire.CloseSessionGone},
		{"from a clock a little ahead", ed(with(jwt.MapClaims{"iat": now.Add(10 * time.Second).Unix(), "nbf": now.Add(10 * time.Second).Unix()})), ok, wire.CloseSessionGone},

		{"none", "", unauthorized, wire.CloseTokenRefused},
		{"not a JWT", "x.y.z", unauthorized, wire.CloseTokenRefused},
		{"alg none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, sound), unauthorized, wire.CloseTokenRefused},
		{"alg none, signature left", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "." + parts[2], unauthorized, wire.CloseTokenRefused},
		{"HS256 with the RSA public key as secret", sign(jwt.SigningMethodHS256, rsaPEM, sound), unauthorized, wire.CloseTokenRefused},
		{"HS256 where none is configured", sign(jwt.SigningMethodHS256, secret, sound), unauthorized, wire.CloseTokenRefused},
		{"RS512 by the right key", sign(jwt.SigningMethodRS512, rsaKey, sound), unauthorized, wire.CloseTokenRefused},
		{"PS256 by the right key", sign(jwt.SigningMethodPS256, rsaKey, sound), unauthorized, wire.CloseTokenRefused},
		{"ES256", sign(jwt.SigningMethodES256, ecKey, sound), unauthorized, wire.CloseTokenRefused},
		{"another key", sign(jwt.SigningMethodEdDSA, strange, sound, "kid", "k1"), unauthorized, wire.CloseTokenRefused},
		{"unknown kid", sign(jwt.SigningMethodEdDSA, w.key, sound, "kid", "k2"), unauthorized, wire.CloseTokenRefused},
		{"no kid where the key has one", sign(jwt.SigningMethodEdDSA, w.key, sound), unauthorized, wire.CloseTokenRefused},
		{"kid with a path", sign(jwt.SigningMethodEdDSA, strange, sound, "kid", "../../dev/null"), unauthorized, wire.CloseTokenRefused},
		{"kid with an injection", sign(jwt.SigningMethodEdDSA, strange, sound, "kid", "k1' OR '1'='1"), unauthorized, wire.CloseTokenRefused},
		{"kid cut by NUL", sign(jwt.SigningMethodEdDSA, w.key, sound, "kid", "k1\x00.pem"), unauthorized, wire.CloseTokenRefused},
		{"kid as a list", raw(`{"alg":"EdDSA","kid":["k1"]}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"jku to a key that fits", sign(jwt.SigningMethodEdDSA, strange, sound, "kid", "k1", "jku", "https://evil.example/keys.json"), unauthorized, wire.CloseTokenRefused},
		{"jwk that fits", raw(`{"alg":"EdDSA","kid":"k1","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+encode(strange.Public().(ed25519.PublicKey))+`"}}`, claimsOf(sound), strange), unauthorized, wire.CloseTokenRefused},
		{"x5c and x5u that fit", raw(`{"alg":"EdDSA","kid":"k1","x5u":"https://evil.example/c.pem","x5c":["AAAA"]}`, claimsOf(sound), strange), unauthorized, wire.CloseTokenRefused},
		{"jku is not followed", ed(sound, "jku", "http://127.0.0.1:1/keys"), ok, wire.CloseSessionGone},
		{"alg None", raw(`{"alg":"None","kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"alg nOnE without a signature", raw(`{"alg":"nOnE"}`, claimsOf(sound), nil), unauthorized, wire.CloseTokenRefused},
		{"alg in small letters", raw(`{"alg":"eddsa","kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"alg null", raw(`{"alg":null,"kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"no alg", raw(`{"kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"alg twice", raw(`{"alg":"none","alg":"EdDSA","kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"EdDSA in the header, signed with RSA", header(`{"alg":"EdDSA","kid":"k1"}`, sign(jwt.SigningMethodRS256, rsaKey, sound)), unauthorized, wire.CloseTokenRefused},
		{"RS256 in the header, signed with Ed25519", raw(`{"alg":"RS256","kid":"k1"}`, claimsOf(sound), w.key), unauthorized, wire.CloseTokenRefused},
		{"HS256 with the Ed25519 public key as secret", sign(jwt.SigningMethodHS256, []byte(w.key.Public().(ed25519.PublicKey)), sound, "kid", "k1"), unauthorized, wire.CloseTokenRefused},
		{"HS256 with its PEM as secret", sign(jwt.SigningMethodHS256, publicPEM(t, w.key.Public()), sound, "kid", "k1"), unauthorized, wire.CloseTokenRefused},
		{"HS256 with an empty secret", sign(jwt.SigningMethodHS256, []byte{}, sound, "kid", "k1"), unauthorized, wire.CloseTokenRefused},
		{"sub twice", raw(`{"alg":"EdDSA","kid":"k1"}`, strings.Replace(claimsOf(sound), `"sub":"ann"`, `"sub":"ann","sub":"bob"`, 1), w.key), unauthorized, wire.CloseTokenRefused},
		{"sub and SUB", raw(`{"alg":"EdDSA","kid":"k1"}`, strings.Replace(claimsOf(sound), `"sub":"ann"`, `"sub":"ann","SUB":"bob"`, 1), w.key), ok, wire.CloseSessionGone},
		{"only SUB", raw(`{"alg":"EdDSA","kid":"k1"}`, strings.Replace(claimsOf(sound), `"sub"`, `"SUB"`, 1), w.key), forbidden, wire.CloseTokenRefused},
		{"sub not UTF-8", raw(`{"alg":"EdDSA","kid":"k1"}`, strings.Replace(claimsOf(sound), `"ann"`, "\"ann\xff\"", 1), w.key), unauthorized, wire.CloseTokenRefused},
		{"exp in quotes", ed(with(jwt.MapClaims{"exp": strconv.FormatInt(now.Add(time.Hour).Unix(), 10)})), unauthorized, wire.CloseTokenRefused},
		{"exp beyond all time", ed(with(jwt.MapClaims{"exp": 1e300})), unauthorized, wire.CloseTokenRefused},
		{"nbf beyond all time", ed(with(jwt.MapClaims{"nbf": 1e300})), unauthorized, wire.CloseTokenRefused},
		{"claims nested 10,000 deep", raw(`{"alg":"EdDSA","kid":"k1"}`, `{"x":`+strings.Repeat("[", 2500)+strings.Repeat("]", 2500)+`,`+claimsOf(sound)[1:], w.key), ok, wire.CloseSessionGone},
		{"claims that are a list", raw(`{"alg":"EdDSA","kid":"k1"}`, `[]`, w.key), unauthorized, wire.CloseTokenRefused},
		{"two parts", parts[0] + "." + parts[1], unauthorized, wire.CloseTokenRefused},
		{"five parts", good + "." + parts[0] + "." + parts[1], unauthorized, wire.CloseTokenRefused},
		{"padded", parts[0] + "=." + parts[1] + "." + parts[2], unauthorized, wire.CloseTokenRefused},
		{"a signature with another last letter, which means the same", good[:len(good)-1] + other(good[len(good)-1]), unauthorized, wire.CloseTokenRefused},
		{"crit", ed(sound, "crit", "exp"), unauthorized, wire.CloseTokenRefused},
		{"changed claims", parts[0] + "." + strings.Split(ed(with(jwt.MapClaims{"sub": "bob"})), ".")[1] + "." + parts[2], unauthorized, wire.CloseTokenRefused},
		{"no signature", parts[0] + "." + parts[1] + ".", unauthorized, wire.CloseTokenRefused},
		{"expired", ed(with(jwt.MapClaims{"exp": now.Add(-time.Second).Unix()})), unauthorized, wire.CloseTokenExpired},
		{"expired long ago", ed(with(jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()})), unauthorized, wire.CloseTokenExpired},
		{"expired, for another audience", ed(with(jwt.MapClaims{"exp": 1, "aud": "x"})), unauthorized, wire.CloseTokenExpired},
		{"no exp", ed(with(jwt.MapClaims{"exp": nil})), unauthorized, wire.CloseTokenRefused},
		{"exp as text", ed(with(jwt.MapClaims{"exp": "tomorrow"})), unauthorized, wire.CloseTokenRefused},
		{"not yet valid", ed(with(jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()})), unauthorized, wire.CloseTokenRefused},
		{"issued in the future", ed(with(jwt.MapClaims{"iat": now.Add(time.Hour).Unix()})), unauthorized, wire.CloseTokenRefused},
		{"too long", ed(with(jwt.MapClaims{"x": strings.Repeat("x", 8<<10)})), unauthorized, wire.CloseTokenRefused},

		{"wrong issuer", ed(with(jwt.MapClaims{"iss": "x"})), forbidden, wire.CloseTokenRefused},
		{"no issuer", ed(with(jwt.MapClaims{"iss": nil})), forbidden, wire.CloseTokenRefused},
		{"wrong audience", ed(with(jwt.MapClaims{"aud": "x"})), forbidden, wire.CloseTokenRefused},
		{"no audience", ed(with(jwt.MapClaims{"aud": nil})), forbidden, wire.CloseTokenRefused},
		{"unknown account", ed(with(jwt.MapClaims{"accountId": "QQQQQQ"})), forbidden, wire.CloseTokenRefused},
		{"another account's integration", ed(with(jwt.MapClaims{"integrationId": otherInt})), forbidden, wire.CloseTokenRefused},
		{"another account", ed(with(jwt.MapClaims{"accountId": otherAccount, "integrationId": otherInt})), forbidden, wire.CloseTokenRefused},
		{"no integration", ed(with(jwt.MapClaims{"integrationId": nil})), forbidden, wire.CloseTokenRefused},
		{"no sub", ed(with(jwt.MapClaims{"sub": nil})), forbidden, wire.CloseTokenRefused},
		{"sub too long", ed(with(jwt.MapClaims{"sub": strings.Repeat("é", 257)})), forbidden, wire.CloseTokenRefused},
	} {
		t.Run("INIT-3 "+c.name, func(t *testing.T) {
			r := w.call("GET", "/sessions/"+unknownID, c.token, "", "appkey", appkey)
			if r.status != c.want {
				t.Errorf("REST answers %d, not %d: %s", r.status, c.want, r.body)
			}
			p := r.problem()
			if kind := map[int]string{401: "#unauthorized", 403: "#forbidden", 404: "#not-found"}[c.want]; !strings.HasSuffix(p.Type, kind) || p.Status != c.want || r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("problem %s", r.body)
			}
			authenticate := wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: appkey, ClientID: clientOne}
			s := w.dial(unknownID)
			s.send(authenticate)
			s.closed(c.close)
			// In place, while the stream is open: what is good there is good here.
			open, _ := ann.open(clientOne, 0)
			open.send(authenticate)
			if c.want == ok {
				open.expect("authenticated")
				open.conn.CloseNow()
			} else if before := open.closed(c.close); len(before) != 0 {
				t.Errorf("before it is closed: %+v", before)
			}
		})
	}
	t.Run("INIT-4 appkey", func(t *testing.T) {
		for _, key := range []string{"", "wrong", otherKey} {
			if r := w.call("GET", "/sessions/"+unknownID, good, "", "appkey", key); r.status != forbidden {
				t.Errorf("appkey %q: %d", key, r.status)
			}
			s := w.dial(unknownID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: good, Appkey: key, ClientID: clientOne})
			s.closed(wire.CloseTokenRefused)
		}
	})
	t.Run("not Bearer", func(t *testing.T) {
		for _, h := range []string{good, "Basic " + good, "Bearer"} {
			if r := w.call("GET", "/sessions/"+unknownID, good, "", "Authorization", h); r.status != unauthorized || r.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%d", r.status)
			}
		}
	})
	t.Run("HS256 for the demo", func(t *testing.T) {
		token := sign(jwt.SigningMethodHS256, secret, sound)
		if r := demo.call("GET", "/sessions/"+unknownID, token, ""); r.status != ok {
			t.Errorf("%d", r.status)
		}
		token = sign(jwt.SigningMethodHS384, secret, sound)
		if r := demo.call("GET", "/sessions/"+unknownID, token, ""); r.status != unauthorized {
			t.Errorf("HS384: %d", r.status)
		}
	})
}

func TestSigner(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for name, cfg := range map[string]SignerConfig{
		"RS256": {PEM: privatePEM(t, rsaKey)},
		"RS256, PKCS #1": {PEM: pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(rsaKey)})},
		"HS256": {Secret: []byte(strings.Repeat("s", 32))},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Issuer, cfg.Audience = issuer, audience
			s, err := NewSigner(cfg)
			if err != nil {
				t.Fatal(err)
			}
			w := newEnvironment(t, func(c *Config) { c.Signer = s })
			w.session("ann")
		})
	}
	for name, cfg := range map[string]SignerConfig{
		"nothing":      {},
		"both":         {PEM: privatePEM(t, rsaKey), Secret: []byte(strings.Repeat("s", 32))},
		"short secret": {Secret: []byte("short")},
		"small":        {PEM: privatePEM(t, small)},
		"EC":           {PEM: privatePEM(t, ecKey)},
		"public":       {PEM: publicPEM(t, rsaKey.Public())},
	} {
		cfg.Issuer, cfg.Audience = issuer, audience
		if _, err := NewSigner(cfg); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := NewSigner(SignerConfig{Secret: []byte(strings.Repeat("s", 32))}); err == nil {
		t.Error("a signer without issuer was taken")
	}
	w := newEnvironment(t)
	for name, edit := range map[string]func(*Claims){
		"no customer":       func(c *Claims) { c.CustomerID = "" },
		"long customer":     func(c *Claims) { c.CustomerID = strings.Repeat("x", 257) },
		"no time":           func(c *Claims) { c.TTL = 0 },
		"too long together": func(c *Claims) { c.Identifiers = map[string][]string{"x": {strings.Repeat("x", 8<<10)}} },
	} {
		c := Claims{CustomerID: "ann", Account: account, IntegrationID: integration, TTL: time.Minute}
		edit(&c)
		if _, err := w.cfg.Signer.Mint(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestMinting(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.GetJWTTime = 20 * time.Minute })
	bare := newEnvironment(t, func(c *Config) { c.ServerCredential, c.EnableGetJWT = "", false })
	tokens := wire.BasePath + "/accounts/" + account + "/tokens"
	body := `{"customerId":"ann","integrationId":"` + integration + `","customerName":"Ann","customerIdentifiers":{"emailAddresses":["a@b.example"]},"verifiedCustomer":true}`
	server := []string{"Authorization", "Bearer " + serverSecret, "appkey", appkey}

	r := w.request("POST", tokens, "", body, server...)
	claims, err := wire.ReadToken(field(t, r.body, "jwtToken"))
	if r.status != http.StatusCreated || err != nil || claims.Subject != "ann" || claims.CustomerName != "Ann" || claims.IntegrationID != integration {
		t.Fatalf("%d %s %v", r.status, r.body, err)
	}
	if left := time.Until(claims.Expiry); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("holds for %v", left)
	}
	if r := w.call("POST", "/sessions", field(t, r.body, "jwtToken"), `{"integrationId":"`+integration+`"}`); r.status != http.StatusCreated {
		t.Errorf("%d %s", r.status, r.body)
	}
	r = w.request("POST", tokens, "", strings.Replace(body, "{", `{"ttl":60,`, 1), server...)
	if claims, err = wire.ReadToken(field(t, r.body, "jwtToken")); err != nil || time.Until(claims.Expiry) < 59*time.Minute {
		t.Errorf("ttl 60: %s", r.body)
	}
	for _, c := range []struct {
		name    string
		w       *environment
		path    string
		body    string
		headers []string
		want    int
	}{
		{"no credential", w, tokens, body, []string{"appkey", appkey}, 401},
		{"wrong credential", w, tokens, body, []string{"Authorization", "Bearer x", "appkey", appkey}, 401},
		{"an empty credential", w, tokens, body, []string{"Authorization", "Bearer ", "appkey", appkey}, 401},
		{"all but a letter", w, tokens, body, []string{"Authorization", "Bearer " + serverSecret[1:], "appkey", appkey}, 401},
		{"a letter more", w, tokens, body, []string{"Authorization", "Bearer " + serverSecret + "x", "appkey", appkey}, 401},
		{"in capitals", w, tokens, body, []string{"Authorization", "Bearer " + strings.ToUpper(serverSecret), "appkey", appkey}, 401},
		{"not Bearer", w, tokens, body, []string{"Authorization", "Basic " + serverSecret, "appkey", appkey}, 401},
		{"a customer that is not UTF-8", w, tokens, strings.Replace(body, `"ann"`, "\"\xff\"", 1), server, 400},
		{"a customer twice", w, tokens, strings.Replace(body, "{", `{"customerId":"bob",`, 1), server, 400},
		{"too deep", w, tokens, strings.Replace(body, "{", `{"x":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+`,`, 1), server, 400},
		{"1 MB", w, tokens, strings.Replace(body, "{", `{"x":"`+strings.Repeat("x", 1<<20)+`",`, 1), server, 413},
		{"getJWT, a customer that is not UTF-8", w, "/v1/getJWT", "{\"customerId\":\"\xff\"}", nil, 400},
		{"getJWT, 1 MB", w, "/v1/getJWT", `{"customerId":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413},
		{"a customer's token", w, tokens, body, []string{"Authorization", "Bearer " + w.token("ann"), "appkey", appkey}, 401},
		{"wrong appkey", w, tokens, body, []string{"Authorization", "Bearer " + serverSecret, "appkey", "x"}, 403},
		{"from a page", w, tokens, body, append([]string{"Origin", allowedOrigin}, server...), 403},
		{"another account", w, wire.BasePath + "/accounts/" + otherAccount + "/tokens", body, server, 404},
		{"not enabled", bare, tokens, body, server, 404},
		{"ttl 14", w, tokens, strings.Replace(body, "{", `{"ttl":14,`, 1), server, 400},
		{"ttl 61", w, tokens, strings.Replace(body, "{", `{"ttl":61,`, 1), server, 400},
		{"no customer", w, tokens, `{"integrationId":"` + integration + `"}`, server, 400},
		{"customer too long", w, tokens, `{"customerId":"` + strings.Repeat("x", 257) + `","integrationId":"` + integration + `"}`, server, 400},
		{"not JSON", w, tokens, `{`, server, 400},
		{"getJWT not enabled", bare, "/v1/getJWT", `{"customerId":"ann"}`, nil, 404},
		{"getJWT, no customer", w, "/v1/getJWT", `{}`, nil, 400},
		{"getJWT, a strange page", w, "/v1/getJWT", `{"customerId":"ann"}`, []string{"Origin", "https://evil.example"}, 403},
	} {
		if r := c.w.request("POST", c.path, "", c.body, c.headers...); r.status != c.want {
			t.Errorf("%s: %d, not %d: %s", c.name, r.status, c.want, r.body)
		}
	}
	// A caller with the credential may know what is wrong, in words that fit this call: it has no token.
	for path, want := range map[string]string{
		tokens: "The appkey is not that of this account and integration.",
		wire.BasePath + "/accounts/" + otherAccount + "/tokens": "No tenant has the account of the path together with this integrationId",
	} {
		r := w.request("POST", path, "", body, "Authorization", "Bearer "+serverSecret, "appkey", "x")
		if detail := field(t, r.body, "detail"); !strings.HasPrefix(detail, want) {
			t.Errorf("%s: %q, not %q", path, detail, want)
		}
	}
	r = w.request("POST", "/v1/getJWT", "", `{"customerId":"ann","customerName":"Ann"}`, "Origin", allowedOrigin)
	if r.status != http.StatusOK || field(t, r.body, "appkey") != appkey || r.header.Get("Access-Control-Allow-Origin") != allowedOrigin {
		t.Fatalf("getJWT: %d %s", r.status, r.body)
	}
	if claims, err = wire.ReadToken(field(t, r.body, "jwtToken")); err != nil || time.Until(claims.Expiry) < 19*time.Minute {
		t.Errorf("getJWT: %v %v", claims, err)
	}
	if r := w.request("OPTIONS", "/v1/getJWT", "", "", "Origin", allowedOrigin, "Access-Control-Request-Method", "POST"); r.status != http.StatusNoContent || !strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "content-type") {
		t.Errorf("preflight of getJWT: %d %v", r.status, r.header)
	}
}
