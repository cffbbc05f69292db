// Package push delivers events over long-lived HTTP responses: server-sent
// events, newline-delimited JSON and long polling.
//
// Events are published on topics. The sequenced events of a topic are numbered
// without a gap; a reader gets every one of them after its starting position, in
// order and once, and resumes by number after a break. An unsequenced event is
// news about state: a reader for whom one had to be dropped is sent the whole
// state again.
//
// # How it works
//
// Streams pull; publishers do not send. A topic keeps a bounded ring of its newest
// events, each encoded once per encoding and shared by all readers. A stream
// (stream.go) holds, for each of its topics, the number that it has sent. When it
// is woken, it gathers everything after that number into one write (gather.go). If
// the ring no longer reaches back that far, [Source.Replay] reads the log, in
// bounded pieces, until the stream meets the ring. So live delivery and catch-up
// are one path, and a reader that stalls costs nobody anything: publishers never
// wait for it, its memory does not grow, and it continues from the log on the same
// stream.
//
// # Two drivers
//
// A stream decides what is sent. Its driver (driver.go) decides when, and moves
// the bytes. There are two.
//
// The blocking driver (blocking.go, longpoll.go) is the handler's goroutine. It
// writes to the http.ResponseWriter and waits until the peer has taken the bytes.
// It serves long polls, TLS, HTTP/2, connections that ConnContext has not seen,
// and systems other than Linux.
//
// The nonblocking driver (nonblocking.go) serves streams over plain HTTP/1 on
// Linux, and needs no goroutine for each. The handler hijacks the connection,
// sends what there is and returns; what is left is some 500 bytes and a
// descriptor. Woken streams queue up at a shard. Each shard is one goroutine for
// every two processors, which gathers and writes without ever blocking. An epoll
// (socket_linux.go) reports which connections take bytes again, and which peers
// have gone. What only the Source knows may have to be read from a disk, so a
// goroutine of the stream's own gathers it, and ends when the reader has caught up
// or takes no more. When a connection takes only a part of a write, the stream
// keeps the rest and gathers nothing until that is written. If the peer takes
// nothing of it for Config.WriteTimeout, the peer is dead and the stream ends.
//
// Both drivers write the same bytes and pass the same tests.
//
// # Memory
//
// Config.Streams and Config.Rings bound what a hub holds, whatever its readers do.
// A stream that does not fit is refused before it is opened. A stream whose reader
// stalls holds the rest of one small write. Rings are a cache: they shrink when
// memory is short, and readers are then caught up from the log. An event over
// 64 KiB is in no ring and no batch (large.go): streams take turns to send it, and
// read it from the log again for each turn.
//
// # Concurrency
//
// Any goroutine may call the methods of Hub. Events of one topic arrive in the
// order of their Publish calls, so the caller publishes them in the order of their
// numbers. Serve runs in its caller's goroutine, and on the nonblocking driver
// returns once the stream is open. The hub itself has few goroutines (heartbeats,
// shards, epoll), which Close stops.
//
// # What it does not promise
//
// The order between topics is undefined. Unsequenced events may be left out: only
// the reader's last state is right. Data and topic names are opaque to this
// package.
//
// Server-sent events follow the HTML Living Standard, section 9.2.
package push
