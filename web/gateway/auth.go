package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/jwks"
	"openchat/web/store"
)

// caller is whom a sound token speaks for.
type caller struct {
	store.Customer
	IntegrationID string
	Name          string    // empty: the token has none
	Expiry        time.Time // when the token counts no longer

	key    verifyKey         // that has signed it
	appkey appkeyHash        // that came with it
	jti    [sha256.Size]byte // SHA-256; zero: it has none
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
	got string // the account and integration, for the operator's log only
}

func (r *refusal) Error() string {
	if r.Field == "" {
		return r.Message
	}
	return r.Field + " " + r.Message
}

func (r *refusal) Unwrap() error { return r.kind }

func refuseClaim(kind error, field, message string, code int) *refusal {
	return refuse(kind, wire.Violation{Field: field, Message: message, Code: code})
}

func refuse(kind error, v wire.Violation) *refusal { return &refusal{kind: kind, Violation: v} }

// saw notes what account and integration it is about, each where it has the form of one:
// no other claim is for the log.
func (r *refusal) saw(account, integration string) *refusal {
	if httpapi.CheckAccount(account) == nil {
		r.got = account
	}
	if httpapi.CheckIntegrationID(integration) == nil {
		r.got += " " + integration
	}
	return r
}

func missingClaim(kind error, field string) *refusal {
	return refuseClaim(kind, field, "must not be null", wire.ViolationNull)
}

// verifier checks tokens and appkeys.
type verifier struct {
	parser    *jwt.Parser
	validator *jwt.Validator
	keys      []verifyKey
	sets      []verifySet
	deny      *DenyList
	maxAge    time.Duration // of a token; 0: any

	issuer, audience string
	tenants          map[tenantID][]appkeyHash
}

// verifyKey is a key, and the accounts that it signs for.
type verifyKey struct {
	id, alg  string
	key      any
	accounts httpapi.Accounts
}

// verifySet is a set of keys that others publish.
type verifySet struct {
	set      *jwks.Set
	accounts httpapi.Accounts
}

// appkeyHash is the SHA-256 of an appkey.
type appkeyHash [sha256.Size]byte

func hashAppkey(appkey string) appkeyHash { return sha256.Sum256([]byte(appkey)) }

type tenantID struct{ account, integration string }

// leeway is how far another clock may be ahead of ours; a token's end is not
// stretched, so that client and gateway agree on it.
const leeway = 30 * time.Second

