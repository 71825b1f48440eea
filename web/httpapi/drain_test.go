package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDrain()
		if !d.Begin() {
			t.Fatal("refused")
		}
		_, end, ok := d.Call(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Minute)
		if !ok {
			t.Fatal("refused")
		}
		d.Leave()
		d.Leave()
		<-d.Leaving()
		if d.Begin() {
			t.Error("something new is begun")
		}
		time.AfterFunc(time.Second, d.End)
		time.AfterFunc(3*time.Second, end)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := d.Wait(ctx); err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestBreaksOff(t *testing.T) {
	for _, stubborn := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDrain()
			w := httptest.NewRecorder()
			r, end, ok := d.Call(w, httptest.NewRequest("GET", "/", nil), time.Minute)
			if !ok {
				t.Fatal("refused")
			}
			broken := make(chan time.Time, 1)
			go func() {
				<-r.Context().Done()
				broken <- time.Now()
				if !d.broken() {
					t.Error("broken off, and does not say so")
				}
				if stubborn {
					time.Sleep(time.Hour)
				}
				end()
			}()
			d.Leave()
			if _, _, ok := d.Call(w, r, time.Minute); ok {
				t.Error("a call is begun")
			}
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			err := d.Wait(ctx)
			want := 5 * time.Second
			if stubborn {
				want += breakTime
			}
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != want {
				t.Errorf("%v after %v", err, took)
			}
			if at := <-broken; at.Sub(began) != 5*time.Second {
				t.Errorf("broken off after %v", at.Sub(began))
			}
			time.Sleep(2 * time.Hour) // until the stubborn one has ended, too
		})
	}
}

// A connection that does not end is broken off soon, whatever the calls do.
func TestBreaksOffConnections(t *testing.T) {
	for _, callTakes := range []time.Duration{0, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := NewDrain()
			if !d.Begin() {
				t.Fatal("refused")
			}
			began := time.Now()
			go func() {
				<-d.Context().Done()
				if took := time.Since(began); took != connectionTime {
					t.Errorf("broken off after %v", took)
				}
				if d.broken() && callTakes > 0 {
					t.Error("the call is broken off too")
				}
				d.End()
			}()
			if callTakes > 0 {
				_, end, _ := d.Call(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Minute)
				time.AfterFunc(callTakes, end)
			}
			d.Leave()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := d.Wait(ctx); err != nil || time.Since(began) != max(callTakes, connectionTime) {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	}
}

// A call ends by itself, too, and its bound holds without a stop.
func TestCallIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDrain()
		r, end, ok := d.Call(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Minute)
		if !ok {
			t.Fatal("refused")
		}
		began := time.Now()
		<-r.Context().Done()
		if took := time.Since(began); took != time.Minute || d.broken() {
			t.Errorf("it ended after %v, broken off %v", took, d.broken())
		}
		end()
		d.Leave()
		if err := d.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A body that does not come is no longer waited for, and the call can answer still.
func TestBreaksOffTheBody(t *testing.T) {
	d := NewDrain()
	began := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, end, _ := d.Call(w, r, time.Minute)
		defer end()
		close(began)
		_, err := io.ReadAll(r.Body)
		if err == nil || !d.broken() {
			t.Errorf("the body ended with %v", err)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer s.Close()
	body, more := io.Pipe()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		r, err := http.Post(s.URL, "text/plain", io.MultiReader(strings.NewReader("half "), body))
		if err != nil || r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%v, %v", r, err)
			return
		}
		r.Body.Close()
	}()
	<-began
	d.Leave()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-answered
	more.Close()
}
