package gateway

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"openchat/sdk/wire"
)

// What is wrong with the shape of a body or of a token's claims is said with the name of
// the value, and without the value.

// sealed signs any text as a token's claims.
func (w *environment) sealed(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"EdDSA","kid":"k1"}`)) + "." + encode([]byte(claims))
	return signed + "." + encode(ed25519.Sign(w.key, []byte(signed)))
}

// claims are good ones of ann, in which the members of more replace those of the same name.
func claimsWith(more string) string {
	now := time.Now()
	text := "{"
	for _, m := range [][2]string{
		{"iss", strconv.Quote(issuer)}, {"aud", strconv.Quote(audience)}, {"sub", `"ann"`}, {"accountId", strconv.Quote(account)},
		{"integrationId", strconv.Quote(integration)}, {"iat", fmt.Sprint(now.Unix())}, {"exp", fmt.Sprint(now.Add(time.Hour).Unix())},
	} {
		if !strings.Contains(more, `"`+m[0]+`":`) {
			text += `"` + m[0] + `":` + m[1] + ","
		}
	}
	return strings.TrimSuffix(text+more, ",") + "}"
}

// violation is the only one of a refusal.
func (r reply) violation(t *testing.T, what string, status int, field string) wire.Violation {
	t.Helper()
	p := r.problem()
	if r.status != status || len(p.Violations) != 1 || p.Violations[0].Field != field || p.Violations[0].Message == "" || p.Violations[0].Code == 0 {
		t.Errorf("%s: %d %s, want %d and the violation of %q alone", what, r.status, r.body, status, field)
		return wire.Violation{}
	}
	if !strings.Contains(p.Detail, field) || !strings.Contains(p.Detail, p.Violations[0].Message) {
		t.Errorf("%s: the detail %q does not say it", what, p.Detail)
	}
	return p.Violations[0]
}

// listOf is a JSON list of n strings of that length.
func listOf(n, length int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("é", length)+`",`, n), ",") + "]"
}

