package main

import (
	"fmt"
	"log/slog"

	"halley/editor/httpapi"
)

const (
	fewDescriptors  = 256     // the least that any system gives
	manyDescriptors = 1 << 20 // more is no limit that anybody meets

	connMemory = 32 << 10 // of a connection with a request, outside the budget

	streamsPerSession = 100
	streamsPerAddress = 2000
)

// capacity is how many connections and streams this process has room for.
type capacity struct {
	descriptors int
	conns       int // all connections: the rest is for the store, files and the unforeseen
	// requests is how many connections HTTP may have, streams that have left it
	// aside: each takes memory, whatever it does.
	requests int
	// connsPerAddress is how many connections one address may have; 0: all.
	connsPerAddress int
	streams         httpapi.StreamLimits
}

// capacity divides what the process may have open: streams never take it all,
// so that an edit always finds a connection.
func (cfg serveConfig) capacity(descriptors int) (capacity, error) {
	c := capacity{descriptors: descriptors, streams: cfg.streams, connsPerAddress: cfg.connsPerAddress}
	c.conns = descriptors - max(64, descriptors/16)
	if c.streams.Machine == 0 {
		c.streams.Machine = c.conns - c.conns/8
	}
	if c.streams.Machine >= c.conns {
		return c, fmt.Errorf("--max-streams %d is too much for the %d files that this process may have open; %s", cfg.streams.Machine, descriptors, howToRaise)
	}
	c.requests = min(c.conns, max(fewDescriptors, int(memoryLimit(cfg.memory)/4/connMemory)))
	if cfg.rateLimits {
		setDefault(&c.connsPerAddress, max(c.requests/4, 32))
		setDefault(&c.streams.PerSession, streamsPerSession)
		setDefault(&c.streams.PerAddress, streamsPerAddress)
	}
	return c, nil
}

const howToRaise = "raise that with `ulimit -n` before the start, or with LimitNOFILE= in its systemd unit"

func setDefault(n *int, value int) {
	if *n == 0 {
		*n = value
	}
}

// log tells what there is room for, and how to get more where that is little.
func (c capacity) log(logger *slog.Logger) {
	told := []any{"streams", c.streams.Machine, "connections", c.conns, "descriptors", c.descriptors}
	if c.descriptors < 4096 {
		logger.Warn("there is room for few readers; "+howToRaise, told...)
		return
	}
	logger.Info("room", told...)
}
