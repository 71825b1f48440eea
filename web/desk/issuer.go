package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"openchat/web/jwks"
)

// IssuerConfig says which issuer's tokens agents sign in with (OpenID Connect Discovery 1.0).
type IssuerConfig struct {
	// Issuer is the tokens' iss, as the issuer writes it: an https URL without query and
	// fragment; http on a loopback address. Its discovery document is at
	// Issuer + "/.well-known/openid-configuration".
	Issuer string
	// Audience is what the tokens' aud must hold: a client id, or the name of this API.
	Audience string
	// Logger receives what could not be fetched. Nil discards it.
	Logger *slog.Logger
}

// Claims of an agent's token, besides iss, aud and exp, which it must have, and nbf and iat,
// which it may have.
const (
	ClaimAgentID  = "agentId"  // a UUID
	ClaimName     = "name"     // see Agent.Name
	ClaimRole     = "role"     // see Role
	ClaimAccounts = "accounts" // see Agent.Accounts
)

// Bounds of what an Issuer takes.
const (
	maxDiscovery  = 256 << 10       // bytes of a discovery document
	maxAgentToken = 16 << 10        // bytes of a token
	discoveryTime = 5 * time.Second // for one fetch of the document
	// discoveryFloor is the time between two fetches of the document for agents' calls.
	discoveryFloor = 10 * time.Second
	clockLeeway    = 30 * time.Second // how far the issuer's clock may be ahead; exp is not stretched
)

// Issuer verifies the tokens of agents who sign in at an OpenID Connect provider. Make one
// with NewIssuer and have Run read its keys. Its methods are safe for concurrent use.
type Issuer struct {
	cfg    IssuerConfig
	client *http.Client
	parser *jwt.Parser

	mu    sync.Mutex    // guards what follows; held while the document is fetched
	tried time.Time     // when the last fetch began; zero: there was none
	set   *jwks.Set     // nil: the document has not been read yet
	found chan struct{} // closed when set is there
}

// CheckIssuer says what is wrong with an issuer's URL, without fetching anything.
func CheckIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return errors.New("not the URL of an issuer: https://host/path, without a query")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("not an https URL")
	}
	if err := jwks.CheckSource(issuer); err != nil {
		return errors.New("not the URL of an issuer: https, or http on a loopback address, without a user or a fragment")
	}
	return nil
}

// NewIssuer checks cfg. It fetches nothing: Run and Verify do.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if err := CheckIssuer(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("desk: the issuer is %w", err)
	}
	if cfg.Audience == "" {
		return nil, errors.New("desk: an issuer needs an audience, or tokens for its other clients would be taken too")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Issuer{
		cfg:    cfg,
		found:  make(chan struct{}),
		client: jwks.NewClient(),
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwks.AlgorithmEdDSA, jwks.AlgorithmRS256, jwks.AlgorithmES256}), jwt.WithStrictDecoding(),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockLeeway),
			jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		),
	}, nil
}

// Load reads the discovery document and the keys now, or returns why that cannot be done. It is
// for an issuer that is configured while the desk is in use, before anybody depends on it.
func (i *Issuer) Load(ctx context.Context) error {
	set, err := i.keys(ctx)
	if err != nil {
		return err
	}
	return set.Load(ctx)
}

// Run reads the discovery document until it has it, then the keys regularly, until ctx ends.
// When a reading fails, the keys stay what they were.
func (i *Issuer) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-i.found:
			return i.set.Run(ctx)
		case <-t.C:
			if _, err := i.keys(ctx); err != nil {
				i.cfg.Logger.Warn("the agents' issuer could not be read; it is tried again", "issuer", i.cfg.Issuer, "error", err)
			}
			t.Reset(discoveryFloor)
		}
	}
}

