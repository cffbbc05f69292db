package ot

import "crypto/sha256"

// Hash returns the SHA-256 of c's JSON, as [Delta.AppendJSON] writes it. It
// depends on the content alone, not on its history, its authors or its tree, and
// can be computed in any language from the content's Delta. It takes time linear
// in the size, and allocates nothing that grows with it.
func (c *Content) Hash() [sha256.Size]byte {
	const enough = 4 << 10 // bytes to hash at once
	sha := sha256.New()
	text := []byte{'['}
	open := (*style)(nil) // of the insert of text being written
	begun := false
	for piece, r := range c.pieces(0, c.sum.units) {
		if r.style != open || r.style.isEmbed() {
			text = endInsert(text, open)
			if begun {
				text = append(text, ',')
			}
			begun = true
			text = beginInsert(text, r.style)
			open = r.style
		}
		if !r.style.isEmbed() {
			text = appendEscaped(text, piece)
		}
		if len(text) >= enough {
			sha.Write(text)
			text = text[:0]
		}
	}
	sha.Write(append(endInsert(text, open), ']'))
	return [sha256.Size]byte(sha.Sum(nil))
}

// beginInsert appends the beginning of an insert, up to its text.
func beginInsert(dst []byte, s *style) []byte {
	dst = append(dst, `{"insert":`...)
	if s.isEmbed() {
		return s.embed.AppendJSON(dst)
	}
	return append(dst, '"')
}

// endInsert appends the end of an insert, if one is open.
func endInsert(dst []byte, s *style) []byte {
	if s == nil {
		return dst
	}
	if !s.isEmbed() {
		dst = append(dst, '"')
	}
	return appendAttributes(dst, s.attributes)
}
