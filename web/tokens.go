package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"openchat/web/gateway"
)

// gatewayConfig is the gateway's part of the settings, without the store.
func (p *process) gatewayConfig(tenants []tenant) (gateway.Config, error) {
	c := gateway.Config{
		Issuer:            p.issuer,
		Audience:          p.audience,
		ServerCredential:  p.serverCredential,
		EnableGetJWT:      p.demo,
		AllowedOrigins:    p.origins,
		HeartbeatInterval: p.heartbeat,
		Logger:            p.log,
	}
	for _, t := range tenants {
		c.Tenants = append(c.Tenants, gateway.Tenant{Account: t.account, IntegrationID: t.integrationID, Appkey: t.appkey})
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
	p.signer = c.Signer
	return c, nil
}

// withTTL gives the tokens that next, POST /v1/getJWT, answers with another lifetime:
// what a test of expiring tokens needs, and no production server ever.
func withTTL(next http.Handler, signer *gateway.Signer, ttl time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &captured{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(a, r)
		body := a.body.Bytes()
		var tokens map[string]string
		if a.status == http.StatusOK && json.Unmarshal(body, &tokens) == nil {
			if token, err := mintAgain(signer, tokens["jwtToken"], ttl); err == nil {
				tokens["jwtToken"] = token
				if again, err := json.Marshal(tokens, json.Deterministic(true)); err == nil {
					body = again
				}
			}
		}
		if w.Header().Get("Content-Length") != "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(body) // an error means that the page has gone
	})
}

// mintAgain signs a token's claims with another end.
func mintAgain(signer *gateway.Signer, token string, ttl time.Duration) (string, error) {
	var c struct {
		jwt.RegisteredClaims
		Account       string            `json:"accountId"`
		IntegrationID string            `json:"integrationId"`
		CustomerName  string            `json:"customerName"`
		Verified      bool              `json:"verifiedCustomer"`
		Identifiers   map[string]string `json:"customerIdentifiers"`
	}
	// It comes from our own signer, a line ago.
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		return "", err
	}
	return signer.Mint(gateway.Claims{
		CustomerID: c.Subject, Account: c.Account, IntegrationID: c.IntegrationID, CustomerName: c.CustomerName,
		Identifiers: c.Identifiers, Verified: c.Verified, TTL: ttl,
	})
}

// captured is an answer that is not sent yet.
type captured struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *captured) WriteHeader(status int)      { c.status = status }
func (c *captured) Write(b []byte) (int, error) { return c.body.Write(b) }
func (c *captured) Unwrap() http.ResponseWriter { return c.ResponseWriter }
