package wire

import (
	"bytes"
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzJSON holds the reader and the writer of this package against those of package
// jsontext, which the gateway uses.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-0.0e-0`, `01`, `-`, `1.`, `.5`, `1e`, `1E+9`, `1e99999`, `true`, `nul`, `nullx`, ``, ` `, "\x00", "{}\x00",
		` { "a" : [ 1 , "b" , null , true , { } , [ ] ] } `, `{"a":1,}`, `[1,]`, `[,]`, `{,}`, `{"a"}`, `{"a":}`, `{a:1}`, `[1 2]`, `{"a":1 "b":2}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":2}}`, `[{"a":1,"a":1}]`, `]`, `}`, `{"a":1]`, `[1}`, `[[[[`,
		`"\"\\\/\b\f\n\r\t"`, `"\x"`, `"\u12"`, `"\u00zz"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ud83d\ud83d\ude00"`,
		"\"\x1f\"", "\"\xff\"", "\"a\xc3\"", "\"\xed\xa0\x80\"", "\"ü😀\u2028\x7f\"", "\ufeff{}", `"`, `"\`, `"a`,
		"[1.005]", "[-2.5e3,1e-3,123456789012345678901234567890,0.0000000001,1e-9999999999]",
	} {
		f.Add([]byte(text))
	}
	for n := range 40 { // more names than are looked at one by one
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`"n%d":%d`, i, i)
		}
		f.Add([]byte("{" + strings.Join(list, ",") + "}"))
		f.Add([]byte("{" + strings.Join(append(list, `"n0":0`), ",") + "}"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > maxDepth {
			return
		}
		reads := func(r *decoder) error {
			r.text = text
			r.skip()
			return r.end()
		}
		strict := reads(&decoder{})
		if want := jsontext.Value(text).IsValid(); (strict == nil) != want {
			t.Fatalf("%q: %v, and jsontext says %v", text, strict, want)
		}
		repeated := reads(&decoder{repeats: true})
		if want := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)); (repeated == nil) != want {
			t.Fatalf("%q with names twice: %v, and jsontext says %v", text, repeated, want)
		}
		lenient := reads(&decoder{lenient: true})
		if want := jsontext.Value(text).IsValid(jsontext.AllowInvalidUTF8(true)); (lenient == nil) != want {
			// Names that differ in what is no UTF-8 alone are the same to us.
			if utf8.Valid(text) && !bytes.Contains(text, []byte(`\u`)) || want == (strict == nil) && want {
				t.Fatalf("%q with what is no UTF-8: %v, and jsontext says %v", text, lenient, want)
			}
		}
		if lenient == nil {
			v := Value(bytes.TrimSpace(text))
			if got, ok := v.Text(); ok {
				want, _ := jsontext.AppendUnquote(nil, []byte(v))
				if got != string(want) {
					t.Fatalf("%q is %q, and jsontext says %q", v, got, want)
				}
			}
			if got, ok := v.Thousandths(); ok {
				checkThousandths(t, string(v), got)
			}
		}
		quoted := AppendQuote([]byte("x"), string(text))
		want, _ := jsontext.AppendQuote([]byte("x"), string(text))
		if !bytes.Equal(quoted, want) {
			t.Fatalf("%q is written %q, and jsontext says %q", text, quoted, want)
		}
	})
}

func checkThousandths(t *testing.T, text string, got int64) {
	t.Helper()
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if e, err := strconv.Atoi(text[i+1:]); err != nil || e > 400 || e < -400 {
			return // more than big.Rat is to be troubled with
		}
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is no number, and has %d thousandths", text, got)
	}
	exact.Mul(exact, big.NewRat(1000, 1))
	n := new(big.Int).Quo(exact.Num(), exact.Denom()) // towards zero
	switch most := big.NewInt(maxThousandths); {
	case n.CmpAbs(most) >= 0:
		n = new(big.Int).Mul(most, big.NewInt(int64(n.Sign())))
	}
	// More digits than an int64 holds are cut off, and may cost the last thousandth.
	if d := new(big.Int).Sub(n, big.NewInt(got)); d.CmpAbs(big.NewInt(16)) > 0 || len(text) < 16 && d.Sign() != 0 {
		t.Fatalf("%s has %d thousandths, not %v", text, got, n)
	}
}

func TestMembers(t *testing.T) {
	m, ok := Members(" {\"a\" : [1, {\"b\":2}] ,\"c\":\"\\ud800\xff\", \"n\":null,\"t\":1.5}\n")
	if !ok || m["a"] != `[1, {"b":2}]` || !m["n"].Null() || !m["none"].Null() {
		t.Fatalf("%q, %v", m, ok)
	}
	if s, ok := m["c"].Text(); !ok || s != "\uFFFD\uFFFD" {
		t.Errorf("%q, %v", s, ok)
	}
	if s, ok := m["a"].Text(); ok {
		t.Errorf("an array's text is %q", s)
	}
	if n, ok := m["t"].Thousandths(); !ok || n != 1500 {
		t.Errorf("%d, %v", n, ok)
	}
	if n, ok := m["c"].Thousandths(); ok {
		t.Errorf("a string's thousandths are %d", n)
	}
	for _, text := range []string{"", "null", "[]", "{", `{"a":1}x`, `{"a":1,"a":2}`} {
		if m, ok := Members(text); ok {
			t.Errorf("%q has the members %q", text, m)
		}
	}
}

func TestDeep(t *testing.T) {
	for _, n := range []int{maxDepth, maxDepth + 1, 1 << 20} {
		r := newDecoder([]byte(strings.Repeat("[", n) + strings.Repeat("]", n)))
		r.skip()
		if err := r.end(); (err == nil) != (n <= maxDepth) {
			t.Errorf("%d deep: %v", n, err)
		}
	}
}

// A reader may use the bytes of a frame again once it is decoded, whatever its strings are parts of.
func TestFramesAreCopied(t *testing.T) {
	for _, text := range []string{
		string(typical()),
		`{"type":"event","id":"7","event":{"eventType":"MESSAGES","messageId":"a\u0062c","body":{"elementText":{"text":"say \"hello\""}},"senderParticipantName":"Zoë"}}`,
		`{"type":"event","id":"8","event":{"eventType":"PARTICIPANT_ADDED","engagementId":"one","participantId":"two","displayName":"Bo"}}`,
		`{"type":"ready","lastEventId":"9","resumed":true}`,
	} {
		want, err := DecodeServerFrame([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		frame := []byte(text)
		got, err := DecodeServerFrame(frame)
		if err != nil {
			t.Fatal(err)
		}
		clear(frame)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if m := got.Event.Message; m != nil && m.SenderParticipantName == "Zoë" && (m.MessageID != "abc" || m.Body.Text != `say "hello"`) {
			t.Errorf("escaped strings are %q and %q", m.MessageID, m.Body.Text)
		}
	}
}
