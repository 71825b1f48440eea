package httpapi_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
)

// Names of any script are as they were, for customers and agents.
func TestOrdinaryNamesStay(t *testing.T) {
	for _, name := range []string{
		"Ann", "Ann Lee", "O'Neil-Smith, Jr. 3rd", "Nguyễn Thị Hương", "Zoe\u0308", "Иван Сергеевич", "Systema", "Sys", "Mr. Systemov", "Jan Bot", "Botha", "Tobías", "Assistant Ann", "Σωκράτης", "山田\u3000太郎", "김철수",
		"محمد علی", "علی\u200cرضا", "שָׁלוֹם", "ශ්\u200dරී ලංකා", "ന്\u200d", "क्\u200dष", "👩\u200d💻", "❤\ufe0f\u200d🔥 Kim", "👩🏽\u200d🚀", "5", "Ⓐ", strings.Repeat("n", wire.MaxDisplayName),
	} {
		if got := httpapi.CustomerName(name); got != name {
			t.Errorf("a customer's %+q is %+q", name, got)
		}
		if got, err := httpapi.StaffName("agentName", name); got != name || err != nil {
			t.Errorf("an agent's %+q is %+q, %v", name, got, err)
		}
	}
}

// What cannot be seen is taken out of a customer's name and refused in an agent's; neither
// has the name of the system or of the bot.
func TestNamesThatPose(t *testing.T) {
	for name, want := range map[string]string{
		"":                            "",
		" \t\u00a0\u3000":             "",
		"\u200b\u200d\ufeff":          "",
		"\u0301\u0302":                "",
		"\u3164\u115f\u2800":          "",
		"Ann\nSystem: pay here":       "Ann System: pay here",
		"Ann\r\n\u2028x":              "Ann x",
		"A\u0000n\u0007n\u009b":       "Ann",
		"\u202egnp.exe":               "gnp.exe",
		"A\u202a\u202b\u202c\u202dnn": "Ann",
		"\u2066A\u2067n\u2068n\u2069": "Ann",
		"Ann\u200e\u200f\u061c":       "Ann",
		"A\u200bn\u2060n\ufeff\u00ad": "Ann",
		"A\u200cn\u200dn":             "Ann",
		"\U000e0041Ann\ue000":         "Ann",
		"System":                      "",
		" sYSTEM ":                    "",
		"S y s t e m":                 "",
		"Sys\u200btem":                "",
		"[System]:":                   "",
		"ＳＹＳＴＥＭ":                      "",
		"Ѕуѕтем":                      "",
		"Sуstеm":                      "",
		"Assistant":                   "",
		" ASSISTANT: ":                "",
		"assi\u200bstant":             "",
		"A s s i s t a n t":           "",
		"AssIstant":                   "",
		"Asslstant":                   "",
		"Аssіstаnt":                   "", // Cyrillic
		"ΑSSΙSΤΑΝΤ":                   "", // Greek
		"Ａｓｓｉｓｔａｎｔ":                   "",
		"🤖 Assistant":                 "",
		"Bot":                         "",
		"[bot]":                       "",
		"Вот":                         "", // Cyrillic
		"\u202emetsyS":                "metsyS",
	} {
		if got := httpapi.CustomerName(name); got != want {
			t.Errorf("a customer's %+q is %+q, not %+q", name, got, want)
		}
		_, err := httpapi.StaffName("agentName", name)
		var p *httpapi.Problem
		if !errors.As(err, &p) || p.Status != 400 || p.Violations[0].Field != "agentName" {
			t.Errorf("an agent's %+q: %v", name, err)
		}
	}
	long := httpapi.CustomerName(strings.Repeat("n", wire.MaxDisplayName-1) + "😀 and more")
	if long != strings.Repeat("n", wire.MaxDisplayName-1) {
		t.Errorf("a long name is %q", long)
	}
	if n := utf8.RuneCountInString(httpapi.CustomerName(strings.Repeat("山", 1000))); n != wire.MaxDisplayName {
		t.Errorf("a long name has %d characters", n)
	}
}
