package ot

// Positions and lengths count UTF-16 code units, texts are UTF-8: a character
// of one to three bytes is one unit, one of four bytes is two, a surrogate pair.

// LenUTF16 returns the length of s, well-formed UTF-8, in UTF-16 code units.
func LenUTF16(s string) int { return lenUTF16(s) }

// lenUTF16 counts one unit for each byte that begins a character, and one more
// for each that begins a character of four bytes; eight bytes at a time.
func lenUTF16[T string | []byte](s T) int {
	n, i := 0, 0
	for ; i+8 <= len(s); i += 8 {
		w := load64(s, i)
		if w&highBits == 0 {
			n += 8
			continue
		}
		n += 8 - countContinuations(w) + countFourByteLeads(w)
	}
	for ; i < len(s); i++ {
		n += unitsOf(s[i])
	}
	return n
}

const (
	highBits = 0x8080808080808080
	lowBits  = 0x0101010101010101
)

// unitsOf returns how many units the character has that b begins; 0 if b is
// inside a character.
func unitsOf(b byte) int {
	switch {
	case b < 0x80:
		return 1
	case b < 0xc0:
		return 0
	case b < 0xf0:
		return 1
	}
	return 2
}

// countContinuations counts the bytes 10xxxxxx in w.
func countContinuations(w uint64) int { return sumBytes((w >> 7) & (^w >> 6) & lowBits) }

// countFourByteLeads counts the bytes 1111xxxx in w.
func countFourByteLeads(w uint64) int {
	return sumBytes((w >> 7) & (w >> 6) & (w >> 5) & (w >> 4) & lowBits)
}

// sumBytes adds up the eight bytes of w, each 0 or 1.
func sumBytes(w uint64) int { return int(w * lowBits >> 56) }

// load64 reads eight bytes of s from i on, in any order.
func load64[T string | []byte](s T, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// offsetUTF16 returns the byte offset of position n, in units, in s, which has
// length units, and whether n lies between characters. A position inside a
// surrogate pair gives the offset behind the pair.
func offsetUTF16[T string | []byte](s T, n, length int) (offset int, between bool) {
	if length == len(s) {
		return n, true // ASCII
	}
	i := 0
	for n >= 8 && i+8 <= len(s) {
		w := load64(s, i)
		n -= 8 - countContinuations(w) + countFourByteLeads(w)
		i += 8
	}
	for n > 0 && i < len(s) {
		n -= unitsOf(s[i])
		i++
	}
	// Continuation bytes belong to the character that is counted already.
	for i < len(s) && unitsOf(s[i]) == 0 {
		i++
	}
	return i, n >= 0
}
