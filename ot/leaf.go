package ot

import (
	"bytes"
	"slices"
)

const (
	// maxLeafBytes bounds the text of a leaf: every edit in the leaf moves it.
	maxLeafBytes = 1024
	// maxLeafRuns bounds how many runs a leaf has.
	maxLeafRuns = 64
	// maxInsert bounds the text that is inserted into a leaf at once, so that
	// one split is enough afterwards.
	maxInsert = maxLeafBytes / 2
	// leafRoom is the spare capacity, in bytes, of a copied leaf's text: a leaf
	// is copied because an edit is about to change it.
	leafRoom = 32
)

// A run is a stretch of text in one style by one author, or an embed.
type run struct {
	bytes, units int32
	style        *style
	author       author
}

// run returns f as a run.
func (f *fragment) run() run { return run{int32(len(f.text)), int32(f.units), f.style, f.author} }

// joins reports whether r and o, neighbours, are one run.
func (r *run) joins(o *run) bool { return r.author == o.author && r.style.continues(o.style) }

// A leaf holds about 1 KB of text. Its runs are not empty, and no two neighbours
// could be one run.
type leaf struct {
	owner owner
	text  []byte
	runs  []run
}

func (l *leaf) owned(o owner) node {
	if l.owner == o {
		return l
	}
	text := make([]byte, len(l.text), len(l.text)+leafRoom)
	copy(text, l.text)
	return &leaf{owner: o, text: text, runs: slices.Clone(l.runs)}
}

func (l *leaf) total() sum {
	total := sum{bytes: len(l.text), lines: countLines(l.text)}
	for i := range l.runs {
		total.units += int(l.runs[i].units)
	}
	return total
}

func countLines(text []byte) int { return bytes.Count(text, []byte{'\n'}) }

func (l *leaf) formats() formats {
	if len(l.runs) == 0 {
		return formats{}
	}
	s := l.runs[0].style
	f := formats{s.extra, s, s}
	for i := range l.runs[1:] {
		s := l.runs[i+1].style
		if !f.last.continues(s) {
			f.extra += s.extra
		}
		f.last = s
	}
	return f
}

// A place locates a position in a leaf.
type place struct {
	run     int // index of the run
	in      int // units of that run before the position
	runByte int // byte offset of that run
	byte    int // byte offset of the position
}

// findBefore returns the place of a position, in the run that holds the unit
// before it. The leaf must not be empty.
func (l *leaf) findBefore(at int) place {
	var p place
	for p.run < len(l.runs)-1 && at > int(l.runs[p.run].units) {
		at -= int(l.runs[p.run].units)
		p.runByte += int(l.runs[p.run].bytes)
		p.run++
	}
	return l.place(p, at)
}

// findAfter returns the place of a position, in the run that holds the unit
// after it.
func (l *leaf) findAfter(at int) place {
	var p place
	for p.run < len(l.runs)-1 && at >= int(l.runs[p.run].units) {
		at -= int(l.runs[p.run].units)
		p.runByte += int(l.runs[p.run].bytes)
		p.run++
	}
	return l.place(p, at)
}

// place completes p, whose run and runByte are known, for the position in that
// run.
func (l *leaf) place(p place, in int) place {
	r := &l.runs[p.run]
	offset, _ := offsetUTF16(l.text[p.runByte:p.runByte+int(r.bytes)], in, int(r.units))
	p.in, p.byte = in, p.runByte+offset
	return p
}

func (l *leaf) between(at int) bool {
	for i, from := 0, 0; i < len(l.runs); i++ {
		r := &l.runs[i]
		if at < int(r.units) {
			_, between := offsetUTF16(l.text[from:from+int(r.bytes)], at, int(r.units))
			return between
		}
		at -= int(r.units)
		from += int(r.bytes)
	}
	return true
}

func (l *leaf) walk(from, to int, yield func([]byte, *run) bool) bool {
	text := l.text
	for i := 0; i < len(l.runs) && to > 0; i++ {
		r := &l.runs[i]
		units := int(r.units)
		if from < units {
			piece := text[:r.bytes]
			if to < units {
				end, _ := offsetUTF16(piece, to, units)
				piece = piece[:end]
			}
			if from > 0 {
				start, _ := offsetUTF16(text[:r.bytes], from, units)
				piece = piece[start:]
			}
			if len(piece) > 0 && !yield(piece, r) {
				return false
			}
		}
		from -= units
		to -= units
		text = text[r.bytes:]
	}
	return true
}

// insert inserts f at a position. It returns the added sum, and whether the
// leaf's formats may have changed. Like remove and restyle it may leave the leaf
// overfull or underfull; the caller mends it.
func (l *leaf) insert(at int, f fragment) (change sum, reformed bool) {
	if len(l.runs) == 0 {
		l.push(f)
		return f.sum(), true
	}
	added := f.run()
	p := l.findBefore(at)
	l.insertBytes(p.byte, f.text)
	if r := &l.runs[p.run]; r.joins(&added) {
		r.bytes += added.bytes
		r.units += added.units
		return f.sum(), false
	}
	l.insertRun(p, added)
	return f.sum(), true
}

// push appends f.
func (l *leaf) push(f fragment) {
	added := f.run()
	l.text = append(l.text, f.text...)
	if n := len(l.runs); n > 0 && l.runs[n-1].joins(&added) {
		l.runs[n-1].bytes += added.bytes
		l.runs[n-1].units += added.units
		return
	}
	l.runs = append(l.runs, added)
}

