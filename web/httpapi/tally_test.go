package httpapi

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		y := NewTally(slog.New(slog.NewTextHandler(log, nil)), slog.LevelInfo, "things happened")
		lines := func(want ...string) {
			t.Helper()
			synctest.Wait()
			got := strings.Split(strings.TrimSpace(log.String()), "\n")
			log.Reset()
			if len(want) == 0 && got[0] == "" {
				return
			}
			if len(got) != len(want) {
				t.Fatalf("%d lines: %q", len(got), got)
			}
			for i := range want {
				if !strings.Contains(got[i], want[i]) {
					t.Errorf("%q does not hold %q", got[i], want[i])
				}
			}
		}
		y.Count("a")
		lines(`msg="things happened" count=1 of="a: 1"`)
		for range 1000 {
			y.Count("a")
			y.Count("b")
		}
		lines()
		time.Sleep(time.Minute)
		lines(`count=2000 of="a: 1000, b: 1000"`)
		time.Sleep(time.Minute) // nothing more: the next is at once
		y.Count("b")
		lines(`count=1 of="b: 1"`)
		for i := range 100 {
			y.Count(fmt.Sprintf("%03d", i))
		}
		time.Sleep(time.Minute)
		lines("count=100 of=\"000: 1, 001: 1, ")
		y.Count("late")
		y.Close()
		y.Close()
		lines(`count=1 of="late: 1"`)
		y.Count("never")
		time.Sleep(time.Hour)
		lines()
	})
}
