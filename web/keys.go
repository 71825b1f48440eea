package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"openchat/web/gateway"
	"openchat/web/httpapi"
	"openchat/web/jwks"
)

// readPublicKeys reads the files of --jwt-public-key.
func (s *settings) readPublicKeys(tenants []gateway.Tenant) error {
	s.keys = nil
	var m mistakes
	for i, text := range s.publicKeys {
		key, file := cutKey(text)
		number := ordinal(i, len(s.publicKeys))
		if account := notServed(tenants, key.Accounts); account != "" {
			m.addf("--jwt-public-key%s is for the account %s, which no --tenant has", number, account)
		}
		var err error
		if key.PEM, err = os.ReadFile(file); err != nil {
			m.addf("--jwt-public-key%s: cannot read the key: %w", number, err)
		} else if err := key.Check(); err != nil {
			m.addf("--jwt-public-key%s: %w", number, inFile(file, err))
		}
		s.keys = append(s.keys, key)
	}
	return m.err()
}

// cutKey takes ACCOUNT/kid=file apart; accounts and kid may be left out.
func cutKey(text string) (key gateway.Key, file string) {
	if head, file, ok := strings.Cut(text, "="); ok {
		names, kid, _ := strings.Cut(head, "/")
		if list, ok := accountList(names); ok {
			return gateway.Key{ID: kid, Accounts: list}, file
		}
	}
	return gateway.Key{Accounts: []string{httpapi.AllAccounts}}, text
}

// checkKeySets checks --jwks, without reading the sets.
func (s *settings) checkKeySets(tenants []gateway.Tenant) error {
	var m mistakes
	for i, text := range s.jwks {
		accounts, source := cutAccounts(text)
		number := ordinal(i, len(s.jwks))
		if account := notServed(tenants, accounts); account != "" {
			m.addf("--jwks%s is for the account %s, which no --tenant has", number, account)
		}
		if err := jwks.CheckSource(source); err != nil {
			// Not the source: it may have a password in it.
			m.addf("--jwks%s is %w", number, err)
		}
	}
	return m.err()
}

// gatewayConfig is the gateway's part of the settings, without the store, the log and the
// key sets.
func (s *settings) gatewayConfig(tenants []gateway.Tenant) (gateway.Config, error) {
	var m mistakes
	m.add(s.readPublicKeys(tenants))
	c := gateway.Config{
		Tenants:           tenants,
		Keys:              s.keys,
		MaxTokenAge:       cmp.Or(s.maxTokenAge, -1),
		Issuer:            s.issuer,
		Audience:          s.audience,
		ServerCredentials: s.servers,
		EnableGetJWT:      s.demo,
		GetJWTTime:        s.tokenTTL,
		AllowedOrigins:    s.origins,
		BehindProxy:       s.behindProxy,
		HeartbeatInterval: s.heartbeat,
		Quotas:            s.quotas.Unlimited(),
	}
	if s.denyList != "" {
		text, err := readBounded(s.denyList, gateway.MaxDenyListBytes)
		if err == nil {
			c.DenyList, err = gateway.ReadDenyList(text)
		}
		if err != nil {
			m.addf("--deny-list: %w", inFile(s.denyList, err))
		}
	}
	m.add(s.addSigner(&c))
	return c, s.placed(m).err()
}

// addSigner gives the gateway the key that it signs with, where there is one.
func (s *settings) addSigner(c *gateway.Config) (err error) {
	signer := gateway.SignerConfig{Issuer: s.issuer, Audience: s.audience}
	switch {
	case s.privateKey != "":
		if signer.PEM, err = os.ReadFile(s.privateKey); err != nil {
			return fmt.Errorf("--jwt-private-key: cannot read the key: %w", err)
		}
		if s.hs256Secret != "" {
			c.Keys = append(c.Keys, gateway.Key{Secret: []byte(s.hs256Secret)})
		}
	case s.hs256Secret != "":
		signer.Secret = []byte(s.hs256Secret)
	default:
		return nil
	}
	if c.Signer, err = gateway.NewSigner(signer); err != nil {
		// The same text for a caller in Go begins with the name of the package.
		err = errors.New(strings.TrimPrefix(err.Error(), "gateway: "))
		if s.privateKey == "" {
			return fmt.Errorf("--jwt-hs256-secret, --jwt-issuer, --jwt-audience: %w", err)
		}
		return fmt.Errorf("--jwt-private-key: %w", inFile(s.privateKey, err))
	}
	return nil
}

// keySets are the key sets that are read regularly. Its zero value has none.
type keySets struct {
	running map[keySetID]*runningSet
}

// keySetID distinguishes sets that are read for themselves.
type keySetID struct {
	source  string
	refresh time.Duration
}

type runningSet struct {
	set  *jwks.Set
	end  context.CancelFunc
	done chan struct{}
}

// open returns the sets that s names: those that run already, read anew, and new ones, which
// run when keep has been called. A file must be readable. A URL that does not answer is
// no error where optional says that the process can do without for now.
func (k *keySets) open(ctx context.Context, p *process, s *settings, optional bool) (list []gateway.KeySet, keep func(), err error) {
	next := map[keySetID]*runningSet{}
	for i, text := range s.jwks {
		accounts, source := cutAccounts(text)
		id := keySetID{source, s.jwksRefresh}
		r, known := k.running[id]
		if !known {
			r = next[id]
		}
		if r == nil {
			set, err := jwks.New(jwks.Config{Source: source, Refresh: s.jwksRefresh, Changed: p.checkStreams, Logger: p.log})
			if err != nil {
				return nil, nil, err
			}
			r = &runningSet{set: set}
		}
		if next[id] == nil {
			next[id] = r
			if err := r.set.Load(ctx); err != nil && !(r.set.Remote() && (known || optional)) {
				if !r.set.Remote() {
					err = inFile(source, err)
				}
				return nil, nil, fmt.Errorf("--jwks%s: %w", ordinal(i, len(s.jwks)), err)
			}
		}
		list = append(list, gateway.KeySet{Set: r.set, Accounts: accounts})
	}
	return list, func() { k.replace(next) }, nil
}

// replace ends the sets that are not in next, and runs those that do not run yet.
func (k *keySets) replace(next map[keySetID]*runningSet) {
	for id, r := range k.running {
		if next[id] == nil {
			r.end()
			<-r.done
		}
	}
	for _, r := range next {
		if r.end == nil {
			var ctx context.Context
			ctx, r.end = context.WithCancel(context.Background())
			r.done = make(chan struct{})
			go func() {
				defer close(r.done)
				_ = r.set.Run(ctx) // it ends with ctx only
			}()
		}
	}
	k.running = next
}