// keys returns the issuer's keys; at first it fetches the discovery document.
func (i *Issuer) keys(ctx context.Context) (*jwks.Set, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.set != nil {
		return i.set, nil
	}
	if !i.tried.IsZero() && time.Since(i.tried) < discoveryFloor {
		return nil, errNoIssuer
	}
	i.tried = time.Now()
	ctx, cancel := context.WithTimeout(ctx, discoveryTime)
	defer cancel()
	text, err := jwks.Fetch(ctx, i.client, strings.TrimSuffix(i.cfg.Issuer, "/")+"/.well-known/openid-configuration", "application/json", maxDiscovery)
	if err != nil {
		return nil, fmt.Errorf("the discovery document could not be fetched: %w", err)
	}
	source, err := readDiscovery(text, i.cfg.Issuer)
	if err != nil {
		return nil, err
	}
	set, err := jwks.New(jwks.Config{Source: source, Logger: i.cfg.Logger})
	if err != nil {
		return nil, err
	}
	i.set = set
	close(i.found)
	return set, nil
}

var errNoIssuer = errors.New("the issuer's discovery document could not be read a moment ago")

// readDiscovery returns where an issuer's keys are. Its errors quote nothing of the text.
func readDiscovery(text []byte, issuer string) (source string, err error) {
	if len(text) > maxDiscovery {
		return "", fmt.Errorf("the discovery document has more than %d bytes", maxDiscovery)
	}
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return "", errors.New("the discovery document is not the JSON that is expected")
	}
	if document.Issuer != issuer {
		return "", errors.New("the discovery document is another issuer's; a slash at the end counts")
	}
	// The same rules: no file of this machine, and https but on loopback.
	if CheckIssuer(withoutQuery(document.Keys)) != nil {
		return "", errors.New("the discovery document's jwks_uri is not an https URL")
	}
	return document.Keys, nil
}

// withoutQuery returns a URL's text up to its query, which a jwks_uri may have.
func withoutQuery(text string) string {
	before, _, _ := strings.Cut(text, "?")
	return before
}

// agentClaims are the claims of an agent's token.
type agentClaims struct {
	jwt.RegisteredClaims
	AgentID  string   `json:"agentId"`
	Name     string   `json:"name"`
	Role     Role     `json:"role"`
	Accounts []string `json:"accounts"`
}

// Verify returns whom the token speaks for, and until when.
func (i *Issuer) Verify(ctx context.Context, token string) (Agent, time.Time, error) {
	if len(token) > maxAgentToken {
		return Agent{}, time.Time{}, errors.New("a token that is too long")
	}
	var failed error // of the issuer, not of the token
	var claims agentClaims
	_, err := i.parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
		var set *jwks.Set
		// A caller that goes away must not break off what others wait for.
		if set, failed = i.keys(context.WithoutCancel(ctx)); failed != nil {
			return nil, failed
		}
		kid, _ := t.Header["kid"].(string)
		var candidates jwt.VerificationKeySet
		for _, k := range set.Find(ctx, kid) {
			if k.Algorithm == t.Method.Alg() {
				candidates.Keys = append(candidates.Keys, k.Public)
			}
		}
		if len(candidates.Keys) == 0 {
			return nil, errors.New("no key")
		}
		return candidates, nil
	})
	switch {
	case err == nil:
		return Agent{ID: claims.AgentID, Name: claims.Name, Role: claims.Role, Accounts: claims.Accounts}, claims.ExpiresAt.Time, checkExpiry(claims.ExpiresAt.Time)
	case failed != nil:
		err = errors.New("a token whose issuer could not be read")
	case errors.Is(err, jwt.ErrTokenMalformed):
		err = errors.New("a token that is malformed")
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		err = errors.New("a token that no key of the issuer verifies")
	case errors.Is(err, jwt.ErrTokenExpired):
		err = errExpiredToken
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		err = errors.New("a token of another issuer")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		err = errors.New("a token for another audience")
	default:
		err = errors.New("a token whose claims are missing, or not valid yet")
	}
	return Agent{}, time.Time{}, err
}

var errExpiredToken = errors.New("a token that has expired")

// checkExpiry holds a token to its exp: the leeway is for the issuer's clock being ahead.
func checkExpiry(at time.Time) error {
	if !time.Now().Before(at) {
		return errExpiredToken
	}
	return nil
}
