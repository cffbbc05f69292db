// Package scrub reads a whole store in the background, again and again, so that
// a disk that rots is found out while a good backup still exists.
//
// One pass goes through the structure of the store and its records, every page's
// log and checkpoints, and every picture and attachment, in this order. It is
// throttled to take most of Config.Every, never reads more than a few megabytes
// at a time, and gives way while somebody's edits are being written. Where it is
// is kept in a record, so a server that is restarted every day gets through a
// pass as well; only a page or a file that it was in the middle of is read again.
//
// What does not hold is logged once in each pass, and kept in the editor.Damage
// of the workspace, which refuses damaged files at once and which /metrics shows.
//
// One goroutine does all this. It belongs to the Scrubber that Start returns and
// has ended when Stop returns. Everything is safe for concurrent use.
package scrub
