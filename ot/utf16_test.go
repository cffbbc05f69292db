package ot

import (
	"math/rand/v2"
	"testing"
	"unicode/utf16"
)

// TestUTF16Offsets compares lengths and offsets with the standard library's,
// at every position of random texts.
func TestUTF16Offsets(t *testing.T) {
	const seed = 1
	r := rand.New(rand.NewPCG(seed, 0))
	alphabet := []rune("aé彗🎉")
	for range 2000 {
		var text []rune
		for range r.IntN(40) {
			text = append(text, alphabet[r.IntN(1+r.IntN(len(alphabet)))])
		}
		checkOffsets(t, text)
	}
}

func checkOffsets(t *testing.T, text []rune) {
	t.Helper()
	s := string(text)
	length := len(utf16.Encode(text))
	if got := LenUTF16(s); got != length {
		t.Fatalf("LenUTF16(%q) = %d, want %d", s, got, length)
	}
	units := 0
	for i, r := range s {
		wantOffset(t, s, units, length, i, true)
		units += utf16.RuneLen(r)
		if utf16.RuneLen(r) == 2 {
			wantOffset(t, s, units-1, length, i+4, false)
		}
	}
	wantOffset(t, s, units, length, len(s), true)
}

func wantOffset(t *testing.T, s string, n, length, want int, wantBetween bool) {
	t.Helper()
	if got, between := offsetUTF16(s, n, length); got != want || between != wantBetween {
		t.Fatalf("offsetUTF16(%q, %d) = %d, %v, want %d, %v", s, n, got, between, want, wantBetween)
	}
}
