package convert

import (
	"maps"
	"slices"
)

// maxNotes bounds the notes of one conversion: an attribute that nobody knows
// may have any name.
const maxNotes = 100

// notes counts what could not be kept. Equal notes are told once, with the
// place of the first.
type notes struct {
	all   []Note
	index map[noteKey]int
}

type noteKey struct{ what, note string }

// add counts one loss. where is a line of the source, 0 where unknown.
func (n *notes) add(what string, where int, note string) {
	n.addMany(what, 1, where, note)
}

func (n *notes) addMany(what string, count, where int, note string) {
	key := noteKey{what, note}
	if i, ok := n.index[key]; ok {
		n.all[i].Count += count
		return
	}
	if n.index == nil {
		n.index = map[noteKey]int{}
	}
	if len(n.all) >= maxNotes {
		n.more(count)
		return
	}
	n.index[key] = len(n.all)
	n.all = append(n.all, Note{What: what, Count: count, Where: where, Note: note})
}

// more counts what has no note of its own any longer.
func (n *notes) more(count int) {
	if len(n.all) == maxNotes {
		n.all = append(n.all, Note{What: "more", Note: "Other things were left out too; only the first kinds are listed."})
	}
	n.all[maxNotes].Count += count
}

// list returns the notes in the order in which they first came up.
func (n *notes) list() []Note { return n.all }

func newNotes() *notes { return &notes{} }

func (n *notes) clone() *notes { return &notes{slices.Clone(n.all), maps.Clone(n.index)} }