func newVerifier(cfg *Config) (*verifier, error) {
	v := &verifier{
		tenants: map[tenantID][]appkeyHash{}, deny: cfg.DenyList, maxAge: max(cfg.MaxTokenAge, 0),
		issuer: cfg.Issuer, audience: cfg.Audience,
	}
	list := cfg.Keys
	if cfg.Signer != nil {
		list = append(slices.Clip(list), cfg.Signer.Key())
	}
	if len(list)+len(cfg.KeySets) == 0 {
		return nil, errors.New("no key is given to verify tokens with")
	}
	var methods []string
	for _, k := range list {
		alg, key, err := k.material()
		if err != nil {
			return nil, err
		}
		accounts, err := accountsOf(k.Accounts)
		if err != nil {
			return nil, fmt.Errorf("a verification key is %w", err)
		}
		v.keys = append(v.keys, verifyKey{k.ID, alg, key, accounts})
		methods = append(methods, alg)
	}
	for _, s := range cfg.KeySets {
		accounts, err := accountsOf(s.Accounts)
		if err != nil {
			return nil, fmt.Errorf("the key set %s is %w", s.Set.Source(), err)
		}
		v.sets = append(v.sets, verifySet{s.Set, accounts})
		methods = append(methods, jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256)
	}
	for _, t := range cfg.Tenants {
		id := t.id()
		v.tenants[id] = append(v.tenants[id], hashAppkey(t.Appkey))
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
//
// Where the token names a key that is not known, it waits for a key set to be read, until
// ctx ends.
func (v *verifier) verify(ctx context.Context, token, appkey string) (*caller, error) {
	token = wire.TrimTokenPrefix(token)
	switch {
	case token == "":
		return nil, &unsigned{why: "no token"}
	case len(token) > maxToken:
		return nil, &unsigned{why: "a token that is too long"}
	}
	var signed signedClaims
	if _, err := v.parser.ParseWithClaims(token, &signed, v.candidates(ctx, &signed)); err != nil {
		return nil, whyUnsigned(err)
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
		Name:          httpapi.CustomerName(claims.CustomerName),
		appkey:        hashAppkey(appkey),
	}
	if c.Expiry, err = v.expiry(claims); err != nil {
		return nil, err
	}
	if claims.ID != "" {
		c.jti = sha256.Sum256([]byte(claims.ID))
	}
	if err := v.denied(c.Customer, c.jti); err != nil {
		return nil, err
	}
	if err := v.admit(c.Account, c.IntegrationID, appkey); err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(signed.keys, func(k verifyKey) bool { return k.accounts.Has(c.Account) }); at >= 0 {
		c.key = signed.keys[at]
	} else {
		return nil, refuseClaim(errForbidden, "accountId", "is not one that the token's key signs for", wire.ViolationPattern).saw(c.Account, "")
	}
	return c, nil
}

// expiry returns when a token counts no longer: at its exp, or at the age that a token may
// reach, whichever comes first.
func (v *verifier) expiry(claims *tokenClaims) (time.Time, error) {
	exp := claims.ExpiresAt.Time
	switch {
	case v.maxAge == 0:
		return exp, nil
	case claims.IssuedAt == nil:
		if time.Until(exp) > v.maxAge {
			// How old it is does not show, so it could count for ever.
			return exp, refuseClaim(errUnauthorized, "iat", "must not be null in a token that counts so long", wire.ViolationNull)
		}
		return exp, nil
	}
	oldest := claims.IssuedAt.Add(v.maxAge)
	if !time.Now().Before(oldest) {
		return exp, refuseClaim(errExpired, "iat", "is longer ago than a token counts here", wire.ViolationPattern)
	}
	if oldest.Before(exp) {
		return oldest, nil
	}
	return exp, nil
}

// bound returns for how long a token of ttl counts.
func (v *verifier) bound(ttl time.Duration) time.Duration {
	if v.maxAge == 0 {
		return ttl
	}
	return min(ttl, v.maxAge)
}

// unsigned is why a token is taken for nobody's: no known key has signed it.
type unsigned struct {
	why string // for the log: in a few words, nothing of the token
	kid string // that no key has; "": it is not about that
}

func (u *unsigned) Error() string {
	if u.kid != "" {
		return "the token names a key (kid) that is not known here"
	}
	return errUnauthorized.Error()
}

func (u *unsigned) Unwrap() error { return errUnauthorized }

// whyUnsigned takes the reason out of an error of the parser.
func whyUnsigned(err error) *unsigned {
	var u *unsigned
	switch {
	case errors.As(err, &u):
		return u
	case errors.Is(err, jwt.ErrTokenMalformed):
		return &unsigned{why: "a token that is no JWT"}
	}
	return &unsigned{why: "a token that no known key has signed"}
}

// candidates returns a function that finds the keys that have signed the token: of the
// algorithm its header names, so that a public key is never taken for a secret, and with
// the kid. It leaves them in signed.keys, of which the parser verifies the first.
func (v *verifier) candidates(ctx context.Context, signed *signedClaims) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical {
			return nil, errUnauthorized // it demands an understanding that is not here
		}
		head, _, _ := strings.Cut(t.Raw, ".")
		if text, err := base64.RawURLEncoding.DecodeString(head); err != nil || !jsontext.Value(text).IsValid() {
			return nil, errUnauthorized // a name twice: another reader may see another header
		}
		kid, _ := t.Header["kid"].(string)
		text := t.Raw[:strings.LastIndexByte(t.Raw, '.')]
		signs := func(k verifyKey) bool {
			return k.alg == t.Method.Alg() && t.Method.Verify(text, t.Signature, k.key) == nil
		}
		keys, named := v.known(kid)
		keys = keep(keys, func(k verifyKey) bool { return k.alg == t.Method.Alg() })
		if len(keys) == 1 && (named || kid == "" || len(v.sets) == 0) {
			signed.keys = keys // the parser finds out
			return keys[0].key, nil
		}
		// The same key may be there several times, for different accounts.
		signed.keys = keep(keys, signs)
		if len(signed.keys) == 0 && kid != "" && !named {
			if keys = v.fetchKeys(ctx, kid); len(keys) == 0 {
				return nil, &unsigned{why: "a token of an unknown key", kid: kid}
			}
			signed.keys = keep(keys, signs)
		}
		if len(signed.keys) == 0 {
			return nil, errUnauthorized
		}
		return signed.keys[0].key, nil
	}
}

