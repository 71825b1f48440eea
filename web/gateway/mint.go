package gateway

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/jwks"
	"openchat/web/store"
)

// Key verifies tokens. Exactly one of PEM and Secret is set.
type Key struct {
	// ID, when set, limits the key to tokens whose header names it as kid. A key
	// without ID is tried for every token of its algorithm.
	ID string
	// Accounts are the accounts that the key signs for; nil, or httpapi.AllAccounts among
	// them: every account.
	Accounts []string
	// PEM is a public key (PKIX "PUBLIC KEY", or a certificate): Ed25519, which
	// verifies EdDSA, or RSA of at least 2048 bits, which verifies RS256.
	PEM []byte
	// Secret verifies HS256: at least 32 bytes. For the demo only, since who can
	// verify with it can mint too.
	Secret []byte
}

// Check says what is wrong with the key.
func (k Key) Check() error {
	_, _, err := k.material()
	return err
}

// KeySet is keys that others publish. Whoever configures it runs Set.
type KeySet struct {
	Set *jwks.Set
	// Accounts: as of Key.
	Accounts []string
}

// MinSecret is the shortest secret for HS256, in bytes: the length of the algorithm's own
// output, so that the secret is not the weaker part.
const MinSecret = 32

// material returns the algorithm and the key as golang-jwt takes it.
func (k Key) material() (alg string, key any, err error) {
	switch {
	case len(k.PEM) > 0 && len(k.Secret) > 0:
		return "", nil, errors.New("a key is either a PEM or a secret, not both")
	case len(k.Secret) > 0:
		if len(k.Secret) < MinSecret {
			return "", nil, fmt.Errorf("the HS256 secret has %d bytes; at least %d are needed", len(k.Secret), MinSecret)
		}
		return jwt.SigningMethodHS256.Alg(), k.Secret, nil
	}
	block, _ := pem.Decode(k.PEM)
	if block == nil {
		return "", nil, errors.New("the verification key is not PEM")
	}
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = c.PublicKey
		}
	default:
		return "", nil, fmt.Errorf("the verification key is a PEM %q; a PUBLIC KEY is needed", block.Type)
	}
	if err != nil {
		return "", nil, fmt.Errorf("the verification key cannot be read: %w", err)
	}
	switch public := public.(type) {
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA.Alg(), public, nil
	case *rsa.PublicKey:
		if public.N.BitLen() < 2048 {
			return "", nil, fmt.Errorf("the RSA key has %d bits; at least 2048 are needed", public.N.BitLen())
		}
		return jwt.SigningMethodRS256.Alg(), public, nil
	}
	return "", nil, fmt.Errorf("the verification key is a %T; Ed25519 or RSA is needed", public)
}

// SignerConfig says with what and in whose name tokens are minted. Exactly one of
// PEM and Secret is set.
type SignerConfig struct {
	ID       string // kid; may be empty
	PEM      []byte // private key, PKCS #8 ("PRIVATE KEY") or PKCS #1: Ed25519, or RSA of at least 2048 bits
	Secret   []byte // HS256, at least 32 bytes: for the demo only
	Issuer   string // iss; required
	Audience string // aud; required
}

// Signer mints tokens.
type Signer struct {
	id, issuer, audience string
	method               jwt.SigningMethod
	private              any
	verify               Key
}

// NewSigner checks cfg.
func NewSigner(cfg SignerConfig) (*Signer, error) {
	if cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("gateway: a signer needs the issuer and the audience that its tokens name")
	}
	s := &Signer{id: cfg.ID, issuer: cfg.Issuer, audience: cfg.Audience, verify: Key{ID: cfg.ID}}
	if len(cfg.Secret) > 0 && len(cfg.PEM) == 0 {
		s.method, s.private, s.verify.Secret = jwt.SigningMethodHS256, cfg.Secret, cfg.Secret
	} else {
		block, _ := pem.Decode(cfg.PEM)
		if block == nil || len(cfg.Secret) > 0 {
			return nil, errors.New("gateway: a signing key is needed: either a PEM or a secret")
		}
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if block.Type == "RSA PRIVATE KEY" {
			private, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		}
		if err != nil {
			// Not err itself: nothing about a private key belongs in a log.
			return nil, errors.New("gateway: the signing key cannot be read; it must be a PKCS #8 or PKCS #1 private key")
		}
		s.private = private
		var public crypto.PublicKey
		switch private := private.(type) {
		case ed25519.PrivateKey:
			s.method, public = jwt.SigningMethodEdDSA, private.Public()
		case *rsa.PrivateKey:
			s.method, public = jwt.SigningMethodRS256, private.Public()
		default:
			return nil, fmt.Errorf("gateway: the signing key is a %T; Ed25519 or RSA is needed", private)
		}
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return nil, fmt.Errorf("gateway: the signing key: %w", err)
		}
		s.verify.PEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}
	if _, _, err := s.verify.material(); err != nil {
		return nil, fmt.Errorf("gateway: the signing key: %w", err)
	}
	return s, nil
}

// Key returns the key that verifies what s mints.
func (s *Signer) Key() Key { return s.verify }

// Claims is what a token says of its customer.
type Claims struct {
	CustomerID    string // sub, 1–256 characters
	Account       string // accountId
	IntegrationID string
	CustomerName  string              // empty: none
	Identifiers   map[string][]string // customerIdentifiers; nil: none
	Verified      bool                // verifiedCustomer
	// TTL is for how long the token holds from now: above 0. The tokens call gives 15–60
	// minutes; tests want less.
	TTL time.Duration
}

// Mint signs a token. It fails when a claim is out of bounds.
func (s *Signer) Mint(c Claims) (string, error) {
	if err := store.CheckCustomerID(c.CustomerID); err != nil {
		return "", fmt.Errorf("gateway: %w", err)
	}
	if c.TTL <= 0 {
		return "", fmt.Errorf("gateway: a token cannot hold for %v", c.TTL)
	}
	now := time.Now()
	t := jwt.NewWithClaims(s.method, &tokenClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    s.issuer,
			Subject:   c.CustomerID,
			Audience:  jwt.ClaimStrings{s.audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(c.TTL)),
			ID:        rand.Text(),
		},
		Account:       c.Account,
		IntegrationID: c.IntegrationID,
		CustomerName:  c.CustomerName,
		Verified:      c.Verified,
		Identifiers:   c.Identifiers,
	})
	if s.id != "" {
		t.Header["kid"] = s.id
	}
	token, err := t.SignedString(s.private)
	if err != nil {
		return "", fmt.Errorf("gateway: signing failed: %w", err)
	}
	if len(token) > maxToken {
		return "", fmt.Errorf("gateway: the token has %d bytes; at most %d are accepted", len(token), maxToken)
	}
	return token, nil
}

// maxToken is the longest token that is looked at, in bytes. It has to fit into an
// authenticate frame.
const maxToken = 8 << 10

var _ [wire.MaxClientFrame - maxToken - 1024]struct{}
