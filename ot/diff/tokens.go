package diff

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"halley/ot"
)

// tokens are the pieces of a span of text. Equal tokens have equal symbols in both
// texts of a comparison. No token begins inside a grapheme cluster.
type tokens struct {
	layout  *layout
	symbols []symbol
	ends    []int // where each token ends, in bytes of the layout's text
	from    int   // where the first begins
}

// A symbol represents a line, word or grapheme cluster. A weak symbol (blanks
// between words, empty lines) matches only beside another match.
type symbol uint32

const weak symbol = 1 << 31

// lookEvery is the number of tokens between two calls of look.
const lookEvery = 1024

func (t *tokens) len() int { return len(t.symbols) }

func (t *tokens) start(i int) int {
	if i == 0 {
		return t.from
	}
	return t.ends[i-1]
}

// span returns the text of tokens i up to j.
func (t *tokens) span(i, j int) span { return span{t.start(i), t.start(j)} }

func (t *tokens) add(s symbol, end int) {
	if len(t.symbols)%lookEvery == 0 {
		t.layout.look()
	}
	t.symbols = append(t.symbols, s)
	t.ends = append(t.ends, end)
}

// lineNames gives the same symbol to lines with equal text, equal embeds and, if
// formats is set, equal formats.
type lineNames struct {
	formats bool // whether formats count
	names   map[lineName]symbol
	key     []byte // scratch
}

// A lineName identifies a line. Marks encodes its formats and embeds; it is "" for
// a plain line.
type lineName struct{ text, marks string }

// cut cuts a span into lines, each with its newline; the last may have none.
func (n *lineNames) cut(l *layout, s span) tokens {
	if n.names == nil {
		n.names = make(map[lineName]symbol)
	}
	t := tokens{layout: l, from: s.from}
	count := strings.Count(l.text[s.from:s.to], "\n") + 1
	t.symbols, t.ends = make([]symbol, 0, count), make([]int, 0, count)
	r := l.readerAt(s.from)
	for at := s.from; at < s.to; {
		end := s.to
		if i := strings.IndexByte(l.text[at:s.to], '\n'); i >= 0 {
			end = at + i + 1
		}
		name := lineName{l.text[at:end], n.marks(&r, end)}
		id, known := n.names[name]
		if !known {
			id = symbol(len(n.names))
			if strings.TrimSpace(name.text) == "" {
				id |= weak
			}
			n.names[name] = id
		}
		t.add(id, end)
		at = end
	}
	return t
}

// marks reads up to end and encodes every op with an embed or, if formats is set,
// with attributes: the end of the op, and its embed and attributes.
func (n *lineNames) marks(r *reader, end int) string {
	n.key = n.key[:0]
	start := r.at
	for r.at < end {
		_, op := r.next(end - r.at)
		attributes := op.Attributes
		if !n.formats {
			attributes = nil
		}
		if len(attributes) == 0 && op.Embed.Type == "" {
			continue
		}
		n.key = strconv.AppendInt(n.key, int64(r.at-start), 10)
		n.key = appendQuoted(n.key, op.Embed.Type, string(op.Embed.Value))
		for _, attr := range attributes {
			n.key = appendQuoted(n.key, attr.Name, string(attr.Value))
		}
		n.key = append(n.key, '\n')
	}
	return string(n.key)
}

// appendQuoted writes strings with their lengths, so that no two lists of
// strings look the same.
func appendQuoted(dst []byte, parts ...string) []byte {
	for _, p := range parts {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, int64(len(p)), 10)
		dst = append(dst, ':')
		dst = append(dst, p...)
	}
	return dst
}

// unitNames gives the same symbol to words or clusters with equal text, and to
// equal embeds, whatever their formats.
type unitNames struct {
	texts      map[string]symbol
	embeds     map[ot.Embed]symbol
	weakBlanks bool
}

// cut cuts a span into embeds and the pieces that next finds.
func (n *unitNames) cut(l *layout, s span, next func(string) int) tokens {
	if n.texts == nil {
		n.texts, n.embeds = make(map[string]symbol), make(map[ot.Embed]symbol)
	}
	t := tokens{layout: l, from: s.from}
	for r := l.readerAt(s.from); r.at < s.to; {
		if op := r.op(); op.Embed.Type != "" {
			r.next(len(embedMark))
			t.add(n.embed(op.Embed), r.at)
			continue
		}
		at := r.at
		// Clusters and words may continue in the next op, but end before an embed.
		for r.at < s.to && r.op().Embed.Type == "" {
			r.next(s.to - r.at)
		}
		for at < r.at {
			size := next(l.text[at:r.at])
			t.add(n.text(l.text[at:at+size]), at+size)
			at += size
		}
	}
	return t
}

func (n *unitNames) text(text string) symbol {
	id, known := n.texts[text]
	if !known {
		id = symbol(len(n.texts) + len(n.embeds))
		if n.weakBlanks && kindOf(text) == blank {
			id |= weak
		}
		n.texts[text] = id
	}
	return id
}

func (n *unitNames) embed(e ot.Embed) symbol {
	id, known := n.embeds[e]
	if !known {
		id = symbol(len(n.texts) + len(n.embeds))
		n.embeds[e] = id
	}
	return id
}

// nextWord returns the length of the first word of text, run of blanks, or
// single cluster of another kind.
func nextWord(text string) int {
	size := nextCluster(text)
	kind := kindOf(text)
	if kind == alone {
		return size
	}
	for size < len(text) && kindOf(text[size:]) == kind {
		size += nextCluster(text[size:])
	}
	return size
}

// nextCluster returns the length of the first grapheme cluster of text.
func nextCluster(text string) int {
	// Two ASCII characters never make one cluster; and a newline, which bears a
	// line's formats, stands alone even after a carriage return.
	if text[0] < utf8.RuneSelf && (len(text) == 1 || text[1] < utf8.RuneSelf) {
		return 1
	}
	cluster, _, _, _ := uniseg.FirstGraphemeClusterInString(text, -1)
	return len(cluster)
}

// A kind tells which clusters make up a word together.
type kind int

const (
	alone  kind = iota // punctuation, newlines, scripts that do not part words
	blank              // white space
	letter             // letters and digits
)

// unparted are scripts written without blanks between words. Each of their
// clusters is compared alone; otherwise a whole sentence would be one word.
var unparted = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

// kindOf returns the kind of the first cluster of text.
func kindOf(text string) kind {
	if c := text[0]; c < utf8.RuneSelf {
		switch {
		case c == ' ' || c == '\t':
			return blank
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_':
			return letter
		}
		return alone
	}
	r, _ := utf8.DecodeRuneInString(text)
	switch {
	case unicode.IsSpace(r):
		return blank
	case unicode.In(r, unparted...):
		return alone
	case unicode.IsLetter(r) || unicode.IsDigit(r):
		return letter
	}
	return alone
}
