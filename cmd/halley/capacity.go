package main

import (
	"cmp"
	"fmt"
	"log/slog"

	"halley/editor/httpapi"
)

const (
	fewDescriptors  = 256     // the smallest limit of any system
	manyDescriptors = 1 << 20 // no server reaches a higher limit

	connMemory = 32 << 10 // bytes of a connection with a request, outside the budget

	streamsPerSession = 100
	streamsPerAddress = 2000
)

// capacity is the number of connections and streams that this process can hold.
type capacity struct {
	descriptors int
	conns       int // all connections; the other descriptors are for the store and files
	// requests is the number of connections that net/http may hold: each takes
	// memory, even when idle. Streams that took over their connection do not count.
	requests int
	// connsPerAddress is the number of connections from one address; 0: no limit.
	connsPerAddress int
	streams         httpapi.StreamLimits
}

// capacity divides the descriptors: streams never get all of them, so that there
// is always a connection for an edit.
func (cfg serveConfig) capacity(descriptors int) (capacity, error) {
	c := capacity{descriptors: descriptors, streams: cfg.streams, connsPerAddress: cfg.connsPerAddress}
	c.conns = descriptors - max(64, descriptors/16)
	if c.streams.Machine == 0 {
		c.streams.Machine = c.conns - c.conns/8
	}
	if c.streams.Machine >= c.conns {
		return c, fmt.Errorf("--max-streams %d is too much for the %d files that this process may have open; %s",
			cfg.streams.Machine, descriptors, howToRaise)
	}
	c.requests = min(c.conns, max(fewDescriptors, int(memoryLimit(cfg.memory)/4/connMemory)))
	if cfg.rateLimits {
		c.connsPerAddress = cmp.Or(c.connsPerAddress, max(c.requests/4, 32))
		c.streams.PerSession = cmp.Or(c.streams.PerSession, streamsPerSession)
		c.streams.PerAddress = cmp.Or(c.streams.PerAddress, streamsPerAddress)
	}
	return c, nil
}

const howToRaise = "raise that with `ulimit -n` before the start, or with LimitNOFILE= in its systemd unit"

// log logs the capacity, and how to raise it if it is low.
func (c capacity) log(logger *slog.Logger) {
	fields := []any{"streams", c.streams.Machine, "connections", c.conns, "descriptors", c.descriptors}
	if c.descriptors < 4096 {
		logger.Warn("this server can hold few readers; "+howToRaise, fields...)
		return
	}
	logger.Info("capacity", fields...)
}
