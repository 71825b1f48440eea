package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"": 0, "0": 0, "20GB": 20e9, "20GiB": 20 << 30, "64MiB": 64 << 20, "67108864": 64 << 20, " 1 TB ": 1e12, "100000000B": 1e8, "500000KB": 5e8,
	} {
		var v, again size
		if err := v.Set(text); err != nil || v != want {
			t.Errorf("%q is read as %d, %v; want %d", text, v, err, want)
		}
		if err := again.Set(v.String()); err != nil || again != v {
			t.Errorf("%d is written as %s, which is read as %d, %v", v, v.String(), again, err)
		}
	}
	for _, text := range []string{"-1", "-20GB", "1.5GB", "20 G", "GB", "20PB", "0x10", "9999999999999TB", "63MiB", "1", "20gb"} {
		var v size
		if err := v.Set(text); err == nil {
			t.Errorf("%q is read as %d", text, v)
		}
	}
}
