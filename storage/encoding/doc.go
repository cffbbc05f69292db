// Package encoding holds what the binary formats of rows, blocks and
// checkpoints share: integers as varints, byte strings behind their length,
// times in milliseconds, and zstd.
//
// A Reader belongs to one goroutine; everything else is safe for concurrent
// use. The package knows no format: each format has its own version byte and
// checksum.
package encoding
