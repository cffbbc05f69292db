package editor

import (
	"unsafe"

	"halley/ot"
)

// What things take in memory, in bytes. These are estimates for the budget,
// rather too high than too low; TestPageBytes compares them with the heap.
const (
	opBytes   = int64(unsafe.Sizeof(ot.Op{}))
	attrBytes = int64(unsafe.Sizeof(ot.Attr{}))

	// pageBytes is a loaded page without its content: its goroutine, mailbox
	// and maps.
	pageBytes = 16 << 10
	// contentFactor is how much larger a content is in memory than it counts
	// for limits. Text without formats takes half of that.
	contentFactor = 4
	clientBytes   = 320 // a client with an author
	authorBytes   = 96
)

// deltaBytes is what d holds.
func deltaBytes(d ot.Delta) int64 {
	n := int64(cap(d)) * opBytes
	for i := range d {
		op := &d[i]
		n += int64(len(op.Insert) + len(op.Embed.Type) + len(op.Embed.Value))
		for j := range op.Attributes {
			n += attrBytes + int64(len(op.Attributes[j].Value))
		}
	}
	return n
}

// contentBytes is what a content holds of which Size returns size.
func contentBytes(size int) int64 { return contentFactor * int64(size) }

// bytes is what the page's state holds, with authors the people who changed it.
func (s *state) bytes(authors int) int64 {
	return pageBytes + contentBytes(s.content.Size()) + s.held +
		int64(len(s.clients))*clientBytes + int64(authors)*authorBytes
}
