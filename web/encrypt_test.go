package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"openchat/sdk/wire"
)

// keyFile writes a file of --store-key-file.
func keyFile(t *testing.T, key string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.key")
	if err := os.WriteFile(path, []byte(key+"\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// holding returns the files below a folder that hold a text.
func holding(t *testing.T, folder, text string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a process renames its files
		}
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if bytes.Contains(b, []byte(text)) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// contents are all files of a folder, by their path in it.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, folder)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameContents wants a folder as it was.
func sameContents(t *testing.T, what, folder string, before map[string]string) {
	t.Helper()
	now := contents(t, folder)
	for path, text := range before {
		if got, ok := now[path]; !ok || got != text {
			t.Errorf("%s: %s has changed", what, path)
		}
	}
	for path := range now {
		if _, ok := before[path]; !ok {
			t.Errorf("%s: %s is new", what, path)
		}
	}
}

// begin creates a chat and returns when the customer is in it.
func (c *customer) begin(parameters string) wire.Engagement {
	c.Helper()
	s := c.stream(0)
	defer s.conn.CloseNow()
	e := c.create(parameters)
	s.event(wire.EventEngagementActive)
	return e
}

// sendText sends a message of a customer.
func (c *customer) sendText(e wire.Engagement, text string) {
	c.Helper()
	c.rest(201, "POST", "/engagements/"+e.EngagementID+"/messages", fmt.Sprintf(
		`{"sessionId":%q,"dialogId":%q,"body":{"elementType":"text","elementText":{"text":%q,"textFormat":"PLAINTEXT"}},"correlationId":%q}`,
		c.session.SessionID, e.DialogID, text, text[:min(len(text), 64)]))
}

// texts are those of all messages of a chat that a customer has sent, in order.
func (c *customer) texts(e wire.Engagement) (list []string) {
	c.Helper()
	for after := int64(0); ; {
		b := c.rest(200, "GET", fmt.Sprintf("/engagements/%s/messages?pageSize=50&dialogId=%s&after=%d", e.EngagementID, e.DialogID, after), "")
		page, err := wire.DecodeMessagePage(b)
		if err != nil {
			c.Fatal(err)
		}
		for _, m := range page.Messages {
			if m.MessageIndex != after+1 {
				c.Fatalf("message %d comes after %d", m.MessageIndex, after)
			}
			after = m.MessageIndex
			if m.SenderParticipantType == wire.ParticipantCustomer {
				list = append(list, m.Body.Text)
			}
		}
		if len(page.Messages) < 50 {
			return list
		}
	}
}

// at is the same customer at a process that was started later.
func (c *customer) at(p *running) *customer {
	return &customer{running: p, token: c.token, appkey: c.appkey, session: c.session}
}

// With a key, no file of the data folder holds a text. The folder opens with that key, also
// after a kill, and is left as it was by any other start.
func TestEncryptedStore(t *testing.T) {
	key := keyFile(t, "0f7c9a550d2f4c1e7b90", 0o600)
	other := keyFile(t, "0f7c9a550d2f4c1e7b91", 0o640)
	const words = "The-password-is-swordfish"
	write := func(data string, more ...string) (*running, *customer, wire.Engagement) {
		p := launchDemo(t, data, "127.0.0.1:0", more...)
		c := p.customer("Name-of-the-customer")
		e := c.begin(`{"topic":"The-topic-of-the-chat"}`)
		for i := range 20 {
			c.sendText(e, fmt.Sprint(words, i))
		}
		return p, c, e
	}
	t.Run("without a key texts are found", func(t *testing.T) { // so that they would be
		data := t.TempDir()
		p, _, _ := write(data)
		p.terminate(os.Interrupt)
		for _, text := range []string{words, "Name-of-the-customer", "The-topic-of-the-chat"} {
			if len(holding(t, data, text)) == 0 {
				t.Errorf("%q is in no file", text)
			}
		}
		before := contents(t, data)
		fails(t, exitFailed, []string{"without a key", data, "--store-key-file"}, "--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", data, "--store-key-file", key)
		sameContents(t, "a key for a folder without one", data, before)
	})

	data := t.TempDir()
	p, c, e := write(data, "--store-key-file", key)
	check := func(when string) {
		t.Helper()
		for _, text := range []string{words, "Name-of-the-customer", "The-topic-of-the-chat", "0f7c9a550d2f4c1e7b90"} {
			if list := holding(t, data, text); len(list) > 0 {
				t.Errorf("%s: %q is in %v", when, text, list)
			}
		}
		c = c.at(p)
		if list := c.texts(e); len(list) < 20 || list[0] != words+"0" || list[19] != words+"19" {
			t.Errorf("%s: %q", when, list)
		}
	}
	check("while it runs")
	p.Kill()
	p = launchDemo(t, data, "127.0.0.1:0", "--store-key-file", key)
	check("after a kill")
	p.terminate(os.Interrupt)

	refused := func() {
		t.Helper()
		before := contents(t, data)
		for _, x := range []struct {
			what string
			args []string
		}{
			{"encrypted; give its key", nil},
			{"another key", []string{"--store-key-file", other}},
		} {
			fails(t, exitFailed, []string{x.what, data, "--store-key-file"}, append([]string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", data}, x.args...)...)
			sameContents(t, x.what, data, before)
		}
	}
	refused()
	p = launchDemo(t, data, "127.0.0.1:0", "--store-key-file", key)
	check("after refused starts")
	c.sendText(e, words+"20")
	p.terminate(os.Interrupt)

	// The file that says how the folder is encrypted is lost: it is as before, but that only the
	// streams can tell a wrong key.
	if err := os.Remove(filepath.Join(data, "encryption.json")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"--store-key-file", other, "--log-level", "ERROR"}} {
		fails(t, exitFailed, []string{data}, append([]string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", data}, args...)...)
	}
	p = launchDemo(t, data, "127.0.0.1:0", "--store-key-file", key)
	check("without the file that says so")
	if list := c.texts(e); len(list) != 21 {
		t.Errorf("%q", list)
	}
	p.terminate(os.Interrupt)
	refused()
}

// What --store-key-file names has to be a secret.
func TestStoreKeyFile(t *testing.T) {
	good := strings.Repeat("k", 16)
	for what, x := range map[string]struct {
		args []string
		want string
	}{
		"no file":             {[]string{"--store-key-file", filepath.Join(t.TempDir(), "none")}, "cannot read"},
		"for everybody":       {[]string{"--store-key-file", keyFile(t, good, 0o604)}, "everybody"},
		"too short":           {[]string{"--store-key-file", keyFile(t, good[1:], 0o600)}, "shorter than 16 characters"},
		"short but for bytes": {[]string{"--store-key-file", keyFile(t, strings.Repeat("é", 15), 0o600)}, "shorter than 16 characters"},
		"two lines":           {[]string{"--store-key-file", keyFile(t, good+"\n"+good, 0o600)}, "more than one line"},
		"too long":            {[]string{"--store-key-file", keyFile(t, strings.Repeat(good, 300), 0o600)}, "more than 4096 bytes"},
		"an external server":  {[]string{"--store-key-file", keyFile(t, good, 0o600), "--nats-url", "nats://127.0.0.1:1"}, "own configuration"},
	} {
		s, err := parse(append([]string{"--demo"}, x.args...), env())
		if err == nil {
			_, err = s.check()
		}
		if err == nil || !strings.Contains(err.Error(), x.want) || !strings.HasPrefix(err.Error(), "--store-key-file") || strings.Contains(err.Error(), good) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