// keys is a JSON object of n keys with that value.
func keys(n int, value string) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf(`"key%d":%s`, i, value))
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestIdentifiers(t *testing.T) {
	w := newEnvironment(t)
	tokens := wire.BasePath + "/accounts/" + account + "/tokens"
	server := []string{"Authorization", "Bearer " + serverSecret, "appkey", appkey}
	for _, c := range []struct {
		name, identifiers string
		field             string // of the refusal; "" when it is accepted
	}{
		{"lists", `{"emailAddresses":["a@example.net"],"userId":["4711"]}`, ""},
		{"single strings", `{"emailAddresses":"a@example.net","userId":"4711"}`, ""},
		{"both", `{"emailAddresses":["a@example.net","b@example.net"],"userId":"4711"}`, ""},
		{"none", `null`, ""},
		{"a key without values", `{"userId":[]}`, ""},
		{"a key of null", `{"userId":null}`, ""},
		{"10 keys", keys(10, `["x"]`), ""},
		{"a key of 50 characters", `{"` + strings.Repeat("é", 50) + `":["x"]}`, ""},
		{"5 values of 256 characters", `{"userId":` + listOf(5, 256) + `}`, ""},
		{"a string of 256 characters", `{"userId":"` + strings.Repeat("é", 256) + `"}`, ""},

		{"no key", `{}`, "customerIdentifiers"},
		{"11 keys", keys(11, `["x"]`), "customerIdentifiers"},
		{"a key of 51 characters", `{"` + strings.Repeat("é", 51) + `":["x"]}`, "customerIdentifiers"},
		{"an empty key", `{"":["x"]}`, "customerIdentifiers"},
		{"6 values", `{"a":["x"],"userId":` + listOf(6, 1) + `}`, "customerIdentifiers.userId"},
		{"an empty value", `{"userId":["1","2",""]}`, "customerIdentifiers.userId[2]"},
		{"an empty string", `{"userId":""}`, "customerIdentifiers.userId"},
		{"a value of 257 characters", `{"userId":["1","` + strings.Repeat("é", 257) + `"]}`, "customerIdentifiers.userId[1]"},
		{"a string of 257 characters", `{"userId":"` + strings.Repeat("é", 257) + `"}`, "customerIdentifiers.userId"},
		{"a number in a list", `{"userId":["secret words","2",4711]}`, "customerIdentifiers.userId[2]"},
		{"a null in a list", `{"userId":["1",null]}`, "customerIdentifiers.userId[1]"},
		{"a list in a list", `{"userId":[["4711"]]}`, "customerIdentifiers.userId[0]"},
		{"a number", `{"userId":4711}`, "customerIdentifiers.userId"},
		{"an object", `{"userId":{"id":"4711"}}`, "customerIdentifiers.userId"},
		{"a list at once", `["4711"]`, "customerIdentifiers"},
		{"a string at once", `"secret words"`, "customerIdentifiers"},
	} {
		t.Run("INIT-3 "+c.name, func(t *testing.T) {
			body := `{"customerId":"ann","integrationId":"` + integration + `","customerIdentifiers":` + c.identifiers + `}`
			check := func(place string, r reply, good, bad int) {
				t.Helper()
				if c.field == "" {
					if r.status != good {
						t.Errorf("%s: %d %s", place, r.status, r.body)
					}
					return
				}
				r.violation(t, place, bad, c.field)
				if strings.Contains(string(r.body), "secret words") || strings.Contains(string(r.body), "4711") {
					t.Errorf("%s quotes the value: %s", place, r.body)
				}
			}
			check("getJWT", w.request("POST", "/v1/getJWT", "", body, "Origin", allowedOrigin), 200, 400)
			check("the tokens call", w.request("POST", tokens, "", body, server...), 201, 400)
			token := w.sealed(claimsWith(`"customerIdentifiers":` + c.identifiers))
			check("a token of the back end's own", w.call("GET", "/sessions/"+unknownID, token, ""), 404, 401)
			s := w.dial(unknownID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne})
			if c.field == "" {
				s.closed(wire.CloseSessionGone)
			} else if _, reason := s.closedWith(wire.CloseTokenRefused); !strings.Contains(reason, c.field) {
				t.Errorf("the stream closes with %q", reason)
			}
		})
	}
	t.Run("INIT-3 what is minted is what was posted", func(t *testing.T) {
		r := w.request("POST", "/v1/getJWT", "", `{"customerId":"ann","customerIdentifiers":{"b":["1","2"],"a":"3"}}`)
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(field(t, r.body, "jwtToken"), ".")[1])
		if err != nil || !strings.Contains(string(payload), `"customerIdentifiers":{"a":["3"],"b":["1","2"]}`) {
			t.Errorf("%s %v", payload, err)
		}
	})
	t.Run("INIT-3 more than a token holds", func(t *testing.T) {
		body := `{"customerId":"ann","customerIdentifiers":` + keys(10, listOf(5, 256)) + `}`
		v := w.request("POST", "/v1/getJWT", "", body).violation(t, "getJWT", 400, "customerIdentifiers")
		if !strings.Contains(v.Message, "8192") {
			t.Errorf("%+v", v)
		}
		w.request("POST", "/v1/getJWT", "", `{"customerId":"ann","customerName":"`+strings.Repeat("x", 8<<10)+`"}`).violation(t, "getJWT", 400, "customerName")
		w.request("POST", "/v1/getJWT", "", `{"customerId":"`+strings.Repeat("x", 257)+`"}`).violation(t, "getJWT", 400, "customerId")
	})
}