// insertBytes inserts text at byte offset at.
func (l *leaf) insertBytes(at int, text string) {
	l.text = slices.Grow(l.text, len(text))[:len(l.text)+len(text)]
	copy(l.text[at+len(text):], l.text[at:])
	copy(l.text[at:], text)
}

// insertRun inserts a run at p that cannot join the run there.
func (l *leaf) insertRun(p place, added run) {
	switch {
	case p.in == 0:
		l.runs = slices.Insert(l.runs, p.run, added)
	case p.in < int(l.runs[p.run].units):
		l.cutRun(p)
		l.runs = slices.Insert(l.runs, p.run+1, added)
	case p.run+1 < len(l.runs) && l.runs[p.run+1].joins(&added):
		next := &l.runs[p.run+1]
		next.bytes += added.bytes
		next.units += added.units
	default:
		l.runs = slices.Insert(l.runs, p.run+1, added)
	}
}

// remove drops up to n units, at least one, from a position on. It stops at the
// end of the leaf. It returns the (negative) change, and whether the leaf's
// formats may have changed.
func (l *leaf) remove(at, n int) (change sum, reformed bool) {
	p := l.findAfter(at)
	r := &l.runs[p.run]
	left := int(r.units) - p.in // of the run, from at on
	if n > left || n == int(r.units) {
		return l.removeRuns(at, n), true
	}
	size, _ := offsetUTF16(l.text[p.byte:p.runByte+int(r.bytes)], n, left)
	change = sum{-n, -size, -countLines(l.text[p.byte : p.byte+size])}
	l.text = slices.Delete(l.text, p.byte, p.byte+size)
	r.bytes -= int32(size)
	r.units -= int32(n)
	return change, false
}

// removeRuns is remove for a range that covers at least one whole run.
func (l *leaf) removeRuns(at, n int) sum {
	i, from := l.cut(at)
	j, to := l.cut(at + n)
	change := sum{bytes: from - to, lines: -countLines(l.text[from:to])}
	for _, r := range l.runs[i:j] {
		change.units -= int(r.units)
	}
	l.runs = slices.Delete(l.runs, i, j)
	l.text = slices.Delete(l.text, from, to)
	l.joinRuns(i)
	return change
}

// restyle changes the style of up to n units, at least one, from a position on. It
// stops at the end of the leaf, and returns the number of units restyled.
func (l *leaf) restyle(at, n int, r *restyling) (done int) {
	i, _ := l.cut(at)
	j, _ := l.cut(at + n)
	for k := range l.runs[i:j] {
		styled := &l.runs[i+k]
		styled.style = r.of(styled.style)
		done += int(styled.units)
	}
	l.joinRuns(i)
	return done
}

// cut makes a run begin at a position, and returns its index and byte offset.
// A position behind the end gives those of the end.
func (l *leaf) cut(at int) (index, offset int) {
	p := place{}
	for ; p.run < len(l.runs); p.run++ {
		r := &l.runs[p.run]
		if at <= 0 {
			break
		}
		if at < int(r.units) {
			p = l.place(p, at)
			l.cutRun(p)
			return p.run + 1, p.byte
		}
		at -= int(r.units)
		p.runByte += int(r.bytes)
	}
	return p.run, p.runByte
}

// cutRun splits the run that p is inside of.
func (l *leaf) cutRun(p place) {
	left := &l.runs[p.run]
	right := *left
	left.bytes, left.units = int32(p.byte-p.runByte), int32(p.in)
	right.bytes -= left.bytes
	right.units -= left.units
	l.runs = slices.Insert(l.runs, p.run+1, right)
}

// joinRuns joins the runs that can be joined, from the run before i on.
func (l *leaf) joinRuns(i int) {
	joined := l.runs[:max(i-1, 0)]
	for _, r := range l.runs[len(joined):] {
		if n := len(joined); n > 0 && joined[n-1].joins(&r) {
			joined[n-1].bytes += r.bytes
			joined[n-1].units += r.units
		} else {
			joined = append(joined, r)
		}
	}
	clear(l.runs[len(joined):])
	l.runs = joined
}

func (l *leaf) fill() fill {
	switch {
	case len(l.text) > maxLeafBytes || len(l.runs) > maxLeafRuns:
		return over
	case len(l.text) < maxLeafBytes/4 && len(l.runs) < maxLeafRuns/4:
		return under
	}
	return within
}

// halve cuts in the middle of the text, or of the runs if there are too many.
func (l *leaf) halve() node {
	i, at := l.middle()
	right := &leaf{owner: l.owner, text: slices.Clone(l.text[at:]), runs: slices.Clone(l.runs[i:])}
	clear(l.runs[i:])
	l.runs = l.runs[:i]
	l.text = l.text[:at]
	return right
}

// middle makes a run begin where the leaf is to be split, and returns its index
// and byte offset.
func (l *leaf) middle() (index, offset int) {
	if len(l.text) > maxLeafBytes {
		return l.cut(LenUTF16(prefix(string(l.text), len(l.text)/2)))
	}
	index = len(l.runs) / 2
	for _, r := range l.runs[:index] {
		offset += int(r.bytes)
	}
	return index, offset
}

func (l *leaf) takes(right node) bool {
	r := right.(*leaf)
	return len(l.runs) == 0 || len(r.runs) == 0 ||
		len(l.text)+len(r.text) <= maxLeafBytes*3/4 && len(l.runs)+len(r.runs) <= maxLeafRuns*3/4
}

func (l *leaf) absorb(right node) {
	r := right.(*leaf)
	i := len(l.runs)
	l.text = append(l.text, r.text...)
	l.runs = append(l.runs, r.runs...)
	l.joinRuns(i)
}
