package ot

import (
	"slices"
	"unicode/utf8"
)

// loadFill is the text, in bytes, that a leaf gets when a whole content is
// loaded. The rest is capacity for some typing before the first split.
const loadFill = maxLeafBytes * 7 / 8

// A stretch is a number of units by one author.
type stretch struct {
	author author
	units  int
}

// A byline yields the author of one piece of a content after another. A nil
// byline yields no author.
type byline struct {
	stretches []stretch // what is left of them
	bad       bool      // they are too short, or cut a surrogate pair
}

// next returns the author of the beginning of a text, and the part that this
// author wrote.
func (b *byline) next(text string, units int) (by author, head string, headUnits int) {
	if b == nil || b.bad {
		return 0, text, units
	}
	if len(b.stretches) == 0 {
		b.bad = true
		return 0, text, units
	}
	s := &b.stretches[0]
	by = s.author
	if s.units > units {
		s.units -= units
		return by, text, units
	}
	offset, between := offsetUTF16(text, s.units, units)
	if !between {
		b.bad = true
	}
	units = s.units
	b.stretches = b.stretches[1:]
	return by, text[:offset], units
}

// most returns how many bytes of text next can use, at most a leaf's. The caller
// passes no more, since next would count the same text for each stretch.
func (b *byline) most() int {
	if b == nil || len(b.stretches) == 0 {
		return maxLeafBytes
	}
	return 3 * min(b.stretches[0].units, maxLeafBytes) // a unit takes three bytes at most
}

// over reports whether the stretches covered exactly the text asked for.
func (b *byline) over() bool { return !b.bad && len(b.stretches) == 0 }

// load returns a tree that holds content, which is valid.
func load(content Delta, styles *styles, o owner, by *byline) node {
	l := loader{owner: o}
	for i := range content {
		op := &content[i]
		if op.Embed.Type != "" {
			who, _, _ := by.next(embedText, 1)
			l.add(fragment{text: embedText, units: 1, style: styles.ofEmbed(op.Embed, op.Attributes), author: who})
			continue
		}
		s := styles.of(op.Attributes)
		for text := op.Insert; text != ""; {
			part := prefix(text, max(min(l.room(), by.most()), utf8.UTFMax))
			who, part, units := by.next(part, LenUTF16(part))
			l.add(fragment{text: part, units: units, style: s, author: who})
			text = text[len(part):]
		}
	}
	if len(l.leaves) == 0 {
		return &leaf{owner: o}
	}
	return grow(l.leaves, o)
}

// A loader fills leaves one after the other.
type loader struct {
	owner  owner
	leaves []node
	last   *leaf
}

// room returns how many bytes of text still fit into the last leaf.
func (l *loader) room() int {
	if l.last == nil || len(l.last.runs) >= maxLeafRuns {
		return loadFill
	}
	return loadFill - len(l.last.text)
}

// add appends f to the last leaf, or to a new one if that is full.
func (l *loader) add(f fragment) {
	if l.last == nil || len(f.text) > l.room() || len(l.last.runs) >= maxLeafRuns {
		l.last = &leaf{owner: l.owner}
		l.leaves = append(l.leaves, l.last)
	}
	l.last.push(f)
}

// branchFill is how many children a branch gets when a whole content is loaded.
const branchFill = maxKids * 3 / 4

// grow returns the tree over nodes; there must be at least one.
func grow(nodes []node, o owner) node {
	for len(nodes) > 1 {
		var parents []node
		for kids := range slices.Chunk(nodes, branchFill) {
			b := &branch{owner: o}
			for _, kid := range kids {
				b.push(kid)
			}
			parents = append(parents, b)
		}
		nodes = parents
	}
	return nodes[0]
}
