package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A liveLine is a line on a terminal that is rewritten in place. The nil liveLine
// writes nothing.
type liveLine struct{ terminal *os.File }

// newLiveLine returns nil where stderr is no terminal.
func newLiveLine(stderr io.Writer) *liveLine {
	if terminal := terminalOf(stderr); terminal != nil {
		return &liveLine{terminal}
	}
	return nil
}

// say replaces the line. The text must be our own words: nothing is escaped. A
// terminal that takes no output is no reason to stop working.
func (l *liveLine) say(format string, args ...any) {
	if l != nil {
		const clear = "\r\x1b[K"
		fmt.Fprintf(l.terminal, clear+format, args...)
	}
}

// redrawEvery is how long a progress shows one state at least.
const redrawEvery = 100 * time.Millisecond

// A progress shows on a terminal how much of its work a command has done. The nil
// progress shows nothing. It is not safe for concurrent use.
type progress struct {
	line        *liveLine
	what        string
	done, total int64
	bytes       bool // done and total are bytes
	drawn       time.Time
}

// newProgress returns nil where stderr is no terminal, or there is only one step.
func newProgress(stderr io.Writer, what string, total int64) *progress {
	line := newLiveLine(stderr)
	if line == nil || total < 2 {
		return nil
	}
	p := &progress{line: line, what: what, total: total}
	p.draw()
	return p
}

// newByteProgress is newProgress for bytes, which are written to it.
func newByteProgress(stderr io.Writer, what string, size int64) *progress {
	p := newProgress(stderr, what, size)
	if p != nil {
		p.bytes = true
		p.draw()
	}
	return p
}

// add counts n more as done.
func (p *progress) add(n int64) {
	if p != nil {
		p.set(p.done + n)
	}
}

// set says how much is done.
func (p *progress) set(done int64) {
	if p == nil {
		return
	}
	p.done = done
	if time.Since(p.drawn) >= redrawEvery {
		p.draw()
	}
}

// Write counts bytes as done.
func (p *progress) Write(b []byte) (int, error) {
	p.add(int64(len(b)))
	return len(b), nil
}

func (p *progress) draw() {
	p.drawn = time.Now()
	percent := min(100, 100*p.done/max(1, p.total))
	if p.bytes {
		const mb = 1e6
		p.line.say("%s %3d%%  %.1f of %.1f MB", p.what, percent, float64(p.done)/mb, float64(p.total)/mb)
		return
	}
	p.line.say("%s %3d%%  %d of %d", p.what, percent, p.done, p.total)
}

// print writes a line above the progress.
func (p *progress) print(w io.Writer, line string) {
	p.end()
	fmt.Fprintln(w, line)
	if p != nil {
		p.draw()
	}
}

// end clears the line.
func (p *progress) end() {
	if p != nil {
		p.line.say("")
	}
}
