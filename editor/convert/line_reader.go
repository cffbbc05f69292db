package convert

import (
	"strings"

	"halley/ot"
)

// A lineReader goes through the lines of a content, of which it holds one at a
// time: as objects all lines of a page may take a hundred times its bytes.
type lineReader struct {
	work    *work
	content ot.Delta
	lines   []line // in place of a content
	b       *builder
	attrs   ot.Attributes // of the operation being read, as the schema allows
	entered int           // the number of the operation that attrs are of, from 1
	noted   int           // operations whose losses have been noted

	at    place // behind the line that was peeked at
	from  place // before it
	ahead line
	style style
	ready bool // ahead and style are read
}

// A place is a position between two lines.
type place struct {
	op, offset int
	index      int // of the line behind it, from 0
	ended      bool
}

// newLineReader reads a content without what schema refuses, and notes that.
// Text behind the last newline is a line too; a content has at least one.
func newLineReader(content ot.Delta, schema Schema, n *notes, w *work) (*lineReader, error) {
	if !content.InsertsOnly() {
		return nil, errNoContent
	}
	b := newBuilder(schema)
	b.notes = n
	return &lineReader{work: w, content: content, b: b}, nil
}

// readLines reads lines that nothing has to be left out of.
func readLines(lines []line, w *work) *lineReader { return &lineReader{work: w, lines: lines} }

// peek returns the next line and its style, and false behind the last one.
func (r *lineReader) peek() (line, style, bool) {
	if !r.ready {
		r.from = r.at
		l, ok := r.read()
		if !ok {
			return line{}, style{}, false
		}
		r.ahead, r.ready = l, true
		r.style, _ = styleOf(l.attrs)
	}
	return r.ahead, r.style, true
}

// next returns the next line, its style and index, and steps over it.
func (r *lineReader) next() (line, style, int) {
	l, s, _ := r.peek()
	r.ready = false
	r.at.index++
	return l, s, r.at.index - 1
}

// mark returns the place before the next line, for back.
func (r *lineReader) mark() place {
	if r.ready {
		return r.from
	}
	return r.at
}

func (r *lineReader) back(to place) { r.at, r.ready, r.entered = to, false, 0 }

// rest returns all lines that are left.
func (r *lineReader) rest() []line {
	var lines []line
	for {
		if _, _, ok := r.peek(); !ok {
			return lines
		}
		l, _, _ := r.next()
		r.work.spend(bytesPerKept + bytesPerOp*len(l.ops))
		lines = append(lines, l)
	}
}

func (r *lineReader) read() (line, bool) {
	r.work.tick()
	if r.b == nil {
		if r.at.index >= len(r.lines) {
			return line{}, false
		}
		return r.lines[r.at.index], true
	}
	for r.at.op < len(r.content) {
		if r.entered != r.at.op+1 {
			r.enter()
		}
		op := &r.content[r.at.op]
		if op.Embed.Type != "" {
			r.at.op++
			continue
		}
		text := op.Insert[r.at.offset:]
		end := strings.IndexByte(text, '\n')
		if end < 0 {
			r.b.text(text, r.attrs)
			r.at.op, r.at.offset = r.at.op+1, 0
			continue
		}
		r.b.text(text[:end], r.attrs)
		if r.at.offset += end + 1; r.at.offset == len(op.Insert) {
			r.at.op, r.at.offset = r.at.op+1, 0
		}
		return r.take(r.attrs), true
	}
	if r.at.ended || len(r.b.open) == 0 && r.at.index > 0 {
		return line{}, false
	}
	r.at.ended = true
	return r.take(nil), true
}

func (r *lineReader) take(attrs ot.Attributes) line {
	l := line{ops: r.b.open.Normalize(), attrs: attrs}
	r.b.open = nil
	return l
}

// enter begins to read an operation. What is left out of it is noted once,
// however often it is read.
func (r *lineReader) enter() {
	if notes := r.b.notes; r.at.op < r.noted {
		r.b.notes = newNotes()
		defer func() { r.b.notes = notes }()
	} else {
		r.noted = r.at.op + 1
	}
	op := &r.content[r.at.op]
	r.entered = r.at.op + 1
	r.attrs = r.b.checkAll(op.Attributes)
	if op.Embed.Type != "" {
		r.b.embed(op.Embed, r.attrs)
	}
}
