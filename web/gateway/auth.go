package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/gateway/store"
)

// caller is whom a sound token speaks for.
type caller struct {
	store.Customer
	IntegrationID string
	Name          string // empty: the token has none
	Expiry        time.Time
}

// Errors of the verifier, in PROTOCOL.md's terms.
var (
	errUnauthorized = errors.New("no token, or not one that a known key has signed for now") // 401
	errExpired      = errors.New("the token has expired")                                    // 401
	errForbidden    = errors.New("a sound token, but not for here")                          // 403
)

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

// verify returns whom the token speaks for. Its errors are the three above and never
// quote the token.
func (v *verifier) verify(token, appkey string) (*caller, error) {
	token = wire.TrimTokenPrefix(token)
	if token == "" || len(token) > maxToken {
		return nil, errUnauthorized
	}
	var claims tokenClaims
	if _, err := v.parser.ParseWithClaims(token, &claims, v.candidates); err != nil {
		return nil, errUnauthorized
	}
	err := v.validator.Validate(&claims)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired), err == nil && !time.Now().Before(claims.ExpiresAt.Time):
		return nil, errExpired
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued), claims.ExpiresAt == nil:
		return nil, errUnauthorized
	case !time.Now().Before(claims.ExpiresAt.Time):
		return nil, errExpired
	case err != nil: // issuer, audience
		return nil, errForbidden
	}
	if n := utf8.RuneCountInString(claims.Subject); n < 1 || n > maxCustomerID {
		return nil, errForbidden
	}
	c := &caller{
		Customer:      store.Customer{Account: claims.Account, ID: claims.Subject},
		IntegrationID: strings.ToLower(claims.IntegrationID),
		Name:          claims.CustomerName,
		Expiry:        claims.ExpiresAt.Time,
	}
	if !v.appkey(c.Account, c.IntegrationID, appkey) {
		return nil, errForbidden
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

// appkey reports whether the tenant exists and has that appkey.
func (v *verifier) appkey(account, integration, appkey string) bool {
	want, known := v.tenants[tenantID{account, strings.ToLower(integration)}]
	got := sha256.Sum256([]byte(appkey))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && known
}

// bearer returns the credential of the Authorization header, "" without one.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

type callerKey struct{}

// who returns the caller of a request that passed authenticated.
func who(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}
