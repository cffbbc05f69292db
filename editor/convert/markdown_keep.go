package convert

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// listSeparator is an empty HTML comment, Markdown's idiom for ending a list
// before something indented.
const listSeparator = "<!-- -->"

// keepSource writes lines as a new version of the file they came from. Each
// chunk of the file whose lines the page still has is copied; what is between
// is written anew. Chunks that give no lines (comments, front matter, link
// definitions) stay with their neighbours.
//
// It reports false, and has written nothing, where page and file take too much
// to be compared. They must not keep the page from being written at all.
func (w *markdownWriter) keepSource(source *Source) bool {
	if w.tooLargeToKeep(source) {
		w.notes.add("source", 0, noteNotKept)
		return false
	}
	start, held := w.lines.mark(), w.work.mark()
	defer w.work.release(held)
	keeping := *w
	var text string
	err := guard(func() error {
		lines := w.lines.rest()
		keeping.notes = w.notes.clone() // of the lines above all has been noted
		text = newKeeper(&keeping, lines, source).file()
		return nil
	})
	var limit *LimitError
	switch {
	case err == nil:
		*w.notes = *keeping.notes
		w.out.write(text)
		return true
	case errors.As(err, &limit):
		w.notes.add("source", 0, noteNotKept)
		w.lines.back(start)
		return false
	}
	w.work.stop(err)
	return false
}

const noteNotKept = "The page, or the file that it came from, is too large for them to be compared, " +
	"so all of it was written in a form of its own."

// A comparison of page and file may hold this much memory, or this many times
// their bytes if that is more.
const (
	keepsAlways  = 128 << 20
	keepsTimes   = 10
	bytesPerPair = 1000 // a line of the page or the file, as a block
)

// tooLargeToKeep estimates what keepSource would hold.
func (w *markdownWriter) tooLargeToKeep(source *Source) bool {
	start := w.lines.mark()
	defer w.lines.back(start)
	size, lines := len(source.Data), bytes.Count(source.Data, []byte("\n"))
	for {
		l, _, ok := w.lines.peek()
		if !ok {
			break
		}
		for i := range l.ops {
			size += len(l.ops[i].Insert) + bytesPerOp
		}
		w.lines.next()
		lines++
		size++
	}
	return lines*bytesPerPair > max(keepsAlways, keepsTimes*size)
}

// file returns the file.
func (k *keeper) file() string {
	if isBlankPage(k.lines) && !slices.ContainsFunc(k.chunks, func(c chunk) bool { return len(c.lines) > 0 || c.unsafe }) {
		return k.text
	}
	k.at = alignChunks(k.chunks, k.lines, k.w.work)
	for i, c := range k.chunks {
		if c.unsafe {
			k.at[i] = unmatched
		}
	}
	k.letGo()
	out := k.write()
	if !k.readsAsMeant(out) {
		// Something of what was copied means something else where it stands
		// now. Better no bytes kept than another page.
		for i := range k.at {
			k.at[i] = unmatched
		}
		out = k.write()
	}
	return out
}

type keeper struct {
	w        *markdownWriter
	lines    []line   // of the page
	text     string   // the file
	original []string // its lines, with their ends
	eol      string
	chunks   []chunk
	at       []int       // where in lines each chunk stands, or unmatched
	copied   map[int]int // the chunk whose copy begins at a line of the page
	parts    []part
}

// A part is a piece of the file to be written.
type part struct {
	text  string
	chunk int       // the chunk copied, unmatched where the text is new
	lines []line    // what the text is to be read as
	opens *listLook // the list that it begins within; nil where it is no list
	shuts *listLook // the list that it ends within
}

func newKeeper(w *markdownWriter, lines []line, source *Source) *keeper {
	text := decodeText(source.Data, newNotes())
	k := &keeper{w: w, lines: lines, text: text, original: splitEnds(text), eol: "\n"}
	if len(k.original) > 0 && strings.HasSuffix(k.original[0], "\r\n") {
		k.eol = "\r\n"
	}
	k.chunks = k.parse(unixLines(text))
	return k
}

// parse reads Markdown, whose notes are of no interest.
func (k *keeper) parse(text string) []chunk {
	b := newBuilder(k.w.schema)
	b.work = k.w.work
	return parseMarkdown(text, b).chunks
}

var lineEnds = regexp.MustCompile(`[^\r\n]*(?:\r\n|\n|\r|$)`)

// splitEnds splits text into lines, each with its line end.
func splitEnds(text string) []string {
	var lines []string
	for text != "" {
		l := lineEnds.FindString(text)
		lines = append(lines, l)
		text = text[len(l):]
	}
	return lines
}

