package meta

import (
	"fmt"
	"go/constant"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"openchat/sdk/wire/schema"
)

// These tests compare docs/protocol.md and the types with the schema: the structs of
// sdk/wire and sdk, and their tags.

func loadSchema(t *testing.T, key string, directories ...string) []*schema.Package {
	t.Helper()
	packages, err := schema.Load(key, directories...)
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// spelledOut returns the names of all members in the order in which they are written, those
// of structs in it after their own name.
func spelledOut(packages []*schema.Package, name string) (list []string) {
	outer := ""
	for _, f := range schema.Lookup(packages, name).Fields {
		if f.Outer != outer {
			if outer = f.Outer; outer != "" {
				list = append(list, outer)
			}
		}
		if f.Member != "" {
			list = append(list, f.Member)
		}
		if f.Kind == schema.Object || f.Kind == schema.List {
			list = append(list, spelledOut(packages, f.Named)...)
		}
	}
	return list
}

// names returns the names of members in a text like {a, b?: [{c}]}.
func names(text string) []string {
	return regexp.MustCompile(`[A-Za-z]+`).FindAllString(text, -1)
}

func TestDocsProtocolBodies(t *testing.T) {
	text := document(t, "protocol.md")
	packages := loadSchema(t, "wire", "../../sdk/wire")
	for _, c := range []struct{ at, of string }{
		{"- Session: `({[^`]*})`", "Session"},
		{"- Engagement: `({[^`]*})`", "Engagement"},
		{"- Message: `({[^`]*})`", "Message"},
		{"\\| `POST /sessions` \\| `({[^`]*})`", "CreateSession"},
		{"\\| `POST /engagements` \\| `({[^`]*})`", "CreateEngagement"},
		{"\\| `POST /engagements/{id}:disconnect` \\| `({[^`]*})`", "EngagementCall"},
		{"9457\\): `({[^`]*})`", "Problem"},
		{"Client, within 5 s: `({[^`]*})", "ClientFrame"},
	} {
		m := regexp.MustCompile(c.at).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("protocol.md has no %s", c.of)
			continue
		}
		got := slices.DeleteFunc(names(m[1]), func(word string) bool { return word == "authenticate" })
		if want := spelledOut(packages, "wire."+c.of); !slices.Equal(got, want) {
			t.Errorf("protocol.md says that a %s is\n%q, the struct\n%q", c.of, got, want)
		}
	}
	// These are a part of their structs.
	for _, c := range []struct{ at, of string }{
		{"\\| 200 `({messages[^`]*})`", "MessagePage"},
		{"\\| `POST /engagements/{id}:join` \\| `({[^`]*})`", "EngagementCall"},
		{"\\| `POST /engagements/{id}/messages` \\| `({[^`]*})`", "SendMessage"},
		{"Server: `({\"type\":\"ready\"[^`]*})`", "ServerFrame"},
	} {
		m := regexp.MustCompile(c.at).FindStringSubmatch(text)
		if m == nil {
			t.Errorf("protocol.md has no part of %s", c.of)
			continue
		}
		want := append(spelledOut(packages, "wire."+c.of), "ready", "true", "false")
		for _, name := range names(m[1]) {
			if !slices.Contains(want, name) {
				t.Errorf("protocol.md says that a %s has %s, the struct has %q", c.of, name, want)
			}
		}
	}
	ready := []string{"type"}
	for _, f := range packages[0].Struct("ServerFrame").With("FrameReady") {
		ready = append(ready, f.Member)
	}
	documented := names(regexp.MustCompile("Server: `({\"type\":\"ready\"[^`]*})`").FindString(text))
	for _, member := range ready {
		if !slices.Contains(documented, member) {
			t.Errorf("protocol.md does not say that a ready frame has %s", member)
		}
	}
}

// Each event's further members are those that the schema has of its type.
func TestDocsProtocolEvents(t *testing.T) {
	packages := loadSchema(t, "wire", "../../sdk/wire")
	event := packages[0].Struct("Event")
	documented := map[string][]string{}
	for _, cells := range tableRows(sections(document(t, "protocol.md"))["Events"]) {
		if len(cells) != 3 {
			t.Fatalf("protocol.md: %q is no event with its members and what the page receives", cells)
		}
		for _, name := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(cells[0], -1) {
			documented[name[1]] = []string{} // a type without members
			for _, member := range regexp.MustCompile("`([a-zA-Z]+)\\??`").FindAllStringSubmatch(cells[1], -1) {
				documented[name[1]] = append(documented[name[1]], member[1])
			}
			if cells[1] == "a Message's members" {
				documented[name[1]] = nil
			}
		}
	}
	if len(documented) != len(event.Values(packages[0])) {
		t.Errorf("protocol.md has %d events, the schema %d", len(documented), len(event.Values(packages[0])))
	}
	for _, c := range event.Values(packages[0]) {
		var want []string
		for _, f := range event.With(c.Name) {
			switch {
			case f.Kind == schema.Pointer:
				if documented[c.Value] != nil {
					t.Errorf("protocol.md does not say that %s has a Message's members", c.Value)
				}
			case f.Inline:
				for _, inner := range schema.Lookup(packages, f.Named).Fields {
					want = append(want, inner.Member)
				}
			default:
				want = append(want, f.Member)
			}
		}
		got := slices.DeleteFunc(slices.Clone(documented[c.Value]), func(member string) bool {
			return member == "sessionId" // to whom it goes, whatever the type
		})
		if !sameWords(got, want) {
			t.Errorf("protocol.md says that %s has %q, the schema %q", c.Value, got, want)
		}
	}
}

