package load

import (
	"math/rand/v2"
	"sync"

	"halley/editor/client"
	"halley/ot"
)

// A text is a page as one open editor holds it, with the caret.
type text struct {
	mu    sync.Mutex // guards what follows
	doc   *client.Document
	caret int
}

func newText(seq uint64, content ot.Delta) (*text, error) {
	doc, err := client.NewDocument(seq, content)
	return &text{doc: doc}, err
}

// receive applies a committed change; own is the edit that is in flight.
func (t *text) receive(c *change, own bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	applied, err := t.doc.Receive(c.seq, c.delta, own)
	if err != nil {
		return err
	}
	t.caret = ot.TransformPosition(applied, t.caret, false)
	return nil
}

// typed makes one edit of a number of strokes, and returns it with its base. The
// edit is nil if the strokes undid each other.
func (t *text) typed(h *hand, strokes int) (edit ot.Delta, base uint64, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range strokes {
		if err := t.doc.Edit(h.stroke(t.doc.Content().Len(), &t.caret)); err != nil {
			return nil, 0, err
		}
	}
	edit, base, _ = t.doc.Send()
	return edit, base, nil
}

// A hand types: words, mostly, at its caret, with mistakes that it takes back,
// and now and then it goes elsewhere.
type hand struct {
	random *rand.Rand
	word   string // what is left of it
}

func newHand(seed, number uint64) *hand { return &hand{random: rand.New(rand.NewPCG(seed, number))} }

// words are typed over and over. All their letters take one UTF-16 unit, so
// that a caret is never inside of one.
var words = []string{
	"the ", "meeting ", "of ", "Tuesday, ", "agenda: ", "we ", "should ", "Straße ", "déjà ", "write ", "down ", "what ",
	"was ", "said, ", "проект ", "and ", "who ", "does ", "it. ", "計画 ", "next ", "steps ", "is ", "open; ", "ask ", "them\n",
}

// bold is what a hand formats with.
var bold = ot.Attributes{{Name: "bold", Value: "true"}}

// stroke is the next thing that the hand does to a text of so many units, the
// last one its final newline. The caret ends where it has got to.
func (h *hand) stroke(length int, caret *int) ot.Delta {
	last := length - 1
	*caret = min(*caret, last)
	switch p := h.random.IntN(100); {
	case p < 2:
		*caret = h.random.IntN(length)
		h.word = ""
	case p < 8 && *caret > 0:
		*caret--
		return at(*caret).Delete(1)
	case p < 9 && *caret >= 4:
		return at(*caret-4).Retain(4, bold)
	}
	if h.word == "" {
		h.word = words[h.random.IntN(len(words))]
	}
	letter := []rune(h.word)[0]
	h.word = h.word[len(string(letter)):]
	edit := at(*caret).Insert(string(letter), nil)
	*caret++
	return edit
}

func at(position int) ot.Delta { return ot.Delta{}.Retain(position, nil) }
