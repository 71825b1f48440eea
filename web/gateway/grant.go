package gateway

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// grant is what a running stream rests on, besides its customer: as much of a token as
// it takes to decide later whether the token would still be accepted, because the token itself
// is not kept.
type grant struct {
	appkey appkeyHash
	key    [sha256.Size]byte // of the key that has signed it
	jti    [sha256.Size]byte // of the token's jti; zero: it has none
	origin string            // of the page, if it may call because it is in the list; else ""
}

// hash returns the SHA-256 of a key, whatever its kid.
func (k verifyKey) hash() [sha256.Size]byte {
	if secret, ok := k.key.([]byte); ok {
		return sha256.Sum256(append([]byte(k.alg), secret...))
	}
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		panic(err) // it has been read, or verified with
	}
	return sha256.Sum256(append([]byte(k.alg), der...))
}

// signers returns the accounts that each key signs for.
func (v *verifier) signers() map[[sha256.Size]byte][]httpapi.Accounts {
	all := map[[sha256.Size]byte][]httpapi.Accounts{}
	add := func(k verifyKey) {
		h := k.hash()
		all[h] = append(all[h], k.accounts)
	}
	for _, k := range v.keys {
		add(k)
	}
	for _, s := range v.sets {
		for _, k := range s.set.Keys() {
			add(verifyKey{k.ID, k.Algorithm, k.Public, s.accounts})
		}
	}
	return all
}

// holds returns the refusal that a stream would meet if it began now with what it has begun
// with, or nil. The signers are those of v.
func (v *verifier) holds(c store.Customer, integration string, g grant, signers map[[sha256.Size]byte][]httpapi.Accounts) error {
	if err := v.denied(c, g.jti); err != nil {
		return err
	}
	if err := v.admitHash(c.Account, integration, g.appkey, true); err != nil {
		return err
	}
	if !slices.ContainsFunc(signers[g.key], func(a httpapi.Accounts) bool { return a.Has(c.Account) }) {
		return &refusal{kind: errUnauthorized, Violation: wire.Violation{Message: "the key that has signed the token counts no longer"}}
	}
	return nil
}

// denied returns the refusal of a token or customer on the deny-list, or nil.
func (v *verifier) denied(c store.Customer, jti [sha256.Size]byte) error {
	switch {
	case v.deny.hasCustomer(c):
		return refuseClaim(errForbidden, claimCustomer, "is on the deny-list", wire.ViolationState)
	case jti != [sha256.Size]byte{} && v.deny.has(c.Account, claimToken, jti):
		return refuseClaim(errUnauthorized, claimToken, "is on the deny-list", wire.ViolationState)
	}
	return nil
}

// Reload replaces whom the gateway serves and how much of it: Tenants, Keys, KeySets, Signer,
// Issuer, Audience, MaxTokenAge, DenyList, ServerCredential, ServerCredentials,
// AllowedOrigins and Quotas. The other fields of cfg count for nothing. When it returns an
// error, nothing has changed.
//
// A stream that would not be taken with them is closed with 4403, one whose page's origin is
// not in the list any more with 1001, and all of them with 1001 when what every token must
// have has changed, so that their clients come back and are judged anew.
func (g *Gateway) Reload(cfg Config) error {
	cfg.Store, cfg.Logger, cfg.EnableGetJWT = g.store, g.log, g.cfg.EnableGetJWT
	if err := cfg.check(); err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	a, err := newAccess(&cfg)
	if err != nil {
		return fmt.Errorf("gateway: %w", err)
	}
	before := g.access.Swap(a)
	g.api.Origins.Set(cfg.AllowedOrigins)
	g.quotas.set(cfg.Quotas)
	if before.tokens.issuer != a.tokens.issuer || before.tokens.audience != a.tokens.audience || before.tokens.maxAge != a.tokens.maxAge {
		g.hub.closeAll(wire.CloseGoingAway, "the settings have changed")
	}
	g.CheckStreams()
	return nil
}

// CheckStreams closes the streams that would not be taken any more, as Reload does. It is
// for when the keys of a KeySet have changed.
func (g *Gateway) CheckStreams() {
	g.checks.Add(1)
	v := g.access.Load().tokens
	signers := v.signers()
	for _, s := range g.hub.claimed() {
		s.check(v, signers)
	}
}

// check closes the stream if it would not be taken any more. Its session is claimed.
func (s *stream) check(v *verifier, signers map[[sha256.Size]byte][]httpapi.Accounts) {
	s.mu.Lock()
	held := s.grant
	s.mu.Unlock()
	if err := v.holds(s.customer, s.integration, held, signers); err != nil {
		s.end(wire.CloseTokenRefused, refusalReason(err))
	} else if held.origin != "" && !s.g.api.Origins.Has(held.origin) {
		s.end(wire.CloseGoingAway, "the page's origin is not allowed any more")
	}
}

// checkAgain is check for a stream that has been admitted while the settings changed: checks
// is what g.checks was before.
func (s *stream) checkAgain(checks uint64) {
	if s.g.checks.Load() != checks {
		v := s.g.access.Load().tokens
		s.check(v, v.signers())
	}
}
