package wire_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/sdk/wire/schema"
	"openchat/sdk/wire/wiretest"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew")

// goldenTypes are all types that have a codec.
var goldenTypes = []any{
	wire.Session{}, wire.Engagement{}, wire.Message{}, wire.MessagePage{}, wire.CreateSession{}, wire.CreateEngagement{},
	wire.EngagementCall{}, wire.SendMessage{}, wire.Problem{}, wire.ClientFrame{}, wire.ServerFrame{}, wire.Event{},
}

// discriminators returns the values that the member named Type of a struct can have, and
// one more; of a struct without one, "".
func discriminators(t *testing.T, name string) (list []string) {
	t.Helper()
	packages, err := schema.Load("wire", ".")
	if err != nil {
		t.Fatal(err)
	}
	s := packages[0].Struct(name)
	if s.Discriminator == nil {
		return []string{""}
	}
	for _, c := range s.Values(packages[0]) {
		list = append(list, c.Value)
	}
	return append(list, "OTHER")
}

var goldenDecoders = map[string]func([]byte) (any, error){
	"Session":          decodesAny(wire.DecodeSession),
	"Engagement":       decodesAny(wire.DecodeEngagement),
	"Message":          decodesAny(wire.DecodeMessage),
	"MessagePage":      decodesAny(wire.DecodeMessagePage),
	"CreateSession":    decodesAny(wire.DecodeCreateSession),
	"CreateEngagement": decodesAny(wire.DecodeCreateEngagement),
	"EngagementCall":   decodesAny(wire.DecodeEngagementCall),
	"SendMessage":      decodesAny(wire.DecodeSendMessage),
	"Problem":          decodesAny(wire.DecodeProblem),
	"ClientFrame":      decodesAny(wire.DecodeClientFrame),
	"ServerFrame":      decodesAny(wire.DecodeServerFrame),
	"Event":            decodesAny(wire.DecodeEvent),
}

func decodesAny[T any](decode func([]byte) (T, error)) func([]byte) (any, error) {
	return func(text []byte) (any, error) { return decode(text) }
}

var filler = wiretest.Filler{
	Time:     func(name string) time.Time { return day.Add(time.Duration(len(name)) * time.Millisecond) },
	Duration: func(name string) time.Duration { return time.Duration(len(name)) * time.Second },
	Map:      func(name string) map[string]string { return map[string]string{"b": name, "a": "", "<\n": "é"} },
}

// goldenRecord is what the package makes of one value: its JSON, and what is read in that.
func goldenRecord(t *testing.T, name string, v reflect.Value) (record string, text []byte) {
	t.Helper()
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	text = p.Interface().(interface{ Append([]byte) []byte }).Append(nil)
	if !json.Valid(text) {
		t.Errorf("%s: no JSON: %s", name, text)
	}
	return name + "\n\t" + string(text) + "\n" + goldenRead(t, v.Type().Name(), text, v.Interface()), text
}

// goldenRead is what is read in a text, or "same" for what it was made of.
func goldenRead(t *testing.T, typeName string, text []byte, from any) string {
	t.Helper()
	got, err := goldenDecoders[typeName](text)
	if err != nil {
		t.Errorf("%s: %v in %s", typeName, err, text)
	}
	if reflect.DeepEqual(got, from) {
		return "\tsame\n"
	}
	// By way of a map, so that the order of a struct's fields is of no account.
	var value any
	shown, err := json.Marshal(got)
	if err == nil {
		err = json.Unmarshal(shown, &value)
	}
	if err == nil {
		shown, err = json.Marshal(value)
	}
	if err != nil {
		t.Error(err)
	}
	return "\t" + string(shown) + "\n"
}

// TestGolden compares every type, with all its members, without each, and with each
// alone, with what testdata/golden.txt has: the bytes, and what is read in them. Run it
// with -update after a change of the protocol, and look at the difference.
func TestGolden(t *testing.T) {
	var all strings.Builder
	for _, g := range goldenTypes {
		whole := reflect.TypeOf(g)
		union := map[string]json.RawMessage{}
		types := discriminators(t, whole.Name())
		for _, discriminator := range types {
			add := func(name string, v reflect.Value) {
				if discriminator != "" {
					v.FieldByName("Type").SetString(discriminator)
					name += " of " + discriminator
				}
				record, text := goldenRecord(t, whole.Name()+" "+name, v)
				all.WriteString(record)
				members := map[string]json.RawMessage{}
				if err := json.Unmarshal(text, &members); err != nil {
					t.Error(err)
				}
				for name, value := range members {
					if len(value) > len(union[name]) {
						union[name] = value
					}
				}
			}
			empty := func() reflect.Value { return reflect.New(whole).Elem() }
			full := func() reflect.Value {
				v := empty()
				filler.Fill(v, whole.Name())
				if m := v.FieldByName("Message"); m.IsValid() {
					m.SetZero() // it replaces other members
				}
				return v
			}
			add("full", full())
			add("empty", empty())
			for _, name := range fieldNames(whole) {
				if name != "Type" {
					v := empty()
					filler.Fill(v.FieldByName(name), name)
					add("with "+name, v)
					if discriminator == "" {
						v = full()
						v.FieldByName(name).SetZero()
						add("without "+name, v)
					}
				}
			}
		}
		// Readers take every member, of whatever discriminator.
		for _, discriminator := range types {
			if discriminator == "" {
				continue
			}
			name := map[bool]string{true: "eventType", false: "type"}[whole.Name() == "Event"]
			union[name] = json.RawMessage(strconv.Quote(discriminator))
			text, err := json.Marshal(union)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(whole.Name() + " of " + discriminator + " with every member\n" + goldenRead(t, whole.Name(), text, nil))
		}
	}
	checkGolden(t, all.String())
}

// fieldNames returns them in an order that does not depend on that of the fields.
func fieldNames(of reflect.Type) (list []string) {
	for i := range of.NumField() {
		list = append(list, of.Field(i).Name)
	}
	slices.Sort(list)
	return list
}

func checkGolden(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	if slices.Equal(gotLines, wantLines) {
		return
	}
	if len(gotLines) != len(wantLines) {
		t.Errorf("%d lines, golden.txt has %d", len(gotLines), len(wantLines))
	}
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Fatalf("line %d\n%s, golden.txt has\n%s", i+1, gotLines[i], wantLines[i])
		}
	}
}
