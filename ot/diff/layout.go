package diff

import (
	"strings"

	"halley/ot"
)

// embedMark represents an embed in a layout's text. The op distinguishes it from
// the same character as text.
const embedMark = "\uFFFC"

// A layout is a content with its text in one piece, so that it can be cut and
// compared independently of its ops. Positions are bytes of text.
type layout struct {
	text string
	runs []run
	look func() // see ContentsWatched
}

// A run is one op of the content, and the end of its text.
type run struct {
	end int
	op  *ot.Op
}

func layOut(content ot.Delta) *layout {
	var text strings.Builder
	l := &layout{runs: make([]run, 0, len(content))}
	for i := range content {
		op := &content[i]
		switch {
		case op.Embed.Type != "":
			text.WriteString(embedMark)
		case op.Insert != "":
			text.WriteString(op.Insert)
		default:
			continue
		}
		l.runs = append(l.runs, run{end: text.Len(), op: op})
	}
	l.text = text.String()
	return l
}

func (l *layout) endsInNewline() bool { return strings.HasSuffix(l.text, "\n") }

func (l *layout) reader() reader { return reader{layout: l} }

// readerAt returns a reader at a byte position.
func (l *layout) readerAt(at int) reader {
	low, high := 0, len(l.runs)
	for low < high {
		if mid := (low + high) / 2; l.runs[mid].end <= at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return reader{layout: l, at: at, run: low}
}

// A reader goes through a layout from left to right, run by run.
type reader struct {
	layout *layout
	at     int // byte position
	run    int // the run that holds it
}

// op returns the op at the reader's position.
func (r *reader) op() *ot.Op { return r.layout.runs[r.run].op }

// left returns how many bytes of the op remain.
func (r *reader) left() int { return r.layout.runs[r.run].end - r.at }

// next returns the text of at most size bytes that lie in one op, and the op.
func (r *reader) next(size int) (string, *ot.Op) {
	op := r.op()
	size = min(size, r.left())
	text := r.layout.text[r.at : r.at+size]
	if r.at += size; r.left() == 0 {
		r.run++
	}
	return text, op
}

// skip goes over size bytes and returns their length in UTF-16 units.
func (r *reader) skip(size int) int {
	units := 0
	for size > 0 {
		text, op := r.next(size)
		units += lengthUTF16(text, op)
		size -= len(text)
	}
	return units
}

// lengthUTF16 returns the length of an op's text, or of a part of it, in the
// UTF-16 code units of Deltas.
func lengthUTF16(text string, op *ot.Op) int {
	if op.Embed.Type != "" {
		return 1
	}
	return ot.LenUTF16(text)
}
