package push

import (
	"slices"
	"sync"
)

// A batch is what a stream gathers for one write. Small pieces are copied
// together; large shared ones are referred to.
type batch struct {
	buf      []byte
	sealed   int      // buf[:sealed] is in segments
	segments [][]byte // in order; buf[sealed:] comes after
	shared   int      // bytes of segments that are not in buf
	events   int
	full     bool // what comes next goes out alone

	frames []*frame // scratch space of gather
	id     []byte   // scratch space of ids
}

// shareFrom is the size from which copying costs more than one more segment.
const shareFrom = 16 << 10

// maxPooledBatch keeps the pool from hoarding the rare large ones.
const maxPooledBatch = 128 << 10

// batches are shared: an idle stream holds none.
var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) size() int { return len(b.buf) + b.shared }

// add appends p, which must not be modified later.
func (b *batch) add(p []byte) {
	if len(p) < shareFrom {
		b.buf = append(b.buf, p...)
		return
	}
	b.seal()
	b.segments = append(b.segments, p)
	b.shared += len(p)
}

// seal makes a segment of what buf gathered since the last one.
func (b *batch) seal() {
	if end := len(b.buf); end > b.sealed {
		b.segments = append(b.segments, b.buf[b.sealed:end:end])
		b.sealed = end
	}
}

// take returns the batch's segments, in order.
func (b *batch) take() [][]byte {
	b.seal()
	return b.segments
}

// shrink has the batch hold no more than what is left to be written of it, and
// returns that. Segments that others share cost nothing, and stay.
func (b *batch) shrink(rest [][]byte) [][]byte {
	if b.shared > 0 {
		return rest
	}
	*b = batch{buf: slices.Concat(rest...), events: b.events}
	return b.take()
}

// release empties the batch and gives it back.
func (b *batch) release() {
	if cap(b.buf) > maxPooledBatch {
		return
	}
	clear(b.segments)
	*b = batch{buf: b.buf[:0], segments: b.segments[:0], frames: b.frames[:0], id: b.id[:0]}
	batches.Put(b)
}
