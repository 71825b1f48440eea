package httpapi

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(60)
		if d := b.Take("a", 60); d != 0 {
			t.Fatalf("the first hour's amount has to wait %v", d)
		}
		for range 3 { // a refusal takes nothing
			if d := b.Take("a", 2); d != 2*time.Minute {
				t.Fatalf("wait %v", d)
			}
		}
		if d := b.Take("b", 1); d != 0 {
			t.Errorf("another key has to wait %v", d)
		}
		time.Sleep(time.Minute)
		if b.Take("a", 1) != 0 || b.Take("a", 1) == 0 {
			t.Error("not one is there after a minute")
		}
		b.Return("a", 1)
		if d := b.Take("a", 1); d != 0 {
			t.Errorf("what was returned is not there: %v", d)
		}
		time.Sleep(10 * time.Hour)
		b.Return("a", 5)
		if d := b.Take("a", 61); d != time.Minute {
			t.Errorf("more than an hour's amount: %v", d)
		}
		if d := b.Take("a", 1000); d != time.Hour {
			t.Errorf("what is never there: %v", d)
		}
		{
			b := NewBudget(-1)
			if d := b.Take("a", 1<<40); d != 0 {
				t.Errorf("what is unlimited refuses: %v", d)
			}
			b.Return("a", 1)
		}
	})
}

func TestBudgetIsBounded(t *testing.T) {
	b := NewBudget(1)
	for i := range maxBudgeted + 100 {
		b.Take(strconv.Itoa(i), 1)
	}
	if len(b.byKey) != maxBudgeted || b.order.Len() != maxBudgeted {
		t.Errorf("%d remembered", len(b.byKey))
	}
}
