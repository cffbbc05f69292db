package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"halley/editor/client"
)

// fewFiles is the number of files up to which each file's losses are printed.
const fewFiles = 5

// A lossReport collects what could not be kept of many files. Those of a few files
// are printed file by file. Those of more are summed up, since an export of another
// program has the same three losses in each of hundreds of files; the losses of
// each file then go to a file of their own.
type lossReport struct {
	doing string // "import"
	files int    // in all
	lossy []lossyFile
}

type lossyFile struct {
	name  string
	notes []client.Note
}

// A lossSum is one kind of loss in all files.
type lossSum struct {
	what, note   string
	files, times int
}

func (r *lossReport) add(name string, notes []client.Note) {
	if len(notes) > 0 {
		r.lossy = append(r.lossy, lossyFile{name, notes})
	}
}

func (r *lossReport) print(env environ) {
	switch {
	case len(r.lossy) == 0:
	case len(r.lossy) <= fewFiles:
		r.printEach(env.stdout)
	default:
		r.printSums(env.stdout)
		if name, err := r.save(); err != nil {
			fmt.Fprintf(env.stderr, "the losses of each file cannot be written down: %v\n", err)
		} else {
			fmt.Fprintf(env.stdout, "the losses of each file are listed in %s\n", name)
		}
	}
}

func (r *lossReport) printEach(w io.Writer) {
	for _, f := range r.lossy {
		fmt.Fprintf(w, "%s:\n", f.name)
		for _, n := range f.notes {
			fmt.Fprintf(w, "  %s\n", noteLine(n))
		}
	}
}

func (r *lossReport) printSums(w io.Writer) {
	fmt.Fprintf(w, "%d of %d files lost something:\n", len(r.lossy), r.files)
	for _, s := range r.sums() {
		fmt.Fprintf(w, "  %s, %d times in %d files: %s\n", s.what, s.times, s.files, s.note)
	}
}

// sums returns each kind of loss once, the most frequent first.
func (r *lossReport) sums() (sums []lossSum) {
	type kind struct{ what, note string }
	index := map[kind]int{}
	for _, f := range r.lossy {
		seen := map[int]bool{}
		for _, n := range f.notes {
			k := kind{n.What, n.Note}
			i, ok := index[k]
			if !ok {
				i = len(sums)
				index[k], sums = i, append(sums, lossSum{what: n.What, note: n.Note})
			}
			sums[i].times += max(1, n.Count)
			if !seen[i] {
				seen[i] = true
				sums[i].files++
			}
		}
	}
	slices.SortStableFunc(sums, func(a, b lossSum) int { return cmp.Compare(b.files, a.files) })
	return sums
}

// save writes the losses of each file to a new temporary file, without what could
// steer a terminal that shows it.
func (r *lossReport) save() (name string, err error) {
	file, err := os.CreateTemp("", "halley-"+r.doing+"-*.txt")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriter(&plainWriter{to: file})
	r.printEach(w)
	return file.Name(), errors.Join(w.Flush(), file.Close())
}
