package jwks

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-json-experiment/json"
)

// Key is a public key that verifies signatures.
type Key struct {
	ID        string // kid; "": it has none
	Algorithm string // of RFC 7518: AlgorithmEdDSA, AlgorithmRS256 or AlgorithmES256
	// Public is an ed25519.PublicKey, an *rsa.PublicKey of 2048 to 8192 bits, or an
	// *ecdsa.PublicKey on P-256.
	Public crypto.PublicKey
}

// Algorithms of keys.
const (
	AlgorithmEdDSA = "EdDSA"
	AlgorithmRS256 = "RS256"
	AlgorithmES256 = "ES256"
)

// Bounds of a set.
const (
	MaxBytes = 256 << 10 // of its text
	MaxKeys  = 100
	MaxID    = 256 // bytes of a kid
	minRSA   = 2048
	maxRSA   = 8192 // a larger one would make each signature expensive to verify
)

// Parse reads a JWK Set (RFC 7517). Keys that verify no signature that is taken here, of
// another type, use or algorithm, are passed over, as the RFC wants it; a key that is one
// of these and cannot be read is an error, and so is a set without a key that counts.
// Private and symmetric keys are errors: a set that holds one has been published by
// mistake. The errors quote nothing of the text.
func Parse(text []byte) ([]Key, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the key set has more than %d bytes", MaxBytes)
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New(`the key set is not JSON of the form {"keys": […]}`)
	}
	if len(set.Keys) > MaxKeys {
		return nil, fmt.Errorf("the key set has %d keys; %d are possible", len(set.Keys), MaxKeys)
	}
	var keys []Key
	for i, from := range set.Keys {
		key, err := from.key()
		if err != nil {
			return nil, fmt.Errorf("key number %d of the key set %w", i+1, err)
		}
		if key.Public != nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no key that signatures can be verified with: Ed25519, RSA, or EC on P-256")
	}
	return keys, nil
}

// jwk is a key in the set's text.
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
	D          string   `json:"d"` // of a private key
	K          string   `json:"k"` // of a symmetric key
}

// key returns the key, one without Public when it is not for this, or what is wrong with it.
func (j *jwk) key() (k Key, err error) {
	switch {
	case j.D != "" || j.K != "" || j.Type == "oct":
		return k, errors.New("is a private or a secret one, which does not belong in a key set: replace it everywhere")
	case len(j.ID) > MaxID:
		return k, fmt.Errorf("has a kid of %d bytes; %d are possible", len(j.ID), MaxID)
	case j.Use != "" && j.Use != "sig", len(j.Operations) > 0 && !slices.Contains(j.Operations, "verify"):
		return k, nil
	}
	var algorithm string
	var public crypto.PublicKey
	switch {
	case j.Type == "OKP" && j.Curve == "Ed25519":
		algorithm = AlgorithmEdDSA
		x, err := decode(j.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return k, errors.New("is not a public key of Ed25519")
		}
		public = ed25519.PublicKey(x)
	case j.Type == "RSA":
		algorithm = AlgorithmRS256
		public, err = rsaKey(j.N, j.E)
	case j.Type == "EC" && j.Curve == "P-256":
		algorithm = AlgorithmES256
		public, err = p256Key(j.X, j.Y)
	default:
		return k, nil
	}
	if j.Algorithm != "" && j.Algorithm != algorithm {
		return k, nil // PS256, or for encryption
	}
	if err != nil {
		return k, err
	}
	return Key{j.ID, algorithm, public}, nil
}

func rsaKey(modulus, exponent string) (*rsa.PublicKey, error) {
	n, errN := decode(modulus)
	e, errE := decode(exponent)
	if errN != nil || errE != nil || len(e) == 0 || len(e) > 4 {
		return nil, errors.New("is not a public key of RSA")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
		return nil, fmt.Errorf("is an RSA key of %d bits; %d to %d are possible", bits, minRSA, maxRSA)
	}
	if key.E < 3 || key.E%2 == 0 || key.N.Bit(0) == 0 {
		return nil, errors.New("is not a public key of RSA")
	}
	return key, nil
}

func p256Key(x, y string) (*ecdsa.PublicKey, error) {
	const size = 32
	xs, errX := decode(x)
	ys, errY := decode(y)
	if errX != nil || errY != nil || len(xs) != size || len(ys) != size {
		return nil, errors.New("is not a public key on P-256")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, xs, ys))
	if err != nil {
		return nil, errors.New("is not a public key on P-256")
	}
	return key, nil
}

func decode(text string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(text) }

// equal reports whether both are the same keys in the same order.
func equal(a, b []Key) bool {
	return slices.EqualFunc(a, b, func(x, y Key) bool { return x.Equal(y) })
}

// Equal reports whether both are the same key under the same kid.
func (k Key) Equal(other Key) bool {
	if k.ID != other.ID || k.Algorithm != other.Algorithm {
		return false
	}
	switch public := k.Public.(type) {
	case ed25519.PublicKey:
		o, ok := other.Public.(ed25519.PublicKey)
		return ok && bytes.Equal(public, o)
	case *rsa.PublicKey:
		return public.Equal(other.Public)
	case *ecdsa.PublicKey:
		return public.Equal(other.Public)
	}
	return false
}
