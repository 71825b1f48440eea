package harness

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// TokenOptions of a token. The zero value is what the demo hands out.
type TokenOptions struct {
	TTL time.Duration // 0: the demo's own
}

// InitParams are init's parameters for a customer.
func (w *Environment) InitParams(t *testing.T, customer string, o TokenOptions) map[string]any {
	t.Helper()
	token, appkey := w.Token(t, customer, o)
	var c jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"token": token, "appkey": appkey, "integrationId": c["integrationId"]}
}

// Token gets a token for a customer from the demo's back end. One of another lifetime
// is the same, signed anew.
func (w *Environment) Token(t *testing.T, customer string, o TokenOptions) (token, appkey string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"customerId": customer, "customerName": "Customer " + customer})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(w.Gateway.URL+"/v1/getJWT", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("getJWT: %s %s %v", r.Status, text, err)
	}
	var a struct{ JWTToken, Appkey string }
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if o.TTL == 0 {
		return a.JWTToken, a.Appkey
	}
	claims := jwt.MapClaims{}
	if _, err := jwt.ParseWithClaims(a.JWTToken, claims, func(*jwt.Token) (any, error) { return []byte(TokenSecret), nil }); err != nil {
		t.Fatalf("getJWT's token: %v", err)
	}
	claims["exp"] = time.Now().Add(o.TTL).Unix()
	claims["jti"] = uuid.NewString()
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(TokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token, a.Appkey
}

// UnsignedToken returns a token that the SDK takes, for a StandIn, which verifies none. It
// is good for an hour.
func UnsignedToken(integrationID string) string {
	claims, err := json.Marshal(map[string]any{
		"sub": "c1", "integrationId": integrationID, "customerName": Customer.DisplayName, "exp": time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
}
