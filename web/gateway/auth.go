package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// caller is whom a sound token speaks for.
type caller struct {
	store.Customer
	IntegrationID string
	Name          string // empty: the token has none
	Expiry        time.Time
}

// Errors of the verifier, in docs/protocol.md's terms.
var (
	errUnauthorized = errors.New("no token, or not one that a known key has signed for now") // 401
	errExpired      = errors.New("the token has expired")                                    // 401
	errForbidden    = errors.New("a sound token, but not for here")                          // 403
)

// refusal is why a token that a known key has signed is not taken, or the appkey beside
// it. It never quotes a claim.
type refusal struct {
	kind error // errUnauthorized or errForbidden
	// Violation names the claim, or appkey; its Field is "" where the claims are none.
	wire.Violation
}

func (r *refusal) Error() string {
	if r.Field == "" {
		return r.Message
	}
	return r.Field + " " + r.Message
}

func (r *refusal) Unwrap() error { return r.kind }

func refuseClaim(kind error, field, message string, code int) *refusal {
	return &refusal{kind, wire.Violation{Field: field, Message: message, Code: code}}
}

func missingClaim(kind error, field string) *refusal {
	return refuseClaim(kind, field, "must not be null", wire.ViolationNull)
}

// verifier checks tokens and appkeys.
type verifier struct {
	parser    *jwt.Parser
	validator *jwt.Validator
	keys      []verifyKey
	tenants   map[tenantID][sha256.Size]byte // of the appkey
}

type verifyKey struct {
	id, alg string
	key     any
}

type tenantID struct{ account, integration string }

// leeway is how far another clock may be ahead of ours; a token's end is not
// stretched, so that client and gateway agree on it.
const leeway = 30 * time.Second

func newVerifier(cfg *Config) (*verifier, error) {
	v := &verifier{tenants: map[tenantID][sha256.Size]byte{}}
	list := cfg.Keys
	if cfg.Signer != nil {
		list = append(slices.Clip(list), cfg.Signer.Key())
	}
	if len(list) == 0 {
		return nil, errors.New("no key is given to verify tokens with")
	}
	var methods []string
	for _, k := range list {
		alg, key, err := k.material()
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, verifyKey{k.ID, alg, key})
		if !slices.Contains(methods, alg) {
			methods = append(methods, alg)
		}
	}
	for _, t := range cfg.Tenants {
		v.tenants[tenantID{t.Account, strings.ToLower(t.IntegrationID)}] = sha256.Sum256([]byte(t.Appkey))
	}
	// The claims are validated apart, because what is wrong with them decides
	// between 401 and 403.
	v.parser = jwt.NewParser(jwt.WithValidMethods(methods), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation())
	v.validator = jwt.NewValidator(
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway),
		jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
	)
	return v, nil
}

// verify returns whom the token speaks for. Its errors are the three above or a refusal,
// and never quote the token.
func (v *verifier) verify(token, appkey string) (*caller, error) {
	token = wire.TrimTokenPrefix(token)
	if token == "" || len(token) > maxToken {
		return nil, errUnauthorized
	}
	var signed signedClaims
	if _, err := v.parser.ParseWithClaims(token, &signed, v.candidates); err != nil {
		return nil, errUnauthorized
	}
	claims, err := readClaims(signed.text)
	if err != nil {
		return nil, err
	}
	err = v.validator.Validate(claims)
	switch {
	case claims.ExpiresAt == nil:
		return nil, missingClaim(errUnauthorized, "exp")
	case !time.Now().Before(claims.ExpiresAt.Time):
		return nil, errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return nil, refuseClaim(errUnauthorized, "nbf", "is in the future by the gateway's clock", wire.ViolationPattern)
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return nil, refuseClaim(errUnauthorized, "iat", "is in the future by the gateway's clock", wire.ViolationPattern)
	case claims.Issuer == "":
		return nil, missingClaim(errForbidden, "iss")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return nil, refuseClaim(errForbidden, "iss", "is not the issuer that is expected here", wire.ViolationPattern)
	case len(claims.Audience) == 0:
		return nil, missingClaim(errForbidden, "aud")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return nil, refuseClaim(errForbidden, "aud", "does not hold the audience that is expected here", wire.ViolationPattern)
	case err != nil:
		return nil, errForbidden
	case claims.Subject == "":
		return nil, missingClaim(errForbidden, "sub")
	case store.CheckCustomerID(claims.Subject) != nil:
		return nil, refuseClaim(errForbidden, "sub", "must have "+httpapi.Between(1, store.MaxCustomerID)+" characters", wire.ViolationLength)
	}
	c := &caller{
		Customer:      store.Customer{Account: claims.Account, ID: claims.Subject},
		IntegrationID: strings.ToLower(claims.IntegrationID),
		Name:          claims.CustomerName,
		Expiry:        claims.ExpiresAt.Time,
	}
	if err := v.admit(c.Account, c.IntegrationID, appkey); err != nil {
		return nil, err
	}
	return c, nil
}

// candidates are the keys that may have signed the token: of the algorithm its
// header names, so that a public key is never taken for a secret, and with the kid.
func (v *verifier) candidates(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, errUnauthorized // it demands an understanding that is not here
	}
	head, _, _ := strings.Cut(t.Raw, ".")
	if text, err := base64.RawURLEncoding.DecodeString(head); err != nil || !jsontext.Value(text).IsValid() {
		return nil, errUnauthorized // a name twice: another reader may see another header
	}
	kid, _ := t.Header["kid"].(string)
	var set jwt.VerificationKeySet
	for _, k := range v.keys {
		if k.alg == t.Method.Alg() && (k.id == "" || k.id == kid) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, errUnauthorized
	}
	return set, nil
}

// admit refuses an account or an integration that is not served here, and an appkey that
// is not theirs; nil for none of these.
func (v *verifier) admit(account, integration, appkey string) error {
	want, known := v.tenants[tenantID{account, strings.ToLower(integration)}]
	got := sha256.Sum256([]byte(appkey))
	switch {
	case known && subtle.ConstantTimeCompare(want[:], got[:]) == 1:
		return nil
	case known && appkey == "":
		return refuseClaim(errForbidden, "appkey", "is missing", wire.ViolationNull)
	case known:
		return refuseClaim(errForbidden, "appkey", "is not that of the token's account and integration", wire.ViolationPattern)
	case account == "":
		return missingClaim(errForbidden, "accountId")
	case integration == "":
		return missingClaim(errForbidden, "integrationId")
	}
	for t := range v.tenants {
		if t.account == account {
			return refuseClaim(errForbidden, "integrationId", "is not one of the account's that are served here", wire.ViolationNotFound)
		}
	}
	return refuseClaim(errForbidden, "accountId", "is not served here", wire.ViolationNotFound)
}

type callerKey struct{}

// callerOf returns the caller of a request that passed authenticated.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}
