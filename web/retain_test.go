package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"openchat/sdk/wire"
)

// An account with a limit, in a folder with chats of long ago: those that have ended are gone
// for their customers, and all others are as they were.
func TestRetainBytesRemovesEndedChatsOnly(t *testing.T) {
	fixture, folder := openFixture(t, "testdata/stored-f3778dd")
	start := func(more ...string) *running {
		return launchDemo(t, folder, "127.0.0.1:0", append(more, "--max-age", forever, "--customer-grace", "10m", "--abandon-after", "0")...)
	}
	check := func(p *running, removed bool) {
		t.Helper()
		ended, ongoing := 0, 0
		c := newClient(t, p.URL)
		for customer, list := range fixture.Customers {
			for path, want := range list {
				has := false
				for _, id := range fixture.Ended {
					has = has || strings.Contains(path, id)
				}
				if !has || !removed {
					ongoing++
					c.same(path, c.asCustomer(customer, "GET", path, "", nil), want)
					continue
				}
				ended++
				if status, b := c.call("GET", wire.BasePath+path, c.token(customer), ""); status != 404 || !strings.Contains(string(b), "engagementId") {
					t.Errorf("%s answers %d %s", path, status, b)
				}
			}
		}
		if removed && ended == 0 || ongoing < 5 {
			t.Errorf("the fixture has %d answers about chats that have ended, and %d others", ended, ongoing)
		}
	}
	p := start("--retain-bytes", "100GB", "--retain-bytes", "DEMOAC=0")
	check(p, false)
	p.terminate(syscall.SIGTERM)

	p = start("--retain-bytes", "100GB", "--retain-bytes", "DEMOAC=1")
	p.logged("none of its chats has ended long enough ago")
	if !strings.Contains(p.Log.String(), fmt.Sprintf("chats=%d ", len(fixture.Ended))) {
		t.Errorf("the log does not say that %d chats were removed", len(fixture.Ended))
	}
	check(p, true)
	p.Kill()
	p = start()
	check(p, true)
	p.terminate(syscall.SIGTERM)
}

func TestRetainBytesSettings(t *testing.T) {
	read := func(args ...string) (*settings, error) {
		t.Helper()
		s, err := parse(production(args...), env())
		if err == nil {
			_, err = s.check()
		}
		return s, err
	}
	s, err := read("--retain-bytes", "20GB", "--retain-bytes", "ABCDEF=2MiB")
	if err != nil || s.retained.each != 20e9 || len(s.retained.of) != 1 || s.retained.of["ABCDEF"] != 2<<20 {
		t.Errorf("%+v, %v", s.retained, err)
	}
	if s, err = read("--retain-bytes", "0,ABCDEF=500"); err != nil || s.retained.each != 0 || s.retained.of["ABCDEF"] != 500 {
		t.Errorf("%+v, %v", s.retained, err)
	}
	for _, bad := range [][]string{{"much"}, {"-1"}, {"ABCDEF="}, {"ABCDEF=1.5GB"}, {"GHIJKL=1GB"}, {"1GB", "2GB"}, {"ABCDEF=1GB", "ABCDEF=2GB"}, {"abc=1GB"}} {
		var args []string
		for _, value := range bad {
			args = append(args, "--retain-bytes", value)
		}
		if s, err := read(args...); err == nil || !strings.HasPrefix(err.Error(), "--retain-bytes") {
			t.Errorf("%q is read as %+v, %v", bad, s.retained, err)
		}
	}
}