// letGo gives up chunks that what is written beside them would change or
// split: the rest of a code block, quote or item that has grown. One that goes
// may take its neighbours on either side with it, so it goes through them in
// both directions.
func (k *keeper) letGo() {
	owner := k.owners()
	drop := func(i int) bool {
		k.w.work.tick()
		if k.at[i] == unmatched || !k.mustGo(i, k.chunks[i], owner) {
			return false
		}
		for j := range k.chunks[i].lines {
			owner[k.at[i]+j] = unmatched
		}
		k.at[i] = unmatched
		return true
	}
	for changed := true; changed; {
		changed = false
		for i := range k.chunks {
			changed = drop(i) || changed
		}
		for i := len(k.chunks) - 1; i >= 0 && changed; i-- {
			drop(i)
		}
	}
}

// owners returns for each line of the page the chunk that it is copied with.
func (k *keeper) owners() []int {
	owner := slices.Repeat([]int{unmatched}, len(k.lines))
	for i, c := range k.chunks {
		if k.at[i] == unmatched {
			continue
		}
		for j := range c.lines {
			owner[k.at[i]+j] = i
		}
	}
	return owner
}

func (k *keeper) mustGo(i int, c chunk, owner []int) bool {
	start, end := k.at[i], k.at[i]+len(c.lines)
	if c.unclosed && end < len(k.lines) {
		return true
	}
	first, _ := styleOf(c.lines[0].attrs)
	before := style{}
	if start > 0 {
		before, _ = styleOf(k.lines[start-1].attrs)
		if owner[start-1] == unmatched && before.joins(first) {
			return true
		}
	}
	// It would begin a list with its old number.
	if c.list != nil && c.list.ordered() && !c.list.begins && !before.ordered() && before.indent == 0 {
		return true
	}
	if end < len(k.lines) && owner[end] == unmatched {
		last, _ := styleOf(c.lines[len(c.lines)-1].attrs)
		after, _ := styleOf(k.lines[end].attrs)
		return last.joins(after) || c.list != nil && after.indent > 0
	}
	return false
}

// write puts the file together from parts.
func (k *keeper) write() string {
	k.copied = map[int]int{}
	for i, at := range k.at {
		if at != unmatched {
			k.copied[at] = i
		}
	}
	k.w.references = len(k.copied) > 0 && slices.ContainsFunc(k.chunks, func(c chunk) bool { return c.role == definitions })
	k.parts = nil
	from, done := 0, 0
	for i := range k.chunks {
		if k.at[i] == unmatched {
			continue
		}
		k.gap(k.chunks[from:i], from, done, k.at[i], true)
		k.copy(i)
		from, done = i+1, k.at[i]+len(k.chunks[i].lines)
	}
	k.gap(k.chunks[from:], from, done, len(k.lines), false)
	return k.join()
}

// gap writes the lines from start to end of the page, which stand where the
// file had chunks, the first of them the first-th. Of those only the silent
// ones can stay: the ones right behind what is copied before, the ones right
// before what is copied next, and others at about their place.
func (k *keeper) gap(chunks []chunk, first, start, end int, copiedNext bool) {
	total := 0 // lines that the gap had
	for _, c := range chunks {
		total += len(c.lines)
	}
	breaks := k.breaks(start, end)
	had := 0
	for i, c := range chunks {
		had += len(c.lines)
		if len(c.lines) > 0 || !k.stays(c, start, end, had, total, first, copiedNext) {
			continue
		}
		// With nothing gone, what is new goes before what leads to the next.
		place := end
		if total > 0 {
			place = breaks[(had*(len(breaks)-1)+total/2)/total]
		}
		if c.role == frontMatter {
			place = start
		}
		k.render(start, place)
		start = max(start, place)
		k.copy(first + i)
	}
	k.render(start, end)
}

// stays reports whether a silent chunk still has a neighbour, old or new: had
// is how many of the gap's total lines stood before it.
func (k *keeper) stays(c chunk, start, end, had, total, first int, copiedNext bool) bool {
	switch {
	case c.unsafe:
		return false
	case c.role == frontMatter:
		return true
	case c.role == definitions:
		return len(k.copied) > 0
	case start < end:
		return true
	}
	return had == 0 && first > 0 || had == total && copiedNext
}

// breaks returns where the lines from start to end may be cut without cutting
// a block: the starts of blocks, and end.
func (k *keeper) breaks(start, end int) []int {
	var breaks []int
	for _, b := range outline(k.lines[start:end], k.w.work) {
		breaks = append(breaks, start+b.first)
	}
	return append(breaks, end)
}

