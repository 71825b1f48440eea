package jwks

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func ed(t testing.TB, kid string) map[string]any {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(public)}
}

func rsaJWK(t testing.TB, bits int) map[string]any {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	n.SetBit(n, 0, 1)
	return map[string]any{"kty": "RSA", "kid": "r", "n": encode(n.Bytes()), "e": "AQAB"}
}

func with(m map[string]any, more ...any) map[string]any {
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

func set(t testing.TB, keys ...map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParseTakesTheKeysThatVerify(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Parse(set(t,
		with(ed(t, "a"), "use", "sig", "alg", "EdDSA", "unknown", []int{1}),
		map[string]any{"kty": "RSA", "kid": "b", "n": encode(private.N.Bytes()), "e": "AQAB", "key_ops": []string{"verify"}},
		map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])},
		with(ed(t, "encrypts"), "use", "enc"),
		with(ed(t, "signs"), "key_ops", []string{"sign"}),
		with(rsaJWK(t, 2048), "alg", "PS256"),
		map[string]any{"kty": "EC", "crv": "secp256k1"},
		map[string]any{"kty": "of the future"},
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || keys[0].ID != "a" || keys[0].Algorithm != "EdDSA" || !private.PublicKey.Equal(keys[1].Public) || keys[1].Algorithm != "RS256" ||
		!curve.PublicKey.Equal(keys[2].Public) || keys[2].Algorithm != "ES256" || keys[2].ID != "" {
		t.Errorf("got %+v", keys)
	}
}

func TestParseRefusesSetsThatAreWrong(t *testing.T) {
	for name, text := range map[string][]byte{
		"no JSON":                 []byte("-----BEGIN PUBLIC KEY-----"),
		"no set":                  []byte(`{"kty":"OKP"}`),
		"empty":                   set(t),
		"nothing that counts":     set(t, map[string]any{"kty": "EC", "crv": "P-521"}),
		"a key given twice":       []byte(`{"keys":[],"keys":[]}`),
		"a private key":           set(t, ed(t, "a"), with(ed(t, "b"), "d", "c2VjcmV0")),
		"a secret":                set(t, ed(t, "a"), map[string]any{"kty": "oct", "k": "c2VjcmV0"}),
		"a short Ed25519 key":     set(t, with(ed(t, "a"), "x", "AAAA")),
		"an RSA key of 1024 bits": set(t, rsaJWK(t, 1024)),
		"an RSA key of 16384":     set(t, rsaJWK(t, 16384)),
		"an even exponent":        set(t, with(rsaJWK(t, 2048), "e", "AQAA")),
		"an exponent of 1":        set(t, with(rsaJWK(t, 2048), "e", "AQ")),
		"a point off the curve":   set(t, map[string]any{"kty": "EC", "crv": "P-256", "x": encode(make([]byte, 32)), "y": encode(make([]byte, 32))}),
		"a long kid":              set(t, with(ed(t, ""), "kid", strings.Repeat("k", MaxID+1))),
		"too large":               append(set(t, ed(t, "a")), make([]byte, MaxBytes)...),
	} {
		if keys, err := Parse(text); err == nil || len(keys) > 0 {
			t.Errorf("%s: got %d keys, %v", name, len(keys), err)
		} else if strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%s: the error quotes the key: %v", name, err)
		}
	}
	many := make([]map[string]any, MaxKeys+1)
	for i := range many {
		many[i] = ed(t, "a")
	}
	if _, err := Parse(set(t, many...)); err == nil {
		t.Error("any number of keys is taken")
	}
}

// issuer serves key sets.
type issuer struct {
	*httptest.Server
	calls atomic.Int64
	mu    sync.Mutex
	text  []byte // nil: it answers 500
}

func newIssuer(t *testing.T, text []byte) *issuer {
	i := &issuer{text: text}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.calls.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.text == nil {
			w.WriteHeader(500)
			return
		}
		_, _ = w.Write(i.text)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) serve(text []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.text = text
}

