package ot

import (
	"slices"
	"unicode/utf8"
)

// loadFill is how full leaves are made when a whole content is loaded: there is
// room for some typing before the first split.
const loadFill = maxLeafBytes * 7 / 8

// load returns a tree that holds content, which is valid.
func load(content Delta, styles *styles, o owner) node {
	l := loader{owner: o}
	for i := range content {
		op := &content[i]
		if op.Embed.Type != "" {
			l.add(fragment{text: embedText, units: 1, style: styles.ofEmbed(op.Embed, op.Attributes)})
			continue
		}
		s := styles.of(op.Attributes)
		for text := op.Insert; text != ""; {
			part := prefix(text, max(l.room(), utf8.UTFMax))
			l.add(fragment{text: part, units: LenUTF16(part), style: s})
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

// room returns how many bytes of text still go into the last leaf.
func (l *loader) room() int {
	if l.last == nil || len(l.last.runs) >= maxLeafRuns {
		return loadFill
	}
	return loadFill - len(l.last.text)
}

// add appends f to the last leaf, or to a new one where it has no room.
func (l *loader) add(f fragment) {
	if l.last == nil || len(f.text) > l.room() || len(l.last.runs) >= maxLeafRuns {
		l.last = &leaf{owner: l.owner}
		l.leaves = append(l.leaves, l.last)
	}
	l.last.push(f)
}

// branchFill is how many children a branch gets when a whole content is loaded.
const branchFill = maxKids * 3 / 4

// grow returns the tree over nodes, of which there is at least one.
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