// A value of another type, in whatever body: 400 names it. What is no JSON is that.
func TestBodiesOfOtherShape(t *testing.T) {
	w := newEnvironment(t)
	c := w.chat("ann")
	tokens := wire.BasePath + "/accounts/" + account + "/tokens"
	at := wire.BasePath + "/engagements/" + c.e.EngagementID
	server := []string{"Authorization", "Bearer " + serverSecret, "appkey", appkey}
	for _, x := range []struct{ path, body, field string }{
		{wire.BasePath + "/sessions", `{"integrationId":["secret words"]}`, "integrationId"},
		{wire.BasePath + "/sessions", `{"integrationId":"` + integration + `","displayName":5}`, "displayName"},
		{wire.BasePath + "/sessions", `{"integrationId":"` + integration + `","sessionParameters":["secret words"]}`, "sessionParameters"},
		{wire.BasePath + "/sessions", `{"integrationId":"` + integration + `","sessionParameters":{"a":"b","model":["secret words"]}}`, "sessionParameters.model"},
		{wire.BasePath + "/sessions", `{"integrationId":"` + integration + `","correlationId":1}`, "correlationId"},
		{wire.BasePath + "/engagements", `{"sessionId":true}`, "sessionId"},
		{wire.BasePath + "/engagements", `{` + c.ids() + `,"engagementParameters":{"balance":100}}`, "engagementParameters.balance"},
		{at + ":join", `{"sessionId":"` + c.session.SessionID + `","dialogId":{}}`, "dialogId"},
		{at + ":disconnect", `{` + c.ids() + `,"reason":3}`, "reason"},
		{at + "/messages", `{` + c.ids() + `,"body":"secret words"}`, "body"},
		{at + "/messages", `{` + c.ids() + `,"body":{"elementText":"secret words"}}`, "body.elementText"},
		{at + "/messages", `{` + c.ids() + `,"body":{"elementText":{"text":["secret words"]}}}`, "body.elementText.text"},
		{at + "/messages", `{` + c.ids() + `,"body":{"elementText":{"text":"secret words"}},"parentMessageId":5}`, "parentMessageId"},
		{"/v1/getJWT", `{"customerId":4711}`, "customerId"},
		{"/v1/getJWT", `{"customerId":"ann","customerName":["secret words"]}`, "customerName"},
		{"/v1/getJWT", `{"customerId":"ann","verifiedCustomer":"true"}`, "verifiedCustomer"},
		{tokens, `{"customerId":"ann","integrationId":5}`, "integrationId"},
		{tokens, `{"customerId":"ann","integrationId":"` + integration + `","ttl":"15"}`, "ttl"},
		{tokens, `{"customerId":"ann","integrationId":"` + integration + `","ttl":1e400}`, "ttl"},
	} {
		call := func(body string) reply {
			if x.path == tokens {
				return w.request("POST", x.path, "", body, server...)
			}
			return w.request("POST", x.path, c.token, body)
		}
		r := call(x.body)
		r.violation(t, x.path+" "+x.body, 400, x.field)
		if p := r.problem(); !strings.HasSuffix(p.Type, "#constraint-violation") || strings.Contains(string(r.body), "secret words") {
			t.Errorf("%s %s: %s", x.path, x.body, r.body)
		}
		for _, body := range []string{
			x.body[:len(x.body)-1], x.body + "x", "{" + x.body, "", "x", `{"a":1,"a":2,` + x.body[1:], "{\"a\":\"\xff\"," + x.body[1:],
			`[]`, `"x"`, `5`, `true`,
		} {
			r := call(body)
			if p := r.problem(); r.status != 400 || !strings.HasSuffix(p.Type, "#bad-request") || len(p.Violations) != 0 {
				t.Errorf("%s %q: %d %s", x.path, body, r.status, r.body)
			}
		}
	}
}

