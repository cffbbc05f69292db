package bolt

import (
	"context"
	"io"
	"time"
)

// paceBytes is after how much a paced writer looks about.
const paceBytes = 1 << 20

// A paced writer leaves the disk to others two thirds of the time: after each
// stretch in which somebody's edits were stored, it rests for twice as long as
// that took. Where nobody writes it goes at full speed. It rests no longer than
// ctx lasts.
type paced struct {
	ctx  context.Context
	to   io.Writer
	gate *gate

	began   time.Time // this stretch; zero before the first
	written int       // in it
	commits int       // the gate's newest when it began
}

func (p *paced) Write(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began, p.written, p.commits = time.Now(), 0, p.gate.newest()
	}
	n, err := p.to.Write(b)
	if p.written += n; p.written < paceBytes || err != nil {
		return n, err
	}
	if p.gate.newest() != p.commits {
		rest(p.ctx, 2*time.Since(p.began))
	}
	p.began = time.Time{}
	return n, nil
}

// rest waits, no longer than ctx lasts.
func rest(ctx context.Context, howLong time.Duration) {
	timer := time.NewTimer(howLong)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
