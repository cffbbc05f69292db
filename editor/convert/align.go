package convert

import "slices"

// unmatched is where a chunk stands of which the page no longer has all lines.
const unmatched = -1

// maxCandidates bounds the places at which a chunk that the page has many
// times over (a rule, an empty line) is looked for.
const maxCandidates = 64

// alignChunks returns for each chunk where in lines its lines stand now, or
// unmatched. The places are in order and do not overlap; of all such choices
// it takes the one that keeps most. Chunks without lines are unmatched.
func alignChunks(chunks []chunk, lines []line, w *work) []int {
	at := make([]int, len(chunks))
	for i := range at {
		at[i] = unmatched
	}
	keys := make([]string, len(lines))
	for i, l := range lines {
		w.tick()
		keys[i] = l.key()
		w.spend(bytesPerOp + len(keys[i]))
	}
	from, to := 0, len(chunks)
	start, end := 0, len(lines)
	for ; from < to && startsWith(keys[start:end], chunks[from]); from++ {
		w.tick()
		if len(chunks[from].lines) > 0 {
			at[from] = start
			start += len(chunks[from].lines)
		}
	}
	for ; from < to && endsWith(keys[start:end], chunks[to-1]); to-- {
		w.tick()
		if len(chunks[to-1].lines) > 0 {
			end -= len(chunks[to-1].lines)
			at[to-1] = end
		}
	}
	alignMiddle(chunks[from:to], keys[start:end], at[from:to], w)
	for i := from; i < to; i++ {
		if at[i] != unmatched {
			at[i] += start
		}
	}
	return at
}

func startsWith(keys []string, c chunk) bool {
	return len(keys) >= len(c.lines) && slices.EqualFunc(keys[:len(c.lines)], c.lines, keyMatches)
}

func endsWith(keys []string, c chunk) bool {
	return len(keys) >= len(c.lines) && slices.EqualFunc(keys[len(keys)-len(c.lines):], c.lines, keyMatches)
}

func keyMatches(key string, l line) bool { return key == l.key() }

// A link is one place for one chunk, in a chain of places.
type link struct {
	chunk, start int
	weight       int // lines and text kept up to here
	before       int // index of the link before, -1 where there is none
}

// bytesPerLink estimates what a place that is tried allocates.
const bytesPerLink = 128

// alignMiddle finds the heaviest chain of places, chunk by chunk, and enters
// it in at.
func alignMiddle(chunks []chunk, keys []string, at []int, w *work) {
	places := placesOf(chunks, keys, w)
	tree := newMaxTree(len(keys) + 1)
	for i, c := range chunks {
		w.tick()
		w.spend(len(places[i]) * bytesPerLink)
		first, weight := len(tree.links), 0
		if len(places[i]) > 0 {
			weight = c.weight()
		}
		for _, start := range places[i] {
			l := link{chunk: i, start: start, weight: weight, before: tree.max(start)}
			if l.before >= 0 {
				l.weight += tree.links[l.before].weight
			}
			tree.links = append(tree.links, l)
		}
		// Only now: a chunk must not follow itself.
		for j := first; j < len(tree.links); j++ {
			tree.raise(tree.links[j].start+len(c.lines), j)
		}
	}
	for j := tree.max(len(keys)); j >= 0; j = tree.links[j].before {
		at[tree.links[j].chunk] = tree.links[j].start
	}
}

// weight is how much is kept with c.
func (c chunk) weight() int {
	n := 1
	for _, l := range c.lines {
		n += 1 + len(plainText(l.ops, objectText))
	}
	return n
}

// placesOf returns for each chunk where its lines stand in keys, the nearest
// where there are many.
func placesOf(chunks []chunk, keys []string, w *work) [][]int {
	byKey := map[string][]int{}
	for i, key := range keys {
		byKey[key] = append(byKey[key], i)
	}
	places := make([][]int, len(chunks))
	rank := map[string]int{} // how many chunks before began with the same line
	for i, c := range chunks {
		w.tick()
		if len(c.lines) == 0 {
			continue
		}
		key := c.lines[0].key()
		starts := byKey[key]
		if len(starts) > maxCandidates {
			from := max(0, min(rank[key]-maxCandidates/2, len(starts)-maxCandidates))
			starts = starts[from : from+maxCandidates]
		}
		rank[key]++
		for _, start := range starts {
			if startsWith(keys[start:], c) {
				places[i] = append(places[i], start)
			}
		}
	}
	return places
}

// A maxTree answers which link is the heaviest of those that end at or before
// a line: a Fenwick tree of maxima.
type maxTree struct {
	links    []link
	heaviest []int // index of a link, -1 for none
}

func newMaxTree(ends int) *maxTree {
	return &maxTree{heaviest: slices.Repeat([]int{-1}, ends+1)}
}

// raise enters the link at index l, which ends there.
func (t *maxTree) raise(end, l int) {
	for i := end + 1; i < len(t.heaviest); i += i & -i {
		t.heaviest[i] = t.heavier(t.heaviest[i], l)
	}
}

// max returns the index of the heaviest link that ends at or before end, -1
// where there is none.
func (t *maxTree) max(end int) int {
	best := -1
	for i := end + 1; i > 0; i -= i & -i {
		best = t.heavier(best, t.heaviest[i])
	}
	return best
}

func (t *maxTree) heavier(a, b int) int {
	if a < 0 || b >= 0 && t.links[b].weight > t.links[a].weight {
		return b
	}
	return a
}
