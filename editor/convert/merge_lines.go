package convert

import (
	"halley/ot"
	"halley/ot/diff"
)

// A hunk is whole lines of one content that a change replaces by whole lines of
// another. Positions are UTF-16 units.
type hunk struct{ from, to linesSpan }

type linesSpan struct{ begin, end int }

// concerns reports whether h and another hunk have a line of the resulting
// content in common, or h takes away lines where the other one is.
func (h hunk) concerns(other hunk) bool {
	begin, end := max(h.to.begin, other.to.begin), min(h.to.end, other.to.end)
	return begin < end || begin == end && h.to.begin == h.to.end
}

// hunksOf returns the lines that change, which makes to of from, touches.
func hunksOf(from, to, change ot.Delta) []hunk {
	w := hunkWalk{linesFrom: lineBeginnings(from), linesTo: lineBeginnings(to)}
	for _, op := range change {
		w.step(op)
	}
	if rest := w.linesFrom.length - w.from; rest > 0 {
		w.step(ot.Op{Retain: rest})
	}
	w.meet(w.from, w.to)
	return w.hunks
}

// A hunkWalk goes along a change. Where both contents begin a line at text that
// is retained, they meet; what lies between two such places is a hunk, if
// something in it changes.
type hunkWalk struct {
	linesFrom, linesTo beginnings
	from, to           int // where the walk is
	open               hunk
	dirty              bool
	hunks              []hunk
}

func (w *hunkWalk) step(op ot.Op) {
	if op.Retain == 0 {
		w.dirty = true
		w.from += op.Delete
		w.to += insertLength(op)
		return
	}
	end := w.from + op.Retain
	for ; w.from < end; w.from, w.to = w.from+1, w.to+1 {
		w.meet(w.from, w.to)
		w.dirty = w.dirty || len(op.Attributes) > 0
	}
	w.meet(w.from, w.to)
}

// meet closes the open hunk, if both contents begin a line or end here.
func (w *hunkWalk) meet(from, to int) {
	if !w.linesFrom.at(from) || !w.linesTo.at(to) {
		return
	}
	if w.dirty {
		w.open.from.end, w.open.to.end = from, to
		w.hunks = append(w.hunks, w.open)
	}
	w.open = hunk{linesSpan{begin: from}, linesSpan{begin: to}}
	w.dirty = false
}

// beginnings are the positions at which a content's lines begin.
type beginnings struct {
	behindNewline []bool // for each position, the content's length included
	length        int
}

func (b beginnings) at(position int) bool {
	return position == 0 || position == b.length || b.behindNewline[position]
}

func lineBeginnings(content ot.Delta) beginnings {
	behind := []bool{false}
	for _, op := range content {
		if op.Embed.Type != "" {
			behind = append(behind, false)
		}
		for _, r := range op.Insert {
			if r >= 0x10000 {
				behind = append(behind, false)
			}
			behind = append(behind, r == '\n')
		}
	}
	return beginnings{behind, len(behind) - 1}
}

// replaceLines puts lines of want in the place of lines of content, for each
// hunk from what content's file says to want.
func replaceLines(content, written, want ot.Delta, hunks []hunk) ot.Delta {
	if len(hunks) == 0 {
		return content
	}
	lines := lineBeginnings(content)
	file := diff.Contents(written, content)
	source, err := ot.NewContent(want)
	if err != nil {
		panic("convert: a document is a content: " + err.Error())
	}
	var edit ot.Delta
	done := 0
	for _, h := range hunks {
		begin, end := ot.TransformPosition(file, h.from.begin, true), ot.TransformPosition(file, h.from.end, true)
		if begin < done || !lines.at(begin) || !lines.at(end) {
			continue // the file's lines are not the page's
		}
		if begin > done {
			edit = edit.Push(ot.Op{Retain: begin - done})
		}
		for _, op := range source.Slice(h.to.begin, h.to.end) {
			edit = edit.Push(op)
		}
		if end > begin {
			edit = edit.Push(ot.Op{Delete: end - begin})
		}
		done = end
	}
	return ot.Compose(content, edit)
}
