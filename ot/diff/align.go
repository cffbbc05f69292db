package diff

import (
	"slices"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

const (
	// maxSteps bounds the work of one comparison, in steps of a few
	// nanoseconds: about a quarter of a second.
	maxSteps = 64 << 20

	// maxMyers is the most tokens, of both sides, that go-diff gets at once. Its
	// steps are about their square.
	maxMyers = 2048
)

// A match is n tokens from a on the one side that equal those from b on the
// other.
type match struct{ a, b, n int }

// A method says how lists of symbols are aligned.
type method struct {
	// anchor is the length of the runs of symbols that are anchors if they occur
	// exactly once on each side.
	anchor int
	// short is the total length of both lists up to which go-diff is tried
	// before anchors.
	short int
	// most: without anchors, go-diff finds the most matches.
	most bool
}

var (
	// A line that occurs once is a better anchor than the longest sequence of
	// frequent lines.
	byAnchors         = method{anchor: 1}
	byAnchorsThenMost = method{anchor: 1, most: true}
	// Eight tokens are about four words: shorter matches are chance.
	byMost = method{anchor: 8, short: maxMyers, most: true}
)

// align returns matches between two lists of symbols, ascending on both sides.
func (c *comparison) align(a, b []symbol, by method) []match {
	al := aligner{method: by, budget: &c.budget, look: c.a.look}
	al.align(a, b, 0, 0)
	return al.found
}

// An aligner collects matches from left to right.
type aligner struct {
	method
	budget *int
	look   func() // see ContentsWatched
	found  []match
}

// align matches a and b, which begin at offsets fromA and fromB of the whole.
func (al *aligner) align(a, b []symbol, fromA, fromB int) {
	prefix := commonPrefix(a, b)
	al.add(fromA, fromB, prefix)
	a, b, fromA, fromB = a[prefix:], b[prefix:], fromA+prefix, fromB+prefix
	suffix := commonSuffix(a, b)
	a, b = a[:len(a)-suffix], b[:len(b)-suffix]
	al.middle(a, b, fromA, fromB)
	al.add(fromA+len(a), fromB+len(b), suffix)
}

// middle matches a and b, which begin and end differently.
func (al *aligner) middle(a, b []symbol, fromA, fromB int) {
	if len(a) == 0 || len(b) == 0 {
		return
	}
	if len(a)+len(b) <= al.short {
		al.myers(a, b, fromA, fromB)
		return
	}
	al.look()
	if !al.spend(8 * (len(a) + len(b))) {
		return
	}
	doneA, doneB := 0, 0
	for _, m := range anchors(a, b, al.anchor, al.look) {
		if m.a < doneA || m.b < doneB {
			continue // lies in what an earlier anchor was extended to
		}
		al.align(a[doneA:m.a], b[doneB:m.b], fromA+doneA, fromB+doneB)
		n := commonPrefix(a[m.a:], b[m.b:])
		al.add(fromA+m.a, fromB+m.b, n)
		doneA, doneB = m.a+n, m.b+n
	}
	if doneA == 0 && doneB == 0 {
		if al.most {
			al.myers(a, b, fromA, fromB)
		}
		return
	}
	al.align(a[doneA:], b[doneB:], fromA+doneA, fromB+doneB)
}

// myers matches a and b by go-diff, if they are short enough for it. Then it
// extends the matches over adjacent weak symbols, which go-diff did not see.
func (al *aligner) myers(a, b []symbol, fromA, fromB int) {
	sharedA, sharedB, runesA, runesB := shared(a, b, al.look)
	n := len(runesA) + len(runesB)
	if n > maxMyers || !al.spend(n*n) {
		return
	}
	x, y, doneA, doneB := 0, 0, 0, 0
	for _, d := range differ().DiffMainRunes(runesA, runesB, false) {
		size := utf8.RuneCountInString(d.Text)
		switch d.Type {
		case diffmatchpatch.DiffDelete:
			x += size
		case diffmatchpatch.DiffInsert:
			y += size
		case diffmatchpatch.DiffEqual:
			for range size {
				atA, atB := sharedA[x], sharedB[y]
				al.ends(a[doneA:atA], b[doneB:atB], fromA+doneA, fromB+doneB)
				al.add(fromA+atA, fromB+atB, 1)
				x, y, doneA, doneB = x+1, y+1, atA+1, atB+1
			}
		}
	}
	al.ends(a[doneA:], b[doneB:], fromA+doneA, fromB+doneB)
}

// ends matches how a and b begin and end, and nothing between.
func (al *aligner) ends(a, b []symbol, fromA, fromB int) {
	prefix := commonPrefix(a, b)
	suffix := commonSuffix(a[prefix:], b[prefix:])
	al.add(fromA, fromB, prefix)
	al.add(fromA+len(a)-suffix, fromB+len(b)-suffix, suffix)
}

// differ returns a go-diff without its clock: with a timeout its result depends
// on how busy the machine is. Without one its line mode is broken (its issue
// 28) and its half-match shortcut is off; we use neither, and bound the work by
// the length of what it gets.
func differ() *diffmatchpatch.DiffMatchPatch {
	d := diffmatchpatch.New()
	d.DiffTimeout = 0
	return d
}

// shared removes the symbols that occur on one side only, which cannot match and
// make go-diff slow, and the weak ones, which are so frequent that they would
// outweigh the others. It returns the positions of the remaining symbols, and the
// symbols renumbered as runes: go-diff passes runes through strings, which lose
// surrogates (its issue 89).
func shared(a, b []symbol, look func()) (atA, atB []int, runesA, runesB []rune) {
	const first = 0x100
	names := make(map[symbol]rune, len(a))
	for i, s := range a {
		if i%lookEvery == 0 {
			look()
		}
		if s&weak == 0 {
			names[s] = 0
		}
	}
	for i, s := range b {
		if i%lookEvery == 0 {
			look()
		}
		r, known := names[s]
		if !known {
			continue
		}
		if r == 0 {
			r = rune(first + len(runesB)) // at most maxMyers are used, so below the surrogates
			names[s] = r
		}
		atB, runesB = append(atB, i), append(runesB, r)
	}
	for i, s := range a {
		if i%lookEvery == 0 {
			look()
		}
		if r := names[s]; r != 0 {
			atA, runesA = append(atA, i), append(runesA, r)
		}
	}
	return atA, atB, runesA, runesB
}

// add records a match of n tokens, joined to the one before where they touch.
func (al *aligner) add(a, b, n int) {
	if n == 0 {
		return
	}
	if last := len(al.found) - 1; last >= 0 {
		m := &al.found[last]
		if m.a+m.n == a && m.b+m.n == b {
			m.n += n
			return
		}
	}
	al.found = append(al.found, match{a, b, n})
}

// spend takes steps from the budget. It returns false if too few are left.
func (al *aligner) spend(steps int) bool {
	if steps > *al.budget {
		return false
	}
	*al.budget -= steps
	return true
}

// anchors returns the longest ascending list of the runs of size symbols that
// occur once in a and once in b and are not a single weak symbol (Bram Cohen's
// patience diff, on runs).
func anchors(a, b []symbol, size int, look func()) []match {
	type place struct {
		a, b           int32
		timesA, timesB uint8 // 2 means more than once
	}
	places := make(map[uint64]place, len(a))
	eachRun(a, size, look, func(i int, hash uint64) {
		p := places[hash]
		p.a, p.timesA = int32(i), min(p.timesA+1, 2)
		places[hash] = p
	})
	eachRun(b, size, look, func(i int, hash uint64) {
		if p, ok := places[hash]; ok {
			p.b, p.timesB = int32(i), min(p.timesB+1, 2)
			places[hash] = p
		}
	})
	var unique []match
	eachRun(a, size, look, func(i int, hash uint64) {
		p := places[hash]
		if size == 1 && a[i]&weak != 0 {
			return
		}
		if p.timesA == 1 && p.timesB == 1 && slices.Equal(a[i:i+size], b[p.b:int(p.b)+size]) {
			unique = append(unique, match{i, int(p.b), size})
		}
	})
	return ascending(unique)
}

// eachRun calls f with the start and hash (FNV-1a over symbols) of each run of
// size symbols.
func eachRun(symbols []symbol, size int, look func(), f func(int, uint64)) {
	for i := 0; i+size <= len(symbols); i++ {
		if i%lookEvery == 0 {
			look()
		}
		hash := uint64(14695981039346656037)
		for _, s := range symbols[i : i+size] {
			hash = (hash ^ uint64(s)) * 1099511628211
		}
		f(i, hash)
	}
}

// ascending returns the longest part of matches, which ascend in a, that
// ascends in b too.
func ascending(matches []match) []match {
	ends := []int{}                     // ends[k]: the match with the least b that ends a list of k+1
	before := make([]int, len(matches)) // the match before each in its list
	for i, m := range matches {
		k, _ := slices.BinarySearchFunc(ends, m.b, func(end, b int) int { return matches[end].b - b })
		before[i] = -1
		if k > 0 {
			before[i] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, i)
		} else {
			ends[k] = i
		}
	}
	if len(ends) == 0 {
		return nil
	}
	list := make([]match, len(ends))
	for k, i := len(ends)-1, ends[len(ends)-1]; k >= 0; k, i = k-1, before[i] {
		list[k] = matches[i]
	}
	return list
}

func commonPrefix(a, b []symbol) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b []symbol) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
