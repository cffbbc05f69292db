package ot

import (
	"iter"
	"sync"
)

// An author is who wrote a run: an index into a Content's authors.
type author uint32

// Authors are the names of all who wrote in a Content or in its snapshots,
// "" for nobody first. A name stays when what its owner wrote is gone: a page
// has few authors. Safe for concurrent use.
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

// all returns the names by author, of which those given out so far stay as they are.
func (a *authors) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.names
}

// Authors goes through what lies between two positions, in UTF-16 code units, in
// stretches by one author: who wrote it, "" for nobody, and its length. Positions
// are moved as by [Content.Slice].
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
