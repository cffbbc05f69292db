package scrub

import (
	"context"
	"io"
	"time"

	"halley/storage"
)

// stretchBytes is the number of bytes between two looks of a throttle at the clock.
const stretchBytes = 64 << 10

// rateFor is how many bytes a second to read so that a pass over total bytes
// takes four fifths of every: the rest is for what comes in during the pass,
// and for giving way.
func rateFor(total int64, every time.Duration, least int64) int64 {
	return max(least, int64(float64(total)/(0.8*every.Seconds())))
}

// A throttle holds a reader to a rate, and leaves the disk to others for two thirds
// of the time while they write to it. It is not safe for concurrent use.
type throttle struct {
	rate    int64 // bytes a second
	commits func() int
	spent   func(bytes int)

	began time.Time // this stretch; zero before the first
	bytes int       // in it
	seen  int       // commits when it began
}

// spend notes that bytes were read, and waits as long as that asks for. The
// error is ctx's.
func (p *throttle) spend(ctx context.Context, bytes int) error {
	p.spent(bytes)
	if p.began.IsZero() {
		p.began, p.bytes, p.seen = time.Now(), 0, p.commits()
	}
	if p.bytes += bytes; p.bytes < stretchBytes {
		return ctx.Err()
	}
	took := time.Since(p.began)
	pause := time.Duration(float64(p.bytes)/float64(p.rate)*float64(time.Second)) - took
	if p.commits() != p.seen {
		pause = max(pause, 2*took)
	}
	p.began = time.Time{}
	if !sleep(ctx, pause) {
		return ctx.Err()
	}
	return nil
}

// sleep waits for d, and reports whether ctx still lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A throttledStore throttles the long reads of a store. bolt holds no transaction
// while a reader waits.
type throttledStore struct {
	storage.Store
	throttle *throttle
}

func (s *throttledStore) Read(ctx context.Context, page storage.PageID, after, upTo uint64, fn func(storage.Change) error) error {
	return s.Store.Read(ctx, page, after, upTo, func(c storage.Change) error {
		if err := fn(c); err != nil {
			return err
		}
		return s.throttle.spend(ctx, len(c.Payload)+changeBytes)
	})
}

func (s *throttledStore) Checkpoint(ctx context.Context, page storage.PageID, atOrBelow uint64) (storage.Checkpoint, error) {
	c, err := s.Store.Checkpoint(ctx, page, atOrBelow)
	if waitErr := s.throttle.spend(ctx, len(c.Data)); err == nil {
		err = waitErr
	}
	return c, err
}

func (s *throttledStore) OpenBlob(ctx context.Context, h storage.Hash) (storage.BlobReader, error) {
	r, err := s.Store.OpenBlob(ctx, h)
	if err == nil {
		r.ReadSeekCloser = &throttledFile{r.ReadSeekCloser, ctx, s.throttle}
	}
	return r, err
}

type throttledFile struct {
	io.ReadSeekCloser
	ctx      context.Context
	throttle *throttle
}

func (f *throttledFile) Read(p []byte) (int, error) {
	n, err := f.ReadSeekCloser.Read(p)
	if waitErr := f.throttle.spend(f.ctx, n); err == nil {
		err = waitErr
	}
	return n, err
}
