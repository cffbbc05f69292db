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
// What a line is to be sent (line.go) is apart from who drives it: a loop that
// writes a stream, or the answer to a poll.
//
// # Concurrency
//
// Every method of Hub may be called from any goroutine; events of one topic
// arrive in the order of their Publish calls, so whoever numbers them must
// publish them in that order. Serve runs in its caller's goroutine. The hub
// itself has one goroutine (heartbeats), which Close stops.
//
// # What it does not promise
//
// Order between topics. Delivery of unsequenced events: only that the reader
// knows the state in the end. Anything about what a payload means: Data is
// opaque here, and so are topic names.
//
// Server-sent events follow the HTML Living Standard, section 9.2.
package push
