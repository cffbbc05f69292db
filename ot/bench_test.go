package ot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
)

// perEdit reports the time of a benchmark whose iterations make many edits.
func perEdit(b *testing.B, edits int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*edits), "ns/edit")
}

// BenchmarkReplay applies all edits of a trace to an empty Content.
func BenchmarkReplay(b *testing.B) {
	for _, name := range []string{"automerge-paper", "seph-blog1", "rustcode", "json-crdt-patch"} {
		b.Run(name, func(b *testing.B) {
			edits := editsOf(readTrace(b, name))
			b.ReportAllocs()
			for b.Loop() {
				replay(b, newContent(b, nil), edits)
			}
			perEdit(b, len(edits))
		})
	}
}

// BenchmarkQuillDelta is the baseline: the same edits composed one by one by
// quill-delta in Node. The Go benchmark only starts it and tells its time.
func BenchmarkQuillDelta(b *testing.B) {
	for _, name := range []string{"automerge-paper", "seph-blog1", "rustcode"} {
		b.Run(name, func(b *testing.B) {
			file := filepath.Join(dataDir, "editing-traces", name+".json.gz")
			if _, err := os.Stat(file); err != nil {
				b.Skipf("the shared test data is not there: %v", err)
			}
			if _, err := os.Stat("../frontend/node_modules/quill-delta"); err != nil {
				b.Skipf("quill-delta is not installed (make frontend does it): %v", err)
			}
			var total float64
			for b.Loop() {
				out, err := exec.Command("node", "testdata/quill-delta.mjs", file).Output()
				if err != nil {
					b.Fatalf("node: %v %s", err, stderrOf(err))
				}
				perEdit, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
				if err != nil {
					b.Fatal(err)
				}
				total += perEdit
			}
			b.ReportMetric(total/float64(b.N), "ns/edit")
		})
	}
}

func stderrOf(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}

// editsOf returns the edits of a trace one behind the other in memory, so that
// fetching one, which a page has just decoded, costs little.
func editsOf(t *trace) []ot.Delta {
	var ops ot.Delta
	var ends []int
	for _, txn := range t.Txns {
		for i := range txn.Patches {
			ops = append(ops, txn.Patches[i].delta()...)
			ends = append(ends, len(ops))
		}
	}
	edits := make([]ot.Delta, len(ends))
	start := 0
	for i, end := range ends {
		edits[i], start = ops[start:end:end], end
	}
	return edits
}

func replay(b *testing.B, c *ot.Content, edits []ot.Delta) {
	for _, d := range edits {
		if err := c.Apply(d); err != nil {
			b.Fatal(err)
		}
	}
}

// pageOf returns a plain page of about n units, half of them not ASCII.
func pageOf(n int) ot.Delta {
	const half = "the comet comes 彗星は七十六年ごとに戻る🎉\n"
	return ot.Delta{{Insert: strings.Repeat(half, n/ot.LenUTF16(half))}}
}

// randomEdits returns changes at random places, that insert and delete three units.
func randomEdits(r *rand.Rand, length, n int) []ot.Delta {
	edits := make([]ot.Delta, n)
	for i := range edits {
		// In the middle of the Japanese part of a line of 31 units; each insert
		// is taken out again, so the places stay between characters.
		at := 31*r.IntN(length/31-1) + 22
		if i%2 == 0 {
			edits[i] = ot.Delta{{Retain: at}, {Insert: "彗xy"}}
		} else {
			edits[i] = ot.Delta{{Retain: edits[i-1][0].Retain}, {Delete: 3}}
		}
	}
	return edits
}

var pageSizes = []struct {
	name  string
	units int
}{{"10KB", 1e4}, {"100KB", 1e5}, {"1MB", 1e6}, {"10MB", 1e7}}

// BenchmarkRandomEdit inserts three units at a random place and deletes them
// again, in turn.
func BenchmarkRandomEdit(b *testing.B) {
	for _, snapshots := range []bool{false, true} {
		for _, size := range pageSizes {
			b.Run(fmt.Sprintf("%s/snapshots=%v", size.name, snapshots), func(b *testing.B) {
				c := newContent(b, pageOf(size.units))
				edits := randomEdits(ottest.Rand(1), c.Len()-100, 1<<16)
				i := 0
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Apply(edits[i%len(edits)]); err != nil {
						b.Fatal(err)
					}
					i++
					if snapshots {
						kept = c.Snapshot()
					}
				}
			})
		}
	}
}

// kept keeps the newest snapshot reachable, as a page does for its readers.
var kept *ot.Content

func BenchmarkMemory(b *testing.B) {
	const units = 10_000_000
	text := ot.Delta{{Insert: strings.Repeat("a plain page, ", units/14)}}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c := newContent(b, text)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(c.Len()), "B/char")
		runtime.KeepAlive(c)
	}
	runtime.KeepAlive(text)
}

var (
	typed = ot.Delta{{Retain: 1000}, {Insert: "e"}}
	other = ot.Delta{{Retain: 1200}, {Insert: "x"}}
)

func BenchmarkTransform(b *testing.B) {
	b.Run("two typing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ot.Transform(typed, other, false)
		}
	})
	b.Run("over 1000 missed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := ot.NewTransformer(other, false)
			for range 1000 {
				t.Over(typed)
			}
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	b.Run("two typing", func(b *testing.B) {
		next := ot.Delta{{Retain: 1001}, {Insert: "f"}}
		b.ReportAllocs()
		for b.Loop() {
			ot.Compose(typed, next)
		}
	})
	b.Run("formatted 10KB", func(b *testing.B) {
		content := ottest.Content(ottest.Rand(1), 10_000)
		change := ottest.Change(ottest.Rand(2), content)
		b.ReportAllocs()
		for b.Loop() {
			ot.Compose(content, change)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, data := range map[string][]byte{
		"typed":          []byte(`[{"retain":1000},{"insert":"e"}]`),
		"formatted":      []byte(`[{"retain":1000},{"insert":"e","attributes":{"bold":true,"color":"#aa0000"}}]`),
		"formatted 10KB": ottest.Content(ottest.Rand(1), 10_000).AppendJSON(nil),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := ot.Parse(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = typed.AppendJSON(buffer[:0])
	}
}
