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
	pageBytes   = 16 << 10
	clientBytes = 320 // a client with an author
	authorBytes = 96
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

// contentBytes is what a content holds: its text in leaves that are half full,
// and the runs that its formats make.
func contentBytes(c *ot.Content) int64 {
	text, formats := int64(c.Len()), int64(c.Size()-c.Len())
	return 3*text + 8*formats
}

// bytes is what the page's state holds, with authors the people who changed it.
func (s *state) bytes(authors int) int64 {
	return pageBytes + contentBytes(s.content) + s.held +
		int64(len(s.clients))*clientBytes + int64(authors)*authorBytes
}