func TestDocsProtocolCodes(t *testing.T) {
	text, p := document(t, "protocol.md"), load(t, "sdk/wire")
	closes, problems := map[string]bool{}, map[string]bool{}
	for _, name := range p.checked.Scope().Names() {
		value := p.constantOf(name)
		switch {
		case strings.HasPrefix(name, "Close") && value != nil:
			code, _ := constant.Int64Val(value)
			closes[strconv.FormatInt(code, 10)] = true
		case strings.HasPrefix(name, "Problem") && value != nil:
			problems[constant.StringVal(value)] = true
		}
	}
	gotCloses, gotProblems := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([0-9, ]+) \| [^|]* \| [^|]* \|$`).FindAllStringSubmatch(text, -1) {
		for _, code := range strings.Split(m[1], ", ") {
			if len(code) == 4 {
				gotCloses[code] = true
			}
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| [0-9a-z ]+ \\| `([a-z-]+)` \\|").FindAllStringSubmatch(text, -1) {
		gotProblems[m[1]] = true
	}
	if !maps.Equal(gotCloses, closes) {
		t.Errorf("protocol.md has the close codes %v, the constants are %v", gotCloses, closes)
	}
	if !maps.Equal(gotProblems, problems) {
		t.Errorf("protocol.md has the kinds of problems %v, the constants are %v", gotProblems, problems)
	}
}

// The types declare the members that pages receive, of each event and each object.
func TestTypesAreOfTheSchema(t *testing.T) {
	packages := loadSchema(t, "page", "../../sdk/wire", "../../sdk")
	members, payloads := declarations(t)
	core := packages[1]
	// shown returns the fields as members with "?" where they are optional.
	var shown func(fields []*schema.Field, constant string) map[string]bool
	shown = func(fields []*schema.Field, constant string) map[string]bool {
		found := map[string]bool{}
		for _, f := range fields {
			switch {
			case f.Kind == schema.Pointer:
			case f.Inline:
				maps.Copy(found, shown(schema.Lookup(packages, f.Named).Fields, ""))
			case f.Outer != "":
				found[f.Outer] = true
			default:
				name := f.Member
				if other := f.Renamed[constant]; other != "" {
					name = other
				}
				optional := f.Optional || f.Kind == schema.Strings || slices.Contains(f.OptionalFor, constant)
				found[name+map[bool]string{true: "?"}[optional]] = true
			}
		}
		return found
	}
	same := func(what, declared string, want map[string]bool) {
		got := map[string]bool{}
		for name := range members[declared] {
			got[name] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("the types declare %s with\n%v, the schema has\n%v", what, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
	for name, of := range map[string]string{
		"Message": "sdk.Message", "Participant": "wire.Participant", "MessageBody": "wire.Body", "UserContext": "sdk.UserContext", "Engagement": "sdk.Engagement",
	} {
		same(name, name, shown(schema.Lookup(packages, of).Fields, ""))
	}
	text := map[string]bool{}
	for _, f := range packages[0].Struct("Body").Fields {
		if f.Outer != "" {
			text[f.Member] = true
		}
	}
	same("MessageText", "MessageText", text)

	event := core.Struct("Event")
	var always []*schema.Field
	for _, f := range event.Fields {
		if f.For == nil {
			always = append(always, f)
		}
	}
	for _, c := range event.Values(core) {
		// What the stream reports of one chat.
		fields, chat := event.With(c.Name), strings.HasPrefix(c.Value, "MESSAGE_")
		for _, reported := range packages[0].Enum("EventType").Constants {
			chat = chat || reported.Value == c.Value
		}
		want := map[string]bool{}
		for _, f := range fields {
			if f.Kind == schema.Pointer {
				want = shown(schema.Lookup(packages, f.Named).Fields, "")
			}
		}
		if c.Name != "EventInitialized" {
			maps.Copy(want, shown(always, c.Name))
			maps.Copy(want, shown(fields, c.Name))
			// Events of one chat, and they alone, have its ids.
			for _, id := range []string{"engagementId", "dialogId"} {
				delete(want, id+"?")
				if want[id] = chat; !chat {
					delete(want, id)
				}
			}
		}
		same(fmt.Sprintf("the payload of %s", c.Value), payloads[c.Value], want)
	}
}