// A token that a known key has signed, with claims that are of no use: the refusal names
// the claim, by REST and by the stream's close, and nothing of a token that nobody signed.
func TestClaimsAreNamed(t *testing.T) {
	w := newEnvironment(t)
	ms := fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())
	soon := fmt.Sprint(time.Now().Add(time.Hour).Unix())
	for _, c := range []struct {
		name, claims string
		status       int
		field, says  string
	}{
		{"exp in milliseconds", `"exp":` + ms, 401, "exp", "in seconds"},
		{"iat in milliseconds", `"iat":` + ms, 401, "iat", "in seconds"},
		{"nbf in milliseconds", `"nbf":` + ms, 401, "nbf", "in seconds"},
		{"exp of the first second that can only be milliseconds", `"exp":100000000000`, 401, "exp", "in seconds"},
		{"exp beyond all time", `"exp":1e300`, 401, "exp", "in seconds"},
		{"exp beyond all numbers", `"exp":1e400`, 401, "exp", "number"},
		{"exp below zero", `"exp":-1`, 401, "exp", "in seconds"},
		{"exp in quotes", `"exp":"` + soon + `"`, 401, "exp", "number"},
		{"exp as a date", `"exp":"2026-01-01T00:00:00Z"`, 401, "exp", "number"},
		{"no exp", `"exp":null`, 401, "exp", "null"},
		{"iat in quotes", `"iat":"` + soon + `"`, 401, "iat", "number"},
		{"iat ahead", `"iat":` + soon, 401, "iat", "future"},
		{"nbf ahead", `"nbf":` + soon, 401, "nbf", "future"},
		{"sub as a number", `"sub":4711`, 401, "sub", "string"},
		{"customerName as a list", `"customerName":["secret words"]`, 401, "customerName", "string"},
		{"verifiedCustomer as a string", `"verifiedCustomer":"true"`, 401, "verifiedCustomer", "true or false"},
		{"accountId as a list", `"accountId":["` + account + `"]`, 401, "accountId", "string"},
		{"aud as an object", `"aud":{}`, 401, "aud", "string"},
		{"aud as a list with a number", `"aud":["x",5]`, 401, "aud[1]", "string"},

		{"another issuer", `"iss":"secret words"`, 403, "iss", "issuer"},
		{"no issuer", `"iss":null`, 403, "iss", "null"},
		{"another audience", `"aud":["secret words"]`, 403, "aud", "audience"},
		{"no audience", `"aud":null`, 403, "aud", "null"},
		{"no sub", `"sub":null`, 403, "sub", "null"},
		{"an empty sub", `"sub":""`, 403, "sub", "null"},
		{"a long sub", `"sub":"` + strings.Repeat("é", 257) + `"`, 403, "sub", "256"},
		{"an account that is not served", `"accountId":"QQQQQQ"`, 403, "accountId", "served"},
		{"no account", `"accountId":null`, 403, "accountId", "null"},
		{"another account's integration", `"integrationId":"` + otherInt + `"`, 403, "integrationId", "served"},
		{"no integration", `"integrationId":null`, 403, "integrationId", "null"},
		{"a long identifier", `"customerIdentifiers":{"` + strings.Repeat("€", 50) + `":["` + strings.Repeat("x", 257) + `"]}`, 401, "customerIdentifiers." + strings.Repeat("€", 50) + "[0]", "256"},
	} {
		t.Run("INIT-3 "+c.name, func(t *testing.T) {
			token := w.sealed(claimsWith(c.claims))
			r := w.call("GET", "/sessions/"+unknownID, token, "")
			if v := r.violation(t, "REST", c.status, c.field); !strings.Contains(v.Message, c.says) {
				t.Errorf("%+v does not say %q", v, c.says)
			}
			if strings.Contains(string(r.body), "secret words") || strings.Contains(string(r.body), "QQQQQQ") {
				t.Errorf("REST quotes the claim: %s", r.body)
			}
			s := w.dial(unknownID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: token, Appkey: appkey, ClientID: clientOne})
			named := c.field
			if len(named) > 60 {
				named = named[:60] // there is room for 123 bytes
			}
			if _, reason := s.closedWith(wire.CloseTokenRefused); !strings.Contains(reason, named) || !utf8.ValidString(reason) {
				t.Errorf("the stream closes with %q", reason)
			}
			forged := token[:len(token)-8] + "AAAAAAAA"
			if r := w.call("GET", "/sessions/"+unknownID, forged, ""); r.status != 401 || len(r.problem().Violations) != 0 || strings.Contains(r.problem().Detail, c.field) {
				t.Errorf("of a token that nobody signed: %d %s", r.status, r.body)
			}
		})
	}
}

