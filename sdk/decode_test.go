package sdk_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

func goodParams() string {
	payload := fmt.Sprintf(`{"sub":"ann","exp":%d}`, time.Now().Add(time.Hour).Unix())
	return `"hostURL":"https://chat.test/prefix/","integrationId":"00000000-0000-4000-8000-00000000000a","appkey":"k","token":"jwt.h.` +
		base64.RawURLEncoding.EncodeToString([]byte(payload)) + `.s"`
}

func TestDecodeInit(t *testing.T) {
	for _, c := range []struct {
		name, params, config string
		code                 sdk.Code // 0: none
		says                 string
	}{
		{"INIT-1 good", `{` + goodParams() + `}`, `{}`, 0, ""},
		{"INIT-5 good, more members", `{"x":1,"displayName":"Ann","sessionParameters":{"model":"ABC-123"},` + goodParams() + `}`, "", 0, ""},
		{"INIT-5 absent as null", `{"displayName":null,"sessionParameters":null,` + goodParams() + `}`, "", 0, ""},
		{"INIT-5 params missing", ``, "", 302, "object"},
		{"INIT-5 params null", `null`, "", 302, "object"},
		{"INIT-5 params a string", `"x"`, "", 302, "object"},
		{"INIT-5 params an array", `[]`, "", 302, "object"},
		{"INIT-1 hostURL a number", `{"hostURL":1}`, "", 301, "hostURL"},
		{"INIT-1 hostURL with a query", `{"hostURL":"https://a/?b"}`, "", 309, "query"},
		{"INIT-1 hostURL with a port that is none", `{"hostURL":"https://a:b"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with a port out of range", `{"hostURL":"https://a:65536"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with port 0", `{"hostURL":"https://a:0"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with a bracket that is not closed", `{"hostURL":"https://[::1"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with brackets around no address", `{"hostURL":"https://[a.example]"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with something after the brackets", `{"hostURL":"https://[::1]x"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL with a percent in its host", `{"hostURL":"https://a%zz/b"}`, "", 309, "hostURL"},
		{"INIT-1 hostURL an IPv6 address", `{"hostURL":"https://[::1]:8080/a"}`, "", 307, "UUID"},
		{"INIT-1 hostURL with an empty port and a path with a percent", `{"hostURL":"https://bücher.example:/a%20b"}`, "", 307, "UUID"},
		{"INIT-2 integrationId a number", `{"hostURL":"https://a","integrationId":7}`, "", 307, "UUID"},
		{"INIT-5 displayName a number", `{"displayName":1,` + goodParams() + `}`, "", 322, "displayName"},
		{"INIT-5 a value that is no string", `{"sessionParameters":{"a":"b","n":5},` + goodParams() + `}`, "", 322, "sessionParameters.n "},
		{"INIT-5 a null value", `{"sessionParameters":{"gone":null},` + goodParams() + `}`, "", 322, "sessionParameters.gone "},
		{"INIT-5 parameters an array", `{"sessionParameters":["a"],` + goodParams() + `}`, "", 322, "sessionParameters must"},
		{"INIT-5 a key of 65", `{"sessionParameters":{"` + strings.Repeat("k", 65) + `":""},` + goodParams() + `}`, "", 322, "64"},
		{"INIT-6 config a string", `{` + goodParams() + `}`, `"x"`, 303, "config"},
		{"INIT-6 config null", `{` + goodParams() + `}`, `null`, 303, "config"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := sdk.DecodeInit(c.params, c.config)
			if c.code == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, c.code)
			var e *sdk.Error
			if errors.As(err, &e) && !strings.Contains(e.Message, c.says) {
				t.Errorf("%q does not say %q", e.Message, c.says)
			}
		})
	}
}

// Each config value in turn, and what becomes of it, seen from outside: the warning
// that is logged.
func TestConfig(t *testing.T) {
	for _, c := range []struct{ name, config, warning string }{
		{"INIT-6 none", ``, "ACS-201"},
		{"INIT-6 empty", `{}`, ""},
		{"INIT-6 all in bounds", `{"reconnectionTimeout":300,"idleTimeout":3300,"idleShutdownGraceTimeout":120,"logLevel":"WARN"}`, ""},
		{"INIT-6 lowest", `{"reconnectionTimeout":120,"idleTimeout":300,"idleShutdownGraceTimeout":30}`, ""},
		{"INIT-6 idleTimeout 0", `{"idleTimeout":0}`, ""},
		{"INIT-6 reconnectionTimeout 119", `{"reconnectionTimeout":119}`, "ACS-207"},
		{"INIT-6 reconnectionTimeout 301", `{"reconnectionTimeout":301}`, "ACS-207"},
		{"INIT-6 reconnectionTimeout 0", `{"reconnectionTimeout":0}`, "ACS-207"},
		{"INIT-6 reconnectionTimeout text", `{"reconnectionTimeout":"200"}`, "ACS-207"},
		{"INIT-6 idleTimeout 299", `{"idleTimeout":299}`, "ACS-208"},
		{"INIT-6 idleTimeout 3301", `{"idleTimeout":3301}`, "ACS-208"},
		{"INIT-6 idleTimeout negative", `{"idleTimeout":-1}`, "ACS-208"},
		{"INIT-6 idleTimeout null", `{"idleTimeout":null}`, "ACS-208"},
		{"INIT-6 grace 29", `{"idleShutdownGraceTimeout":29}`, "ACS-209"},
		{"INIT-6 grace 121", `{"idleShutdownGraceTimeout":121}`, "ACS-209"},
		{"INIT-6 logLevel unknown", `{"logLevel":"LOUD"}`, "ACS-210"},
		{"INIT-6 logLevel number", `{"logLevel":1}`, "ACS-210"},
	} {
		t.Run(c.name, func(t *testing.T) {
			platform(t, sdktest.Options{}, func(t *testing.T, p *sdktest.Platform) {
				g := newPage(t, p, p.Storage())
				g.c.SetLogLevel(sdk.LogWarn)
				_, config, _, err := sdk.DecodeInit(`{`+goodParams()+`}`, c.config)
				if err != nil {
					t.Fatal(err)
				}
				_, err = g.tryInit(p.Params(sdktest.Claims{}), config)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				var warned []string
				for _, line := range g.logs {
					if strings.HasPrefix(line, "ACS-2") {
						warned = append(warned, line[:7])
					}
				}
				if got := strings.Join(warned, " "); got != c.warning {
					t.Errorf("warned %q, want %q", got, c.warning)
				}
				g.end()
			})
		})
	}
}