func newSet(t *testing.T, cfg Config) *Set {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestKeysStayWhenTheyCannotBeRead(t *testing.T) {
	log := &bytes.Buffer{}
	i := newIssuer(t, set(t, ed(t, "a")))
	changes := 0
	s := newSet(t, Config{Source: i.URL, Logger: slog.New(slog.NewTextHandler(log, nil)), Changed: func() { changes++ }})
	load := func(good bool, kid string) {
		t.Helper()
		if err := s.Load(t.Context()); (err == nil) != good || s.Keys()[0].ID != kid {
			t.Errorf("got %v, %+v", err, s.Keys())
		}
	}
	load(true, "a")
	i.serve(nil)
	load(false, "a")
	load(false, "a")
	i.serve(append(set(t, ed(t, "b")), make([]byte, MaxBytes)...))
	load(false, "a")
	i.serve(set(t, ed(t, "b")))
	load(true, "b")
	load(true, "b")
	if n := strings.Count(log.String(), "keys could not be read; those before stay"); n != 1 {
		t.Errorf("the failure is logged %d times:\n%s", n, log)
	}
	if changes != 2 {
		t.Errorf("%d changes", changes)
	}
}

func TestAnUnknownKeyIsLookedForOnceInAWhile(t *testing.T) {
	i := newIssuer(t, set(t, ed(t, "a")))
	s := newSet(t, Config{Source: i.URL, floor: time.Hour})
	if keys := s.Find(t.Context(), "a"); len(keys) != 1 {
		t.Fatalf("got %+v", keys)
	}
	for range 10 {
		if keys := s.Find(t.Context(), "b"); len(keys) != 0 {
			t.Errorf("got %+v", keys)
		}
	}
	if n := i.calls.Load(); n != 1 {
		t.Errorf("%d calls within the floor", n)
	}
	s.cfg.floor = 0
	i.serve(set(t, ed(t, "a"), ed(t, "b")))
	if keys := s.Find(t.Context(), "b"); len(keys) != 1 || keys[0].ID != "b" {
		t.Errorf("got %+v", keys)
	}
	if keys := s.Find(t.Context(), ""); len(keys) != 2 {
		t.Errorf("a token without a kid may be of any key; got %+v", keys)
	}
	if n := i.calls.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
}

func TestAFileIsReadAgainRegularlyAndSoonerAfterAFailure(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(set(t, ed(t, "a")))
	synctest.Test(t, func(t *testing.T) {
		s := newSet(t, Config{Source: file})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = s.Run(ctx) }()
		synctest.Wait()
		has := func(kid string) {
			t.Helper()
			synctest.Wait()
			if keys := s.Keys(); len(keys) != 1 || keys[0].ID != kid {
				t.Errorf("got %+v, want %s", keys, kid)
			}
		}
		has("a")
		write(set(t, ed(t, "b")))
		time.Sleep(DefaultRefresh - time.Second)
		has("a")
		write([]byte("half of a f"))
		time.Sleep(2 * time.Second)
		has("a")
		write(set(t, ed(t, "b")))
		time.Sleep(Floor)
		has("b")
		cancel()
		synctest.Wait()
	})
}

func TestASourceIsAFileOrASafeURL(t *testing.T) {
	for source, good := range map[string]bool{
		"keys.json": true, "/etc/keys.json": true, "C:\\keys.json": true,
		"https://login.example/keys": true, "http://127.0.0.1:1/keys": true, "http://localhost/keys": true, "http://[::1]/keys": true,
		"": false, "http://login.example/keys": false, "https://user:password@login.example/": false, "https:///keys": false, "https://a.example/#keys": false,
	} {
		if _, err := New(Config{Source: source}); (err == nil) != good {
			t.Errorf("%q: %v", source, err)
		}
	}
	if _, err := New(Config{Source: "f", Refresh: time.Second}); err == nil {
		t.Error("any refresh is taken")
	}
}

func TestARedirectionIsNotFollowed(t *testing.T) {
	i := newIssuer(t, set(t, ed(t, "a")))
	elsewhere := httptest.NewServer(http.RedirectHandler(i.URL, http.StatusFound))
	defer elsewhere.Close()
	if err := newSet(t, Config{Source: elsewhere.URL}).Load(t.Context()); err == nil || i.calls.Load() != 0 {
		t.Errorf("got %v after %d calls", err, i.calls.Load())
	}
}

func FuzzParse(f *testing.F) {
	f.Add(set(f, ed(f, "a")))
	f.Add(set(f, rsaJWK(f, 2048)))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := Parse(text)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if k.Public == nil || k.Algorithm == "" || !k.Equal(k) {
				t.Fatalf("got %+v", k)
			}
		}
	})
}