func TestAppkeyIsNamed(t *testing.T) {
	w := newEnvironment(t)
	good := w.token("ann")
	for _, c := range []struct{ name, token, key, field string }{
		{"wrong", good, "wrong", "appkey"},
		{"none", good, "", "appkey"},
		{"another tenant's", good, otherKey, "appkey"},
		{"wrong, and so is the account", w.sealed(claimsWith(`"accountId":"QQQQQQ"`)), "wrong", "accountId"},
	} {
		t.Run("INIT-4 "+c.name, func(t *testing.T) {
			w.call("GET", "/sessions/"+unknownID, c.token, "", "appkey", c.key).violation(t, "REST", 403, c.field)
			s := w.dial(unknownID)
			s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: c.token, Appkey: c.key, ClientID: clientOne})
			if _, reason := s.closedWith(wire.CloseTokenRefused); !strings.HasPrefix(reason, c.field+" ") {
				t.Errorf("the stream closes with %q", reason)
			}
		})
	}
	t.Run("INIT-4 in place", func(t *testing.T) {
		s, _ := w.session("ann").open(clientOne, 0)
		s.send(wire.ClientFrame{Type: wire.FrameAuthenticate, Token: good, Appkey: "wrong", ClientID: clientOne})
		if _, reason := s.closedWith(wire.CloseTokenRefused); !strings.HasPrefix(reason, "appkey ") {
			t.Errorf("the stream closes with %q", reason)
		}
	})
	t.Run("INIT-4 of a token that is refused itself nothing is said", func(t *testing.T) {
		for _, token := range []string{"", "x.y.z", good + "x", w.token("ann", holds(time.Nanosecond))} {
			if r := w.call("GET", "/sessions/"+unknownID, token, "", "appkey", "wrong"); r.status != 401 || strings.Contains(string(r.body), "appkey") {
				t.Errorf("%d %s", r.status, r.body)
			}
		}
	})
	t.Run("INIT-4 the tokens call", func(t *testing.T) {
		r := w.request("POST", wire.BasePath+"/accounts/"+account+"/tokens", "", `{"customerId":"ann","integrationId":"`+integration+`"}`,
			"Authorization", "Bearer "+serverSecret, "appkey", "wrong")
		r.violation(t, "POST tokens", 403, "appkey")
	})
	t.Run("INIT-4 no appkey", func(t *testing.T) {
		tokens := func(body string) reply {
			return w.request("POST", wire.BasePath+"/accounts/"+account+"/tokens", "", body, "Authorization", "Bearer "+serverSecret)
		}
		for _, r := range []reply{
			w.request("GET", wire.BasePath+"/sessions/"+unknownID, good, "", "appkey", ""),
			tokens(`{"customerId":"ann","integrationId":"` + integration + `"}`),
		} {
			r.violation(t, "no appkey", 403, "appkey")
			if p := r.problem(); !strings.Contains(p.Detail, "appkey is missing") || p.Violations[0].Message != "is missing" {
				t.Errorf("%s", r.body)
			}
		}
		// A body without its integration is wrong, whatever the appkey.
		tokens(`{"customerId":"ann"}`).violation(t, "no integrationId", 400, "integrationId")
		if r := tokens(`{"customerId":"ann","integrationId":"` + unknownID + `"}`); r.status != 404 || !ptr(r.problem()).Has("integrationId") {
			t.Errorf("an unknown integration: %d %s", r.status, r.body)
		}
	})
}