func (k *keeper) copy(i int) {
	c := k.chunks[i]
	k.parts = append(k.parts, part{
		text:  strings.Join(k.original[c.from:c.to], ""),
		chunk: i,
		lines: c.lines,
		opens: c.list,
		shuts: c.list,
	})
}

// render writes lines of the page anew, in the form of the list they go on.
func (k *keeper) render(start, end int) {
	if start >= end {
		return
	}
	lines := k.lines[start:end]
	blocks := outline(lines, k.w.work)
	form := k.formFor(blocks, end)
	text := written(k.w.work, func(out *output) {
		w := *k.w
		w.first, w.lines, w.out = start, readLines(lines, w.work), out
		w.blocks(noParent, 0, form)
	})
	p := part{text: strings.ReplaceAll(text, "\n", k.eol), chunk: unmatched}
	p.lines = flatten(k.parse(text))
	if first := blocks[0].style; first.kind == listItem {
		p.opens = form.look(first)
	}
	if last := blocks[len(blocks)-1].style; last.kind == listItem {
		p.shuts = form.look(last)
	}
	k.parts = append(k.parts, p)
}

func flatten(chunks []chunk) []line {
	var lines []line
	for _, c := range chunks {
		lines = append(lines, c.lines...)
	}
	return lines
}

// look returns how a list that goes on with a line of style s looks in form f.
func (f listForm) look(s style) *listLook {
	marker := f.bullet
	if s.ordered() {
		marker = f.point
	}
	return &listLook{marker: marker, loose: f.loose}
}

// formFor returns the form of lists in blocks, which end at line end of the
// page: that of the list they go on, else of the one that goes on them.
func (k *keeper) formFor(blocks []block, end int) listForm {
	form := canonicalList
	if next, ok := k.copied[end]; ok && k.chunks[next].list.goesWith(blocks[len(blocks)-1].style) {
		form.take(k.chunks[next].list)
	}
	if n := len(k.parts); n > 0 && k.parts[n-1].shuts.goesWith(blocks[0].style) {
		before := k.parts[n-1]
		form.take(before.shuts)
		if m := leadingNumber.FindString(before.text); m != "" {
			number, _ := strconv.Atoi(strings.TrimSpace(m))
			form.number = number + 1
		}
	}
	return form
}

// goesWith reports whether a line of style s may be an item of the list.
func (l *listLook) goesWith(s style) bool {
	return l != nil && s.kind == listItem && s.ordered() == l.ordered()
}

func (l *listLook) ordered() bool { return l.marker == '.' || l.marker == ')' }

var leadingNumber = regexp.MustCompile(`^ {0,3}[0-9]{1,8}`)

func (f *listForm) take(l *listLook) {
	f.loose = l.loose
	if l.ordered() {
		f.point = l.marker
	} else {
		f.bullet = l.marker
	}
}

// join writes the parts with what belongs between them.
func (k *keeper) join() string {
	var out strings.Builder
	for i, p := range k.parts {
		if i == 0 {
			if p.chunk == 0 {
				out.WriteString(strings.Join(k.original[:k.chunks[0].from], ""))
			}
		} else {
			out.WriteString(k.between(k.parts[i-1], p))
		}
		out.WriteString(p.text)
	}
	if n := len(k.parts); n > 0 && k.parts[n-1].chunk == len(k.chunks)-1 && len(k.chunks) > 0 {
		out.WriteString(strings.Join(k.original[k.chunks[len(k.chunks)-1].to:], ""))
	}
	return out.String()
}

// between returns what stands between two parts.
func (k *keeper) between(a, b part) string {
	if a.chunk != unmatched && b.chunk == a.chunk+1 {
		return strings.Join(k.original[k.chunks[a.chunk].to:k.chunks[b.chunk].from], "")
	}
	end := ""
	if !strings.HasSuffix(a.text, "\n") && !strings.HasSuffix(a.text, "\r") {
		end = k.eol
	}
	if a.shuts != nil && b.opens != nil && a.shuts.marker == b.opens.marker && !b.opens.loose && !a.shuts.loose {
		return end
	}
	if a.shuts != nil && b.opens == nil && (strings.HasPrefix(b.text, " ") || strings.HasPrefix(b.text, "\t")) {
		return end + k.eol + listSeparator + k.eol + k.eol
	}
	return end + k.eol
}

// readsAsMeant reports whether the file as a whole is read as its parts are.
func (k *keeper) readsAsMeant(text string) bool {
	got := flatten(k.parse(unixLines(text)))
	var want []line
	for _, p := range k.parts {
		want = append(want, p.lines...)
	}
	return slices.EqualFunc(got, want, func(a, b line) bool { return a.key() == b.key() })
}
