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
		l.Charge("c", 1000) // more than are ever possible at once
		if d := l.wait("c"); d != 500*time.Millisecond {
			t.Errorf("wait %v after the burst was charged", d)
		}
		l.Charge("b", -1)
		l.Charge("b", 2)
		if l.Count("b") != nil || l.Count("b") == nil {
			t.Error("what is charged does not count as two calls")
		}
		l = NewLimits(-1, 0)
		l.Charge("a", 10)
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
