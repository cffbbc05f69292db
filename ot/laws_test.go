package ot_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
)

// firstSeed lets a failing seed be run again: go test -run Laws -seed N.
var firstSeed = flag.Uint64("seed", 1, "first seed of the random tests")

// seeds returns how many seeds a random test runs through: n, and a hundred
// times as many in the long form.
func seeds(n int) uint64 {
	if os.Getenv("HALLEY_SOAK") != "" {
		n *= 100
	}
	return uint64(n)
}

func TestLawsOnPages(t *testing.T) {
	checkLaws(t, func(r *rand.Rand) (content, a, b, c ot.Delta) {
		content = ottest.Content(r, r.IntN(60))
		a = ottest.Change(r, content)
		b = ottest.Concurrent(r, content, a)
		return content, a, b, ottest.Change(r, ot.Compose(content, a))
	})
}

func TestLawsOnFreeDeltas(t *testing.T) {
	checkLaws(t, func(r *rand.Rand) (content, a, b, c ot.Delta) {
		content = ottest.FreeContent(r, r.IntN(60))
		a = ottest.FreeChange(r, content, nil)
		b = ottest.FreeChange(r, content, a)
		return content, a, b, ottest.FreeChange(r, ot.Compose(content, a), nil)
	})
}

func checkLaws(t *testing.T, random func(*rand.Rand) (content, a, b, c ot.Delta)) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+seeds(2000); seed++ {
		content, a, b, c := random(ottest.Rand(seed))
		if err := ottest.Laws(content, a, b, c); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// A Transformer is Transform step by step, and does not modify its delta.
func TestTransformer(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+seeds(500); seed++ {
		r := ottest.Rand(seed)
		content := ottest.Content(r, r.IntN(60))
		b := ottest.Change(r, content)
		before := b.AppendJSON(nil)
		var changes []ot.Delta
		want := b
		for range r.IntN(6) {
			a := ottest.Change(r, content)
			content = ot.Compose(content, a)
			changes = append(changes, a)
			want = ot.Transform(a, want, false)
		}
		transformer := ot.NewTransformer(b, false)
		for _, a := range changes {
			transformer.Over(a)
		}
		got := transformer.Delta()
		if !got.Equal(want) {
			t.Fatalf("seed %d: over %v, %v becomes %v, want %v", seed, changes, b, got, want)
		}
		if string(b.AppendJSON(nil)) != string(before) {
			t.Fatalf("seed %d: Over modified its delta %s, which is now %v", seed, before, b)
		}
	}
}