// Every answer that a page may read says when it was made and, where it has to be waited,
// for how long: the headers are there, and the page may read them.
func TestPagesReadDateAndRetryAfter(t *testing.T) {
	w := newEnvironment(t, func(c *Config) { c.RequestRate, c.RequestBurst = 0.01, 12 })
	c := w.session("ann")
	readable := func(name string, r reply, status int) {
		t.Helper()
		if _, err := http.ParseTime(r.header.Get("Date")); r.status != status || err != nil {
			t.Errorf("%s: %d with the date %q, not %d: %s", name, r.status, r.header.Get("Date"), status, r.body)
		}
		exposed := strings.Split(r.header.Get("Access-Control-Expose-Headers"), ", ")
		for _, h := range []string{"Date", "Retry-After"} {
			found := false
			for _, e := range exposed {
				found = found || e == h
			}
			if !found {
				t.Errorf("%s: a page may not read %s, but %q", name, h, exposed)
			}
		}
		if r.header.Get("Access-Control-Allow-Origin") != allowedOrigin {
			t.Errorf("%s: not for the page: %v", name, r.header)
		}
	}
	page := []string{"Origin", allowedOrigin}
	ask := func(method, path, token, body string) reply {
		t.Helper()
		return w.request(method, path, token, body, page...)
	}
	session := wire.BasePath + "/sessions/" + c.session.SessionID
	readable("200", ask("GET", session, c.token, ""), 200)
	readable("201", ask("POST", wire.BasePath+"/engagements", c.token, `{"sessionId":"`+c.session.SessionID+`"}`), 201)
	readable("400", ask("POST", wire.BasePath+"/engagements", c.token, `x`), 400)
	readable("401", ask("GET", session, "x", ""), 401)
	readable("403", w.request("GET", session, c.token, "", append([]string{"appkey", "wrong"}, page...)...), 403)
	readable("404", ask("GET", wire.BasePath+"/sessions/"+unknownID, c.token, ""), 404)
	readable("404 of a call that is not there", ask("GET", "/x", c.token, ""), 404)
	readable("another method", ask("PUT", session, c.token, ""), 404)
	readable("413", ask("POST", wire.BasePath+"/engagements", c.token, strings.Repeat(" ", wire.MaxBody+1)), 413)
	readable("a stream that is none", ask("GET", session+"/events", "", ""), 400)
	readable("getJWT", ask("POST", "/v1/getJWT", "", `{"customerId":"bob"}`), 200)
	readable("getJWT 400", ask("POST", "/v1/getJWT", "", `{"customerId":5}`), 400)
	readable("preflight", ask("OPTIONS", session, "", ""), 204)
	readable("preflight of getJWT", ask("OPTIONS", "/v1/getJWT", "", ""), 204)
	readable("204", ask("DELETE", session+"?"+url.Values{"reason": {"USER_CLOSED"}}.Encode(), c.token, ""), 204)
	var limited reply
	for range 20 {
		if limited = ask("GET", session, c.token, ""); limited.status == 429 {
			break
		}
	}
	readable("429", limited, 429)
	if limited.header.Get("Retry-After") == "" {
		t.Errorf("429 without Retry-After: %v", limited.header)
	}
	for range 20 {
		if limited = ask("POST", "/v1/getJWT", "", `{"customerId":"bob"}`); limited.status == 429 {
			break
		}
	}
	readable("getJWT 429", limited, 429)
	w.g.drain.Leave()
	going := ask("GET", session, c.token, "")
	readable("503", going, 503)
	if going.header.Get("Retry-After") == "" {
		t.Errorf("503 without Retry-After: %v", going.header)
	}
	readable("getJWT 503", ask("POST", "/v1/getJWT", "", `{"customerId":"bob"}`), 503)
}
