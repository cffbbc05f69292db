package diff

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// worthKeeping drops matches that only split a replacement: those no longer than
// the changes on both sides of them. go-diff's semantic clean-up does the same for
// plain text.
func worthKeeping(matches []match, a, b tokens) []match {
	var kept []match
	// changed is the length of the change between the match before and this one.
	changed := func(before, m match) int {
		return max(
			a.span(before.a+before.n, m.a).size(),
			b.span(before.b+before.n, m.b).size())
	}
	top := func(i int) match {
		if i > len(kept) {
			return match{}
		}
		return kept[len(kept)-i]
	}
	for _, m := range append(matches, match{a.len(), b.len(), 0}) {
		for len(kept) > 0 {
			weight := a.weight(top(1))
			if weight > changed(top(2), top(1)) || weight > changed(top(1), m) {
				break
			}
			kept = kept[:len(kept)-1]
		}
		kept = append(kept, m)
	}
	return kept[:len(kept)-1]
}

// weight returns the value of a match, in bytes of text. A newline, which carries
// a line's formats, and an embed count as much as a sentence.
func (t *tokens) weight(m match) int {
	const extra = 63
	s := t.span(m.a, m.a+m.n)
	text := t.layout.text[s.from:s.to]
	return len(text) + extra*(strings.Count(text, "\n")+strings.Count(text, embedMark))
}

// slide moves inserts and deletes that have the same result in several places to
// the place that reads best: from the beginning of a line, sentence or word to the
// beginning of another. "One. [Two. ]Three." reads
// better than "One[. Two]. Three.".
func slide(matches []match, a, b tokens) []match {
	for i := 1; i < len(matches); i++ {
		before, after := &matches[i-1], &matches[i]
		var t tokens
		var from, to int // the tokens inserted or deleted
		switch {
		case before.b+before.n == after.b:
			t, from, to = a, before.a+before.n, after.a
		case before.a+before.n == after.a:
			t, from, to = b, before.b+before.n, after.b
		default:
			continue // a replacement has no other place
		}
		by := t.bestPlace(from, to, before.n, after.n)
		before.n += by
		after.a, after.b, after.n = after.a+by, after.b+by, after.n-by
	}
	return matches
}

// bestPlace returns by how many tokens the run [from, to) is best moved over equal
// tokens: at most left to the left, or right to the right. It prefers the shortest
// move, and moves right only if that is better.
func (t *tokens) bestPlace(from, to, left, right int) int {
	by := 0
	for by > -left && t.symbols[from+by-1] == t.symbols[to+by-1] {
		by--
	}
	best, most := 0, -1
	for {
		if worth := t.beginning(from+by) + t.beginning(to+by); worth > most || worth == most && by <= 0 {
			best, most = by, worth
		}
		if by == right || t.symbols[from+by] != t.symbols[to+by] {
			return best
		}
		by++
	}
}

// beginning rates the place before token i as the beginning or end of an edit: 3
// at the beginning of a line, 2 of a sentence, 1 of a word, otherwise 0.
func (t *tokens) beginning(i int) int {
	text := t.layout.text[:t.start(i)]
	if text == "" || text[len(text)-1] == '\n' {
		return 3
	}
	end := strings.TrimRight(text, " \t")
	last, _ := utf8.DecodeLastRuneInString(end)
	switch {
	case len(end) == len(text):
		return 0
	case unicode.Is(unicode.Sentence_Terminal, last):
		return 2
	}
	return 1
}
