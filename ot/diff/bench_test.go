package diff_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"halley/ot"
	"halley/ot/diff"
)

// pageOf is about size bytes of paragraphs, some words bold, some lines headings.
func pageOf(size int, seed uint64) ot.Delta {
	r := rand.New(rand.NewPCG(seed, 4))
	var d ot.Delta
	for written := 0; written < size; {
		for range 40 + r.IntN(40) {
			word := randomWord(r) + " "
			written += len(word)
			op := ot.Op{Insert: word}
			if r.IntN(40) == 0 {
				op.Attributes = ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True})
			}
			d = d.Push(op)
		}
		newline := ot.Op{Insert: "\n"}
		if r.IntN(10) == 0 {
			newline.Attributes = ot.MakeAttributes(ot.Attr{Name: "header", Value: ot.IntValue(2)})
		}
		d = d.Push(newline)
	}
	return d
}

func randomWord(r *rand.Rand) string {
	return fmt.Sprintf("%x", r.IntN(3000)*r.IntN(3000))
}

// typed inserts a word at a number of places spread over content.
func typed(content ot.Delta, edits int) ot.Delta {
	step := length(content) / (edits + 1)
	var edit ot.Delta
	for range edits {
		edit = edit.Push(ot.Op{Retain: step}).Push(ot.Op{Insert: "typed "})
	}
	return ot.Compose(content, edit)
}

func BenchmarkContents(b *testing.B) {
	oneLine := func(size int) ot.Delta {
		return ot.Delta{{Insert: strings.ReplaceAll(plainly(pageOf(size, 1), " "), "\n", " ") + "\n"}}
	}
	few := func(size int, seed uint64) ot.Delta {
		r := rand.New(rand.NewPCG(seed, 5))
		text := make([]byte, size)
		for i := range text {
			text[i] = "ab c\n"[r.IntN(5)]
		}
		return ot.Delta{{Insert: string(text) + "\n"}}
	}
	cases := []struct {
		name          string
		before, after ot.Delta
	}{
		{"one edit in 10 KB", pageOf(10<<10, 1), typed(pageOf(10<<10, 1), 1)},
		{"50 edits in 100 KB", pageOf(100<<10, 1), typed(pageOf(100<<10, 1), 50)},
		{"50 edits in one paragraph of 100 KB", oneLine(100 << 10), typed(oneLine(100<<10), 50)},
		{"5000 edits in 1 MB", pageOf(1<<20, 1), typed(pageOf(1<<20, 1), 5000)},
		{"unrelated 1 MB", pageOf(1<<20, 1), pageOf(1<<20, 2)},
		{"unrelated 1 MB paragraphs", oneLine(1 << 20), ot.Delta{{Insert: plainly(pageOf(1<<20, 2), " ") + "\n"}}},
		{"unrelated 1 MB of four letters", few(1<<20, 1), few(1<<20, 2)},
		{"1 MB of empty lines, more of them", ot.Delta{{Insert: strings.Repeat("\n", 1<<20)}}, ot.Delta{{Insert: strings.Repeat("\n", 1<<20+5)}}},
		{"1 MB word, edited twice", ot.Delta{{Insert: strings.Repeat("a", 1<<20) + "\n"}}, ot.Delta{{Insert: strings.Repeat("a", 1<<19) + "b" + strings.Repeat("a", 1<<19) + "b\n"}}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			var change ot.Delta
			for b.Loop() {
				change = diff.Contents(c.before, c.after)
			}
			b.ReportMetric(float64(len(change)), "ops/change")
		})
	}
}
