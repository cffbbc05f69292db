package editor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"halley/editor/bounded"
	"halley/storage"
)

// A QuotaError says that uploads have reached what may be kept, in bytes.
type QuotaError struct {
	OfPerson      bool // else of the whole workspace
	Used, Allowed int64
}

func (e *QuotaError) Error() string {
	whose, flag := "all uploads together", "--quota"
	if e.OfPerson {
		whose, flag = "your uploads", "--quota-person"
	}
	return fmt.Sprintf("%s take %s of the %s that are allowed here, and this file does not fit; "+
		"the person who runs the server can allow more (%s)",
		whose, mebibytes(e.Used), mebibytes(e.Allowed), flag)
}

const (
	maxUsages = 10_000
	keepUsage = 24 * time.Hour // longer than any upload takes
	// recountAfter is how old a count must be before a full quota has it made
	// again: files that are gone give their bytes back then.
	recountAfter = time.Minute
)

// quota bounds what uploads keep, per person and in all.
//
// A record for each person and file says what counts for whom, a file once
// however often they upload it. The sums are made of these records and of the
// store's files at the first upload after a start, and then kept in memory. They
// may be too high, where a file is gone or was there already; before an upload
// is refused they are made again.
type quota struct {
	store       storage.Store
	now         func() time.Time
	person, all int64 // bytes; 0: no bound

	mu     sync.Mutex // guards what follows, and all usages
	people *bounded.Map[string, *usage]
	whole  usage
}

// A usage is what counts against one quota.
type usage struct {
	used    int64     // kept
	coming  int64     // of uploads that are being received
	added   int64     // to used, ever: what a count may have missed
	counted time.Time // when used was counted; zero: never
}

func newQuota(store storage.Store, cfg Config) *quota {
	return &quota{
		store: store, now: cfg.Now, person: cfg.QuotaPerson, all: cfg.QuotaAll,
		people: bounded.New[string, *usage](maxUsages, keepUsage),
	}
}

// A receiving is one file on its way in. Its reader fails with a *QuotaError
// where the file does not fit.
type receiving struct {
	quota *quota
	ctx   context.Context
	who   string
	from  io.Reader
	mine  *usage // nil: p has no quota of their own
	bytes int64
}

// receive counts what p uploads. The caller calls end when it is over.
func (q *quota) receive(ctx context.Context, p Principal, from io.Reader) *receiving {
	u := &receiving{quota: q, ctx: ctx, who: p.ID, from: from}
	// Programs act for the person who runs the server.
	if q.person > 0 && p.Kind != KindProgram {
		u.mine = q.usage(p.ID)
	}
	return u
}

// usage finds or makes a person's.
func (q *quota) usage(who string) *usage {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t := q.people.Get(who, q.now()); t != nil {
		return *t
	}
	t := &usage{}
	q.people.Put(who, t, q.now()) // where it is full, t is counted and not kept
	return t
}

func (u *receiving) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if full := u.add(int64(n)); full != nil {
		return 0, full
	}
	return n, err
}

// add takes n more bytes from the quotas.
func (u *receiving) add(n int64) error {
	q := u.quota
	if u.mine != nil {
		err := q.take(u.mine, n, q.person, func() (int64, error) { return q.countPerson(u.ctx, u.who) })
		if err != nil {
			return ofPerson(err)
		}
	}
	if q.all > 0 {
		if err := q.take(&q.whole, n, q.all, func() (int64, error) { return q.countAll(u.ctx) }); err != nil {
			q.give(u.mine, n)
			return err
		}
	}
	u.bytes += n
	return nil
}

func ofPerson(err error) error {
	var full *QuotaError
	if errors.As(err, &full) {
		full.OfPerson = true
	}
	return err
}

// end gives back what was taken while the file came in.
func (u *receiving) end() {
	u.quota.give(u.mine, u.bytes)
	if u.quota.all > 0 {
		u.quota.give(&u.quota.whole, u.bytes)
	}
	u.bytes = 0
}

func (q *quota) give(t *usage, n int64) {
	if t == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	t.coming -= n
}

// take takes n bytes of a quota. It counts where that was never done, or where
// there is no room and the last count is old.
func (q *quota) take(t *usage, n, allowed int64, count func() (int64, error)) error {
	for {
		q.mu.Lock()
		fits := t.used+t.coming+n <= allowed
		fresh := !t.counted.IsZero() && (fits || q.now().Sub(t.counted) < recountAfter)
		added, used := t.added, t.used
		if fresh && fits {
			t.coming += n
		}
		q.mu.Unlock()
		switch {
		case fresh && fits:
			return nil
		case fresh:
			return &QuotaError{Used: used, Allowed: allowed}
		}
		sum, err := count()
		if err != nil {
			return fmt.Errorf("count what uploads take: %w", err)
		}
		q.mu.Lock()
		t.used, t.counted = sum+t.added-added, q.now()
		q.mu.Unlock()
	}
}

// keep notes a file that is kept now.
func (u *receiving) keep(ctx context.Context, b storage.Blob) error {
	q := u.quota
	if q.all > 0 {
		q.grow(&q.whole, b.Size)
	}
	if u.mine == nil {
		return nil
	}
	_, err := q.store.Put(ctx, storage.Record{Key: uploadKey(u.who, b.Hash), Value: strconv.AppendInt(nil, b.Size, 10)})
	var counts *storage.ConflictError
	switch {
	case errors.As(err, &counts):
		return nil // they have uploaded it before
	case err != nil:
		return fmt.Errorf("note an upload of %s: %w", u.who, err)
	}
	q.grow(u.mine, b.Size)
	return nil
}

func (q *quota) grow(t *usage, n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t.used += n
	t.added += n
}

const uploadPrefix = "upload/"

func uploadKey(who string, h storage.Hash) string { return uploadPrefix + who + "/" + h.String() }

// countPerson sums up the files that a person has uploaded and that are still
// kept. Records of those that are gone are removed.
func (q *quota) countPerson(ctx context.Context, who string) (sum int64, err error) {
	prefix := uploadPrefix + who + "/"
	err = q.store.List(ctx, prefix, "", func(r storage.Record) error {
		size, kept, err := q.isKept(ctx, r, prefix)
		if err != nil {
			return err
		}
		if kept {
			sum += size
			return nil
		}
		err = q.store.Delete(ctx, r.Key, r.Version)
		var changed *storage.ConflictError
		if errors.As(err, &changed) || errors.Is(err, storage.ErrNotFound) {
			return nil // another count was faster
		}
		return err
	})
	return sum, err
}

func (q *quota) isKept(ctx context.Context, r storage.Record, prefix string) (size int64, kept bool, err error) {
	h, err := storage.ParseHash(r.Key[len(prefix):])
	if err != nil {
		return 0, false, err
	}
	if size, err = strconv.ParseInt(string(r.Value), 10, 64); err != nil {
		return 0, false, fmt.Errorf("the size under %s: %w", r.Key, err)
	}
	found := errors.New("found")
	err = q.store.BlobUses(ctx, h, func(storage.BlobUse) error { return found })
	if err == found {
		return size, true, nil
	}
	return size, false, err
}

// countAll sums up all files that are kept.
func (q *quota) countAll(ctx context.Context) (sum int64, err error) {
	err = q.store.Blobs(ctx, func(b storage.Blob) error {
		sum += b.Size
		return nil
	})
	return sum, err
}
