package httpapi

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(2, 3)
		for range 3 {
			if err := l.Count("a"); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // a refused call does not count
			if d := l.wait("a"); d != 500*time.Millisecond {
				t.Fatalf("wait %v", d)
			}
		}
		if err := l.Count("b"); err != nil {
			t.Errorf("another caller: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if l.Count("a") != nil || l.Count("a") == nil {
			t.Error("not one call is due")
		}
		l = NewLimits(-1, 0)
		for range 10 {
			if err := l.Count("a"); err != nil {
				t.Errorf("what is unlimited refuses: %v", err)
			}
		}
	})
}

func TestLimitsAreBounded(t *testing.T) {
	l := NewLimits(1, 1)
	for i := range maxLimited + 100 {
		if l.wait(strconv.Itoa(i)) != 0 {
			t.Fatal("a first call has to wait")
		}
	}
	if len(l.byKey) != maxLimited || l.order.Len() != maxLimited {
		t.Errorf("%d remembered", len(l.byKey))
	}
}
