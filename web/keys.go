package main

import (
	"fmt"
	"os"

	"openchat/web/gateway"
)

// gatewayConfig is the gateway's part of the settings, without the store.
func (p *process) gatewayConfig(tenants []gateway.Tenant) (gateway.Config, error) {
	c := gateway.Config{
		Tenants:           tenants,
		Issuer:            p.issuer,
		Audience:          p.audience,
		ServerCredential:  p.serverCredential,
		EnableGetJWT:      p.demo,
		GetJWTTime:        p.tokenTTL,
		AllowedOrigins:    p.origins,
		BehindProxy:       p.behindProxy,
		HeartbeatInterval: p.heartbeat,
		Quotas:            p.quotas.Unlimited(),
		Logger:            p.log,
	}
	for _, file := range p.publicKeys {
		pem, err := os.ReadFile(file)
		if err != nil {
			return c, fmt.Errorf("--jwt-public-key: cannot read the key: %w", err)
		}
		c.Keys = append(c.Keys, gateway.Key{PEM: pem})
	}
	signer := gateway.SignerConfig{Issuer: p.issuer, Audience: p.audience}
	switch {
	case p.privateKey != "":
		pem, err := os.ReadFile(p.privateKey)
		if err != nil {
			return c, fmt.Errorf("--jwt-private-key: cannot read the key: %w", err)
		}
		signer.PEM = pem
		if p.hs256Secret != "" {
			c.Keys = append(c.Keys, gateway.Key{Secret: []byte(p.hs256Secret)})
		}
	case p.hs256Secret != "":
		signer.Secret = []byte(p.hs256Secret)
	default:
		return c, nil
	}
	var err error
	if c.Signer, err = gateway.NewSigner(signer); err != nil {
		return c, fmt.Errorf("--jwt-private-key: %w", err)
	}
	return c, nil
}
