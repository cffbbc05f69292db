// Package push delivers events over long-lived HTTP responses: server-sent
// events, newline-delimited JSON and long polling.
//
// Events are published on topics. A sequenced event has a number one higher
// than its topic's last; a reader gets every one of them from where it starts,
// in order, without a gap or a repeat, and resumes by number after a break.
// An unsequenced event is news about state: a reader for whom one had to be
// dropped is sent the whole state again.
//
// # How it works
//
// Lines pull, nothing is pushed at them. A topic keeps a bounded ring of its
// newest events, each encoded once per encoding and shared by all. A line is,
// for each of its topics, the number it has sent, and a wake-up. When woken it
// gathers everything behind its position into one write. Where the ring no
// longer reaches back it is caught up from the log by [Source.Replay], in
// bounded pieces, until it meets the ring. So live delivery and catch-up are
// one path, and a reader that stalls costs nobody anything: publishers never
// wait for it, its memory does not grow, and it goes on from the log on the
// same line.
//
// What a line is to be sent (line.go) is apart from who drives it: the answer to
// a poll, a loop that writes a stream (stream.go), or the light path.
//
// # The light path
//
// On Linux a stream over plain HTTP/1 needs no goroutine (light.go). Its handler
// hijacks the connection, sends what there is and returns; what is left is some
// 500 bytes and a descriptor. Woken lines queue up at a shard, one goroutine for
// every two processors, which gathers and writes without ever blocking: an epoll
// (socket_linux.go) tells of connections that take bytes again, and of peers
// that have gone. What the Source has to be asked for, which may wait for a disk,
// is gathered by a goroutine of the line's own that ends when the reader has
// caught up, or takes no more. Of a write that was not taken whole the line keeps
// the rest, and gathers nothing until it is gone; where nothing of it goes for
// Config.WriteTimeout, the peer is dead.
//
// TLS, HTTP/2, connections that ConnContext has not seen, and other systems take
// the loop, with the same bytes. Both pass the same tests.
//
// # Memory
//
// What a hub holds is bounded by Config.Streams and Config.Rings, whatever its
// readers do. A line that does not fit is refused before it is opened. A line
// whose reader stalls holds the rest of one small write. Rings are a cache:
// they shrink where memory is short, and readers are caught up from the log
// instead. An event over 64 KiB is in no ring and no batch (large.go): lines
// take turns at sending it, and read it from the log again for each turn.
//
// # Concurrency
//
// Every method of Hub may be called from any goroutine; events of one topic
// arrive in the order of their Publish calls, so whoever numbers them must
// publish them in that order. Serve runs in its caller's goroutine, on the light
// path until the line is open. The hub itself has few goroutines (heartbeats,
// shards, epoll), which Close stops.
//
// # What it does not promise
//
// Order between topics. Delivery of unsequenced events: only that the reader
// knows the state in the end. Anything about what a payload means: Data is
// opaque here, and so are topic names.
//
// Server-sent events follow the HTML Living Standard, section 9.2.
package push
