package main

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"
)

// A progress shows how far a command has come, on a terminal only. The nil
// progress shows nothing.
type progress struct {
	bar *progressbar.ProgressBar
}

func newProgress(stderr io.Writer, what string, total int) *progress {
	terminal := terminalOf(stderr)
	if terminal == nil || total < 2 {
		return nil
	}
	return &progress{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(terminal),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetRenderBlankState(true),
	)}
}

// step counts one more as done. A terminal that takes no output is no reason
// to stop working.
func (p *progress) step() {
	if p != nil {
		_ = p.bar.Add(1)
	}
}

// print writes a line in place of the bar, which then comes again below.
func (p *progress) print(w io.Writer, line string) {
	if p != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(w, line)
}

// end takes the bar away.
func (p *progress) end() {
	if p != nil {
		_ = p.bar.Clear()
	}
}

// newByteProgress is a progress over bytes, which are written to it.
func newByteProgress(stderr io.Writer, what string, size int64) *progress {
	p := newProgress(stderr, what, int(size))
	if p != nil {
		progressbar.OptionShowBytes(true)(p.bar)
	}
	return p
}

// Write counts bytes as done.
func (p *progress) Write(b []byte) (int, error) {
	if p != nil {
		_ = p.bar.Add(len(b))
	}
	return len(b), nil
}

// set says how much is done.
func (p *progress) set(done int64) {
	if p != nil {
		_ = p.bar.Set64(done)
	}
}
