package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"openchat/tests/harness"
	"openchat/web/gateway"
)

// Account is one account with its secrets, set up as in production: its customers' tokens
// are signed with Ed25519, and the gateways have the public key.
type Account struct {
	Args []string // the flags of its gateways

	IntegrationID  string
	Appkey         string
	DeskCredential string

	signer atomic.Pointer[gateway.Signer]
}

// accountID is every account's: each has gateways of its own.
const accountID = "ABCDEF"

// NewAccount makes the secrets of a new account, and puts what the gateways read of them
// into dir.
func NewAccount(dir string) (*Account, error) {
	a := &Account{IntegrationID: uuid.NewString(), Appkey: rand.Text(), DeskCredential: rand.Text()}
	use, err := a.NewKey(filepath.Join(dir, "customers.pem"))
	if err != nil {
		return nil, err
	}
	use()
	for name, text := range map[string][]byte{
		"appkey.txt": []byte(a.Appkey),
		"desk.txt":   []byte(a.DeskCredential),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	a.Args = []string{
		"--dist", "",
		"--tenant", accountID + ":" + a.IntegrationID + ":@" + filepath.Join(dir, "appkey.txt"),
		"--jwt-public-key", filepath.Join(dir, "customers.pem"),
		"--desk-credential", "@" + filepath.Join(dir, "desk.txt"),
	}
	return a, nil
}

// NewKey makes another key for customers' tokens and writes what gateways need of it, a
// --jwt-public-key, to the file. use has Token sign with it from then on.
func (a *Account) NewKey(file string) (use func(), err error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	signer, err := gateway.NewSigner(gateway.SignerConfig{
		PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), Issuer: "openchat", Audience: "openchat",
	})
	if err != nil {
		return nil, err
	}
	if der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return func() { a.signer.Store(signer) }, nil
}

// Token makes a token for a customer.
func (a *Account) Token(customer string, lifetime time.Duration) (string, error) {
	return a.signer.Load().Mint(gateway.Claims{
		CustomerID: customer, CustomerName: "Customer " + customer, Account: accountID, IntegrationID: a.IntegrationID, TTL: lifetime,
	})
}

// Desk returns a client of the account's desk at host.
func (a *Account) Desk(host string, client *http.Client) *harness.Desk {
	return &harness.Desk{URL: host, HTTP: client, Credential: a.DeskCredential}
}