func keep(keys []verifyKey, which func(verifyKey) bool) []verifyKey {
	return slices.DeleteFunc(keys, func(k verifyKey) bool { return !which(k) })
}

// known returns the keys that a token with that kid, "" for none, may be signed with, and
// whether one of them has it.
func (v *verifier) known(kid string) (keys []verifyKey, named bool) {
	for _, k := range v.keys {
		if k.id == "" || k.id == kid {
			keys = append(keys, k)
			named = named || k.id != ""
		}
	}
	for _, s := range v.sets {
		for _, k := range s.set.Keys() {
			if k.ID == "" || k.ID == kid || kid == "" {
				keys = append(keys, verifyKey{k.ID, k.Algorithm, k.Public, s.accounts})
				named = named || k.ID != "" && k.ID == kid
			}
		}
	}
	return keys, named
}

// fetchKeys returns the keys with that kid after it has had the key sets read anew.
func (v *verifier) fetchKeys(ctx context.Context, kid string) (keys []verifyKey) {
	for _, s := range v.sets {
		for _, k := range s.set.Find(ctx, kid) {
			if k.ID == kid {
				keys = append(keys, verifyKey{k.ID, k.Algorithm, k.Public, s.accounts})
			}
		}
	}
	return keys
}

// admit refuses an account or an integration that is not served here, and an appkey that
// is not theirs; nil for none of these.
func (v *verifier) admit(account, integration, appkey string) error {
	return v.admitHash(account, integration, hashAppkey(appkey), appkey != "")
}

// admitHash is admit for an appkey of which only the hash is there, if it was given.
func (v *verifier) admitHash(account, integration string, appkey appkeyHash, given bool) error {
	want, known := v.tenants[tenantID{account, strings.ToLower(integration)}]
	switch {
	case hasAppkey(want, appkey):
		return nil
	case known && !given:
		return refuseClaim(errForbidden, "appkey", "is missing", wire.ViolationNull).saw(account, integration)
	case known:
		return refuseClaim(errForbidden, "appkey", "is not that of the token's account and integration", wire.ViolationPattern).saw(account, integration)
	case account == "":
		return missingClaim(errForbidden, "accountId")
	case integration == "":
		return missingClaim(errForbidden, "integrationId")
	}
	for t := range v.tenants {
		if t.account == account {
			return refuseClaim(errForbidden, "integrationId", "is not one of the account's that are served here", wire.ViolationNotFound).saw(account, integration)
		}
	}
	return refuseClaim(errForbidden, "accountId", "is not served here", wire.ViolationNotFound).saw(account, "")
}

// hasAppkey reports whether one of them is that appkey, in a time that does not show which.
func hasAppkey(want []appkeyHash, got appkeyHash) bool {
	found := 0
	for i := range want {
		found |= subtle.ConstantTimeCompare(want[i][:], got[:])
	}
	return found == 1
}

type callerKey struct{}

// callerOf returns the caller of a request that passed authenticated.
func callerOf(ctx context.Context) *caller {
	c, _ := ctx.Value(callerKey{}).(*caller)
	return c
}
