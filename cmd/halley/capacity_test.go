package main

import (
	"strings"
	"testing"

	"halley/editor/httpapi"
)

func TestCapacity(t *testing.T) {
	for _, c := range []struct {
		name        string
		cfg         serveConfig
		descriptors int
		want        httpapi.StreamLimits
	}{
		{"by descriptors", serveConfig{rateLimits: true}, 20000, httpapi.StreamLimits{PerSession: 100, PerAddress: 2000, Machine: 16407}},
		{"few descriptors", serveConfig{rateLimits: true}, 256, httpapi.StreamLimits{PerSession: 100, PerAddress: 2000, Machine: 168}},
		{"without limits of rate", serveConfig{}, 20000, httpapi.StreamLimits{Machine: 16407}},
		{"as told", serveConfig{streams: httpapi.StreamLimits{PerSession: 1, PerAddress: 2, Machine: 3}}, 20000, httpapi.StreamLimits{PerSession: 1, PerAddress: 2, Machine: 3}},
	} {
		got, err := c.cfg.capacity(c.descriptors)
		if err != nil || got.streams != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got.streams, err, c.want)
		}
		if quarter := got.requests / 4; c.cfg.rateLimits && got.connsPerAddress != max(quarter, 32) {
			t.Errorf("%s: %d connections of %d from one address, want %d", c.name, got.connsPerAddress, got.requests, quarter)
		} else if !c.cfg.rateLimits && got.connsPerAddress != 0 {
			t.Errorf("%s: %d connections from one address, want no limit", c.name, got.connsPerAddress)
		}
		if spare := got.conns - got.streams.Machine; spare < 20 || got.conns > c.descriptors-64 {
			t.Errorf("%s: of %d descriptors, connections may have %d and streams %d", c.name, c.descriptors, got.conns, got.streams.Machine)
		}
	}
	small, err := serveConfig{memory: 256}.capacity(20000)
	if err != nil || small.requests != 2048 {
		t.Errorf("256 MiB: room for %d connections, %v, want 2048", small.requests, err)
	}
	_, err = serveConfig{streams: httpapi.StreamLimits{Machine: 20000}}.capacity(20000)
	if err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("more streams than descriptors: %v, want a sentence about ulimit", err)
	}
}
