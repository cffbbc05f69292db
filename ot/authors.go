package ot

import (
	"iter"
	"sync"
)

// An author identifies who wrote a run: it is an index into a Content's authors.
type author uint32

// authors are the names of all authors of a Content and its snapshots. The first
// is "", for text without an author. A name stays after its author's text is
// gone, since a page has few authors. Safe for concurrent use.
type authors struct {
	mu    sync.Mutex
	ids   map[string]author
	names []string
}

func newAuthors() *authors {
	return &authors{ids: map[string]author{"": 0}, names: []string{""}}
}

// id returns the author with a name.
func (a *authors) id(name string) author {
	if name == "" {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id, ok := a.ids[name]
	if !ok {
		id = author(len(a.names))
		a.ids[name] = id
		a.names = append(a.names, name)
	}
	return id
}

// all returns the names, indexed by author. Later calls of id only append to them.
func (a *authors) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names
}

// Authors yields the author ("" for none) and the length of each stretch between
// two positions that one author wrote. Positions and lengths count UTF-16 code
// units; positions are clamped as [Content.Slice] does.
func (c *Content) Authors(from, to int) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		names := c.authors.all()
		var last author
		length := 0
		for piece, r := range c.pieces(from, to) {
			if r.author != last && length > 0 {
				if !yield(names[last], length) {
					return
				}
				length = 0
			}
			last = r.author
			length += lenUTF16(piece)
		}
		if length > 0 {
			yield(names[last], length)
		}
	}
}
