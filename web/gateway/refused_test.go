package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"openchat/sdk/wire"
)

func TestGuessesOfOneAddressAreLimitedAndLogged(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.FailureRate, c.FailureBurst = 0.0001, 20 })
	good := w.token("ann")
	statuses := map[int]int{}
	for i := range 100 {
		statuses[w.call("GET", "/sessions/"+unknownID, fmt.Sprintf("guess.number.%d", i), "").status]++
	}
	if statuses[http.StatusUnauthorized] != 20 || statuses[http.StatusTooManyRequests] != 80 {
		t.Errorf("%v", statuses)
	}
	w.taken("a good token of the same address", good, appkey)
	s := w.dial(unknownID)
	s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: "another.guess.", Appkey: appkey, ClientID: clientOne})
	s.closed(wire.CloseTooMuch)
	r := w.request("POST", wire.BasePath+"/accounts/"+account+"/tokens", "", "{}", "Authorization", "Bearer "+strings.Repeat("x", 20))
	if r.status != http.StatusTooManyRequests || r.header.Get("Retry-After") == "" {
		t.Errorf("a guess at the server credential: %d", r.status)
	}
	w.stop()
	if n := strings.Count(w.log.String(), "authentication failed"); n < 1 || n > 8 {
		t.Errorf("%d lines about it:\n%s", n, w.log)
	}
}

func TestTheLogSaysWhySignedTokensAreRefused(t *testing.T) {
	key, public := newKey(t)
	w := newEnvironment(t, func(c *Config) { c.Keys = []Key{{ID: "mine", PEM: public, Accounts: []string{account}}} })
	page := []string{"Origin", allowedOrigin}
	for range 5 {
		w.call("GET", "/sessions/"+unknownID, w.token("ann"), "", append(page, "appkey", "wrong")...)
		w.call("GET", "/sessions/"+unknownID, signedBy(t, key, "mine", func(c jwt.MapClaims) { c["iss"] = "https://another.example" }), "", page...)
		w.call("GET", "/sessions/"+unknownID, signedBy(t, key, "yours"), "", page...)
	}
	text := w.log.String()
	for _, want := range []string{
		`"claim":"appkey","why":"is not that of the token's account and integration","of":"` + account + ` ` + integration + `","origin":"` + allowedOrigin + `"`,
		`"claim":"iss","why":"is not the issuer that is expected here","of":"","origin":"` + allowedOrigin + `"`,
		`"refused":"for a customer: a token of an unknown key","kid":"\"yours\""`,
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%s is there %d times in:\n%s", want, strings.Count(text, want), text)
		}
	}
}
