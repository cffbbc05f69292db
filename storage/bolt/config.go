package bolt

import (
	"cmp"
	"log/slog"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// Config says how a store is opened. The zero value is fit for use.
type Config struct {
	// LockWait is how long Open waits for another process to let go of the
	// folder. Zero means 100 ms.
	LockWait time.Duration
	// SweepEvery is how often expired records are looked for, to free their
	// space. Zero means a minute.
	SweepEvery time.Duration
	// RetryFirst is how long a store that could not write waits before it
	// tries again; each further wait is twice as long, up to RetryLast. Zero
	// means 250 ms and 5 s.
	RetryFirst, RetryLast time.Duration
	// Codec makes the payloads of folded changes small. Nil: they are compressed
	// as they are. A store that was written with one has to be opened with it.
	Codec storage.BlockCodec
	// FoldAfter is how long after its newest change a page counts as left alone,
	// and is folded to its end. Zero means 10 minutes.
	FoldAfter time.Duration
	// Compact has Open compact a file of some size of which more than half is
	// free, before it opens it. See [Compact].
	Compact bool
	// MaxResident bounds, on Linux, how many bytes of mapped files count as this
	// process's memory: what reads have touched beyond it is let go. Zero: no bound.
	MaxResident int64
	// Logger is told of failures of the disk and of recovery. Nil: nobody is.
	Logger *slog.Logger
	// Observe is told by the committer of each transaction that wrote
	// something, or failed to. It must not block. Nil: nobody is told.
	Observe func(Commit)

	now         func() time.Time      // the wall clock; time.Now where nil
	commit      func(*bbolt.Tx) error // ends a transaction; (*bbolt.Tx).Commit where nil
	health      func(error)           // told by the committer of each change of health
	compactFrom int64                 // which files are of some size; compactFrom where 0
	open        func() error          // asked before the file is opened again; may refuse

	foldRows     int // as many cold rows make a page in use due; 6,144 where 0
	blockChanges int // in a block that is full; 6,144 where 0
	keepRows     int // the newest changes of a page in use, which stay rows; 1,000 where 0
}

// A Commit is one transaction of the committer.
type Commit struct {
	Writes int           // callers' writes that it carried
	Took   time.Duration // applying and syncing them
	Err    error         // nil: they are durable
}

const (
	defaultLockWait   = 100 * time.Millisecond
	defaultSweepEvery = time.Minute
	defaultRetryFirst = 250 * time.Millisecond
	defaultRetryLast  = 5 * time.Second
)

func (c Config) withDefaults() Config {
	c.LockWait = cmp.Or(max(c.LockWait, 0), defaultLockWait)
	c.SweepEvery = cmp.Or(max(c.SweepEvery, 0), defaultSweepEvery)
	c.RetryFirst = cmp.Or(max(c.RetryFirst, 0), defaultRetryFirst)
	c.RetryLast = cmp.Or(max(c.RetryLast, 0), max(defaultRetryLast, c.RetryFirst))
	c.FoldAfter = cmp.Or(max(c.FoldAfter, 0), defaultFoldAfter)
	c.foldRows = cmp.Or(c.foldRows, defaultFoldRows)
	c.blockChanges = cmp.Or(c.blockChanges, defaultBlockChanges)
	c.keepRows = cmp.Or(c.keepRows, defaultKeepRows)
	c.compactFrom = cmp.Or(c.compactFrom, int64(compactFrom))
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(Commit) {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.commit == nil {
		c.commit = (*bbolt.Tx).Commit
	}
	if c.health == nil {
		c.health = func(error) {}
	}
	if c.open == nil {
		c.open = func() error { return nil }
	}
	return c
}
