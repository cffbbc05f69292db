//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The load of BenchmarkStalledMemory. A change replaces the text of one
// paragraph, so that the page does not grow and writers do not meet.
const (
	stalledReaders = 30
	largeWriters   = 32
	largeChanges   = 20_000
	largeBytes     = 1000
)

// BenchmarkStalledMemory measures how much memory the whole program takes, at
// its peak, while readers that no longer read are sent 20,000 changes of 1 KB.
// Afterwards each reader reads on, and must get every change in order.
func BenchmarkStalledMemory(b *testing.B) {
	w := startProgram(b)
	w.newPage(paragraphs())
	for b.Loop() {
		w.replaceParagraphs(largeWriters * 10) // so that what the first edits allocate is not counted
		lines := makeLines(stalledReaders)
		for _, l := range lines {
			l.seq = w.seq
		}
		w.open(lines)
		time.Sleep(time.Second)
		before := w.memory()
		w.resetPeak()
		w.replaceParagraphs(largeChanges)
		time.Sleep(5 * time.Second) // the server folds the page
		after := w.memory()
		b.ReportMetric(mebi(after.peak-before.resident), "MiB")
		b.ReportMetric(mebi(before.resident), "before-MiB")
		b.ReportMetric(mebi(after.anonymous-before.anonymous), "anonymous-MiB")
		for i, l := range lines {
			w.readOn(l, i)
		}
		b.ReportMetric(mebi(w.memory().peak-before.resident), "with-catch-up-MiB")
		closeAll(lines)
	}
}

// readOn reads up to the newest change. A reader whose stream has ended, because
// it took nothing for too long, comes back once, after the last change that it has.
func (w *program) readOn(l *line, i int) {
	w.tb.Helper()
	for returned := false; l.seq < w.seq; {
		err := l.until("change")
		if err == nil {
			continue
		}
		if returned {
			w.tb.Fatalf("reader %d has change %d of %d: %v", i, l.seq, w.seq, err)
		}
		returned = true
		l.conn.Close()
		w.reopen(l, i)
	}
}

func paragraphs() string {
	return strings.Repeat(strings.Repeat("x", largeBytes)+`\n`, largeWriters)
}

// newPage has the program's page be a new one with that text, which must need no
// more escapes in JSON.
func (w *program) newPage(text string) {
	w.tb.Helper()
	var made struct {
		ID  string
		Seq int
	}
	answer := w.send("POST", "/api/pages", `{"title":"Measured","delta":[{"insert":"`+text+`"}]}`)
	if err := json.NewDecoder(answer.Body).Decode(&made); err != nil {
		w.tb.Fatal(err)
	}
	w.page, w.seq = made.ID, made.Seq
}

// replaceParagraphs makes so many changes, each of which replaces one paragraph.
func (w *program) replaceParagraphs(changes int) {
	w.tb.Helper()
	session := strconv.FormatUint(rand.Uint64(), 36)
	start := w.seq
	seqs := make([]int, largeWriters)
	var writing sync.WaitGroup
	for i := range seqs {
		writing.Go(func() {
			seqs[i] = start
			random := rand.New(rand.NewPCG(uint64(i), uint64(start)))
			for n := 1; n <= changes/largeWriters; n++ {
				text := words(random, largeBytes)
				seqs[i] = w.replaceParagraph(fmt.Sprintf("%s-writer-%d", session, i), n, seqs[i], i, text)
			}
		})
	}
	writing.Wait()
	for _, seq := range seqs {
		w.seq = max(w.seq, seq)
	}
}

func (w *program) replaceParagraph(client string, n, base, paragraph int, text string) (seq int) {
	w.tb.Helper()
	retain := ""
	if paragraph > 0 {
		retain = fmt.Sprintf(`{"retain":%d},`, paragraph*(largeBytes+1))
	}
	answer := w.send("POST", "/api/pages/"+w.page+"/changes", fmt.Sprintf(
		`{"client":"%s","n":%d,"base":%d,"delta":[%s{"insert":"%s"},{"delete":%d}]}`, client, n, base, retain, text, largeBytes))
	var committed struct{ Seq int }
	if err := json.NewDecoder(answer.Body).Decode(&committed); err != nil {
		w.tb.Error(err)
	}
	return committed.Seq
}

// words is n bytes of made-up words.
func words(random *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		if b[i] = ' '; random.IntN(6) > 0 {
			b[i] = byte('a' + random.IntN(26))
		}
	}
	return string(b)
}

// A footprint is what memory a process takes, in bytes.
type footprint struct{ resident, peak, anonymous int }

// memory reads the process's footprint from the kernel.
func (p *process) memory() footprint {
	p.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	field := func(name string) int {
		_, after, _ := strings.Cut(string(status), name+":")
		kb, err := strconv.Atoi(strings.Fields(after + " -")[0])
		if err != nil {
			p.tb.Fatalf("%s in the status of the server: %v", name, err)
		}
		return kb << 10
	}
	return footprint{field("VmRSS"), field("VmHWM"), field("RssAnon")}
}

// resetPeak has the kernel count the peak from now on.
func (p *process) resetPeak() {
	p.tb.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0); err != nil {
		p.tb.Skipf("the peak of the memory in use cannot be reset here: %v", err)
	}
}

func mebi(bytes int) float64 { return float64(bytes) / (1 << 20) }
