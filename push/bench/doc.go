// Package bench measures open lines: the push line against two servers that are
// written here, each in a process of its own, and the whole program against what
// was asked of it. It holds benchmarks only; `make bench` runs them and compares.
//
// plain is what the usual library for server-sent events does: a goroutine and a
// channel for each stream on net/http, one write and one flush for each event.
// floor is what any server must do at least: raw connections, no HTTP and no log,
// one goroutine that writes the same bytes, gathered, to each of them.
package bench
