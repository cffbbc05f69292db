// Package load puts a running server under the load of many people: open lines
// that follow pages, and typists who write on them as a real editor does, each
// carrying its one unsent edit over what the others commit. It measures how
// fast edits are acknowledged and reach the others, and checks what came of
// it: that every line told the same changes, each once and in order, that no
// acknowledged edit is missing, and that every text kept on the way equals the
// server's.
//
// It writes only to pages that it makes itself. It is light, so that it can run
// beside what it measures: a connection and a goroutine per reader, HTTP/1.1
// spoken directly, and a change that many readers are told decoded once.
//
// What it takes is bounded by its Config: the connections, the time, and the
// memory (a few hundred bytes an edit are kept for the last ones of each page
// alone; 8 bytes an edit otherwise).
package load
