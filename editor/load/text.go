package load

import (
	"math/rand/v2"
	"sync"

	"halley/ot"
)

// A text is a page as one open editor holds it: what is committed, and over it
// at most one edit of its own that is on its way.
type text struct {
	mu      sync.Mutex // guards what follows
	content *ot.Content
	seq     uint64
	caret   int
	sent    bool     // there is an edit on its way
	unsaid  ot.Delta // it, as it applies to what is committed so far
}

func newText(seq uint64, content ot.Delta) (*text, error) {
	c, err := ot.NewContent(content)
	return &text{content: c, seq: seq}, err
}

// receive takes in a committed change; own is the edit that is on its way.
func (t *text) receive(c *change, own bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq = c.seq
	if own {
		t.sent, t.unsaid = false, nil
		return nil // the text has had it since it was typed
	}
	delta := c.delta
	if t.sent {
		t.unsaid, delta = ot.Transform(delta, t.unsaid, false), ot.Transform(t.unsaid, delta, true)
	}
	t.caret = ot.TransformPosition(delta, t.caret, false)
	return t.content.Apply(delta)
}

// typed makes the edit that so many strokes are, and the seq that it stands on.
func (t *text) typed(h *hand, strokes int) (ot.Delta, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var edit ot.Delta
	for range strokes {
		stroke := h.stroke(t.content.Len(), &t.caret)
		if err := t.content.Apply(stroke); err != nil {
			return nil, 0, err
		}
		if edit == nil {
			edit = stroke
		} else {
			edit = ot.Compose(edit, stroke)
		}
	}
	if len(edit) == 0 { // strokes that took each other back
		return nil, t.seq, nil
	}
	t.sent, t.unsaid = true, edit
	return edit, t.seq, nil
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
