package ot

import (
	"sync"
	"weak"
)

// A style is everything about a run except its text. It is immutable. Text runs
// with equal attributes share one style, so styles are compared by pointer; each
// embed has its own.
type style struct {
	attributes Attributes
	embed      Embed  // zero for text
	extra      int    // bytes of both as JSON
	text       *style // of an embed: that of text with its attributes, which they share
}

// plain is the style of text without attributes.
var plain = &style{}

// embedText stands for an embed in the text: U+FFFC, one UTF-16 unit long.
const embedText = "\ufffc"

// newTextStyle returns a new style for attributes.
func newTextStyle(attributes Attributes) *style {
	return &style{attributes: attributes, extra: len(attributes.AppendJSON(nil))}
}

func (s *style) isEmbed() bool { return s.embed.Type != "" }

// continues reports whether a run of style s and its neighbour of style next are
// one op in a Delta.
func (s *style) continues(next *style) bool { return s == next && !s.isEmbed() }

// styles are the text styles of a Content and of its snapshots, one for each
// set of attributes. Styles that no run uses any more are dropped. Safe for
// concurrent use.
type styles struct {
	mu      sync.Mutex
	known   map[string]weak.Pointer[style] // by the attributes' JSON
	last    *style                         // a cache: most often the next one, too
	largest int                            // the greatest extra of all so far
	key     []byte
	sweepAt int // the size of known at which the unused ones are dropped
}

const firstSweep = 64

func newStyles() *styles {
	return &styles{known: make(map[string]weak.Pointer[style]), last: plain, sweepAt: firstSweep}
}

// of returns the style of text with these attributes.
func (t *styles) of(attributes Attributes) *style {
	if len(attributes) == 0 {
		return plain
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.attributes.Equal(attributes) {
		t.last = t.find(attributes)
	}
	return t.last
}

func (t *styles) find(attributes Attributes) *style {
	t.key = attributes.AppendJSON(t.key[:0])
	if s := t.known[string(t.key)].Value(); s != nil {
		return s
	}
	if len(t.known) >= t.sweepAt {
		t.sweep()
	}
	s := newTextStyle(attributes)
	t.largest = max(t.largest, s.extra)
	t.known[string(t.key)] = weak.Make(s)
	return s
}

// ofEmbed returns a style for an embed with these attributes.
func (t *styles) ofEmbed(embed Embed, attributes Attributes) *style {
	text := t.of(attributes)
	extra := text.extra + len(embed.AppendJSON(nil)) - len(embedText)
	return &style{attributes: text.attributes, embed: embed, extra: extra, text: text}
}

// mostExtra returns an upper bound of the extra of every text style.
func (t *styles) mostExtra() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.largest
}

// sweep drops the styles that no run uses any more.
func (t *styles) sweep() {
	for key, pointer := range t.known {
		if pointer.Value() == nil {
			delete(t.known, key)
		}
	}
	t.sweepAt = max(firstSweep, 2*len(t.known))
}

// A restyling sets attributes on runs. It caches its results, since many runs
// have the same style.
type restyling struct {
	styles     *styles
	attributes Attributes
	done       map[*style]*style // what became of each text style met
}

// of returns s with the attributes set.
func (r *restyling) of(s *style) *style {
	if to := r.done[s]; to != nil {
		return to
	}
	to := s
	composed := composeAttributes(s.attributes, r.attributes, false)
	switch {
	case composed.Equal(s.attributes):
	case s.isEmbed():
		return r.styles.ofEmbed(s.embed, composed)
	default:
		to = r.styles.of(composed)
	}
	if r.done == nil {
		r.done = make(map[*style]*style)
	}
	r.done[s] = to
	return to
}
