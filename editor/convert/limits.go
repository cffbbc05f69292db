package convert

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"halley/ot"
)

// Limits bound one conversion. The zero value bounds nothing.
type Limits struct {
	// Bytes is the most that a conversion may hold at once: parse trees,
	// operations, notes and files, as estimated.
	Bytes int64
	// Lines and Size are the most that a document that is read may have; Size in
	// bytes, as ot.Content counts.
	Lines int
	Size  int
	// Reserve is called before the conversion holds more than it has reserved,
	// with the number of bytes that it needs in all. Its error ends the
	// conversion. nil: nothing is reserved.
	Reserve func(bytes int64) error
}

// What a LimitError is about.
const (
	Memory     = "bytes of memory"
	Lines      = "lines"
	Size       = "bytes of content"
	TableCells = "table cells"
	LinkBytes  = "bytes of links"
)

// A LimitError says that a file or page is too much to convert.
type LimitError struct {
	What  string // is too many: Memory, Lines, ...
	Limit int64
	Line  int // of the file, from 1; 0: unknown
}

func (e *LimitError) Error() string {
	where := ""
	if e.Line > 0 {
		where = fmt.Sprintf(" at line %d", e.Line)
	}
	return fmt.Sprintf("the file is too much to convert%s: the limit is %d %s; split it and convert the parts", where, e.Limit, e.What)
}

const (
	// slice is how long a conversion works before it lets other goroutines run.
	slice = 2 * time.Millisecond
	// ticksPerLook is how many steps pass between two looks at the clock.
	ticksPerLook = 64
	// freeLinkBytes is how much longer all links of a file may be than the file.
	freeLinkBytes = 16 << 20
	// reserveStep is how much a conversion reserves at once.
	reserveStep = 1 << 20
)

// A work is what one conversion has used up of its limits. A nil *work has no
// limits. It belongs to one goroutine.
//
// Where the context ends or a limit is exceeded, tick and spend panic with a
// stopped, which guard turns into an error: parsers that know no errors call
// them from deep inside. Nothing else recovers it, and no conversion leaves
// anything behind that would have to be undone.
type work struct {
	ctx      context.Context
	limits   Limits
	held     int64
	reserved int64
	lines    int // of the document
	size     int // of the document
	copied   int // bytes of addresses
	ticks    int
	until    time.Time // the end of the slice
}

type stopped struct{ err error }

func newWork(ctx context.Context, limits Limits) *work {
	return &work{ctx: ctx, limits: limits, until: time.Now().Add(slice)}
}

// guard calls convert and returns its error, or why it was stopped.
func guard(convert func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(stopped)
			if !ok {
				panic(r)
			}
			err = s.err
		}
	}()
	return convert()
}

func (w *work) stop(err error) { panic(stopped{err}) }

// tick is called in every loop, at steps of at most some 100 µs.
func (w *work) tick() {
	if w == nil {
		return
	}
	if w.ctx.Err() != nil {
		w.stop(context.Cause(w.ctx))
	}
	if w.ticks++; w.ticks < ticksPerLook {
		return
	}
	w.ticks = 0
	if now := time.Now(); now.After(w.until) {
		runtime.Gosched()
		w.until = time.Now().Add(slice)
	}
}

// spend counts n bytes that are about to be allocated.
func (w *work) spend(n int) {
	if w == nil {
		return
	}
	w.held += int64(n)
	if w.limits.Bytes > 0 && w.held > w.limits.Bytes {
		w.stop(&LimitError{What: Memory, Limit: w.limits.Bytes})
	}
	if w.limits.Reserve == nil || w.held <= w.reserved {
		return
	}
	w.reserved = w.held + reserveStep
	if err := w.limits.Reserve(w.reserved); err != nil {
		w.stop(err)
	}
}

// address counts an address that text refers to: a definition of one may be used
// any number of times, each of which is read. source is the size of the file.
func (w *work) address(bytes, source int) {
	if w == nil {
		return
	}
	w.tick()
	if most := freeLinkBytes + source; w.copied+bytes > most {
		w.stop(&LimitError{What: LinkBytes, Limit: int64(most)})
	}
	w.copied += bytes
}

// begin is called before a document is read: a merge reads several.
func (w *work) begin() {
	if w != nil {
		w.lines, w.size, w.copied = 0, 0, 0
	}
}

// line counts a line of the document that is read.
func (w *work) line() {
	if w == nil {
		return
	}
	if w.lines++; w.limits.Lines > 0 && w.lines > w.limits.Lines {
		w.stop(&LimitError{What: Lines, Limit: int64(w.limits.Lines)})
	}
}

// insert counts an operation of the document that is read: what is at least its
// part of the content's size.
func (w *work) insert(op ot.Op) {
	if w == nil || w.limits.Size == 0 {
		return
	}
	w.size += len(op.Insert) + len(op.Embed.Value)
	for _, a := range op.Attributes {
		w.size += len(a.Name) + len(a.Value)
	}
	if w.size > w.limits.Size {
		w.stop(&LimitError{What: Size, Limit: int64(w.limits.Size)})
	}
}

// mark returns what is held now, for release.
func (w *work) mark() int64 {
	if w == nil {
		return 0
	}
	return w.held
}

// release says that nothing of what was spent since mark is held any longer.
func (w *work) release(mark int64) {
	if w != nil {
		w.held = mark
	}
}
