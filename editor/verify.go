package editor

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"halley/storage"
)

// A Verified counts what Verify went through.
type Verified struct {
	Pages, Changes, Checkpoints, Records, Files int

	// Unlisted is how many logs belong to no page. That is no damage: content is
	// stored before the page's settings, which make it a page.
	Unlisted int
}

// Verify reads a whole store and calls bad for each thing that does not hold,
// naming page and seq: the checksums of every page's log and its order, whether
// each change fits what came before it, whether each checkpoint is what the log
// amounts to there, what the log knows of its clients and finds their edits by,
// every record, every file, whose hash is computed again, and the structure of
// the store itself. It calls progress with how many changes and files it has
// read, of how many. The store may
// serve meanwhile; what comes later than the call is not looked at. The error
// is of ctx or of a store that cannot be read at all.
func Verify(ctx context.Context, store storage.Store, progress func(done, total uint64), bad func(error)) (Verified, error) {
	v := verifying{ctx: ctx, store: store, progress: progress, bad: bad, named: map[storage.Hash]place{}}
	var logs []storage.LogInfo
	err := store.Logs(ctx, func(l storage.LogInfo) error {
		logs = append(logs, l)
		v.total += l.Head
		return nil
	})
	if err = v.tell(err); err != nil {
		return v.Verified, fmt.Errorf("list the pages: %w", err)
	}
	if err := store.Check(ctx, bad); err != nil {
		return v.Verified, fmt.Errorf("check the store: %w", err)
	}
	var files []storage.Blob
	err = store.Blobs(ctx, func(b storage.Blob) error {
		files = append(files, b)
		v.total++
		return nil
	})
	if err = v.tell(err); err != nil {
		return v.Verified, fmt.Errorf("list the files: %w", err)
	}
	for _, l := range logs {
		if err := v.page(l); err != nil {
			return v.Verified, err
		}
	}
	if err := v.files(files); err != nil {
		return v.Verified, err
	}
	return v.Verified, v.records(logs)
}

// records goes through all records, and counts the pages that have settings and
// the logs that do not.
func (v *verifying) records(logs []storage.LogInfo) error {
	pages := map[PageID]bool{}
	err := v.store.List(v.ctx, "", "", func(r storage.Record) error {
		v.Records++
		id, isPage := strings.CutPrefix(r.Key, "page/")
		if !isPage {
			return nil
		}
		v.Pages++
		pages[PageID(id)] = true
		if set, err := decodeSettings(r); err != nil {
			v.bad(&storage.CorruptError{Key: r.Key, Reason: err.Error()})
		} else if string(set.ID) != id {
			v.bad(&storage.CorruptError{Key: r.Key, Reason: fmt.Sprintf("it is the settings of page %s", set.ID)})
		}
		return nil
	})
	var damage *storage.CorruptError
	if errors.As(err, &damage) {
		return nil // which Check has told
	}
	for _, l := range logs {
		if !pages[l.Page] {
			v.Unlisted++
		}
	}
	return err
}

// VerifyPage is what Verify does for one page's log, as it is at l.Head, and its
// checkpoints.
func VerifyPage(ctx context.Context, store storage.Store, l storage.LogInfo, bad func(error)) error {
	v := verifying{ctx: ctx, store: store, progress: func(_, _ uint64) {}, bad: bad, named: map[storage.Hash]place{}}
	return v.page(l)
}

type verifying struct {
	Verified
	ctx         context.Context
	store       storage.Store
	progress    func(done, total uint64)
	bad         func(error)
	done, total uint64
	named       map[storage.Hash]place // files, and the first change that names each
}

// tell passes on damage, and returns any other error.
func (v *verifying) tell(err error) error {
	var damage *storage.CorruptError
	if errors.As(err, &damage) {
		v.bad(damage)
		return nil
	}
	return err
}

func (v *verifying) damaged(page PageID, seq uint64, format string, args ...any) {
	v.bad(&storage.CorruptError{Page: page, Seq: seq, Reason: fmt.Sprintf(format, args...)})
}

// page replays one page's log.
func (v *verifying) page(l storage.LogInfo) error {
	checkpoints, err := v.checkpoints(l)
	if err != nil {
		return err
	}
	before := v.done
	p := past{state: newState("", 0), authors: map[string]bool{}}
	clients := map[string]clientState{}
	files := tallies{}
	err = v.store.Read(v.ctx, l.Page, 0, l.Head, func(sc storage.Change) error {
		c, err := decodeChange(sc)
		if err == nil {
			err = p.replay(c)
		}
		if err != nil {
			return &storage.CorruptError{Page: l.Page, Seq: sc.Seq, Reason: err.Error()}
		}
		p.authors[c.Author], p.time = true, c.Time
		v.client(l.Page, clients, c)
		v.name(l.Page, files, c)
		if got, ok := checkpoints[c.Seq]; ok {
			v.checkpoint(l.Page, p, got)
		}
		v.Changes++
		v.done++
		v.progress(v.done, v.total)
		return nil
	})
	if err = v.tell(err); err != nil {
		return err
	}
	v.done = before + l.Head
	if p.seq < l.Head {
		return nil // the first bad change is told; what hangs on it says no more
	}
	if err := v.uses(l.Page, files); err != nil {
		return err
	}
	return v.tell(v.store.CheckLog(v.ctx, l.Page, v.bad))
}

// A checkpointSum is what is kept in mind of a checkpoint: a page may have a
// hundred, of megabytes each.
type checkpointSum struct {
	sum [sha256.Size]byte // of the checkpoint before it is compressed
	err error             // it cannot be read
}

func sumCheckpoint(c storage.Checkpoint) checkpointSum {
	p, err := decodeCheckpoint(c)
	if err != nil {
		return checkpointSum{err: err}
	}
	return checkpointSum{sum: sha256.Sum256(p.plain())}
}

// checkpoints are those of one page, by seq.
func (v *verifying) checkpoints(l storage.LogInfo) (map[uint64]checkpointSum, error) {
	all := map[uint64]checkpointSum{}
	for seq := l.Head; seq > 0; {
		c, err := v.store.Checkpoint(v.ctx, l.Page, seq)
		var damage *storage.CorruptError
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return all, nil
		case errors.As(err, &damage) && 0 < damage.Seq && damage.Seq <= seq:
			v.bad(damage)
			seq = damage.Seq - 1
		case err != nil:
			return all, v.tell(err)
		default:
			all[c.Seq] = sumCheckpoint(c)
			seq = c.Seq - 1
		}
	}
	return all, nil
}

// checkpoint compares a checkpoint with what the log amounts to.
func (v *verifying) checkpoint(page PageID, want past, got checkpointSum) {
	v.Checkpoints++
	switch {
	case got.err != nil:
		v.damaged(page, want.seq, "its checkpoint: %v", got.err)
	case got.sum != sha256.Sum256(want.plain()):
		v.damaged(page, want.seq, "its checkpoint is not what the changes up to it amount to")
	}
}

// client counts a client's edits as they come.
func (v *verifying) client(page PageID, clients map[string]clientState, c Change) {
	if c.Client == "" {
		return
	}
	known := clients[c.Client]
	if c.N != known.n+1 || known.n > 0 && known.author != c.Author {
		v.damaged(page, c.Seq, "it is edit %d of client %s by %q, after edit %d by %q", c.N, c.Client, c.Author, known.n, known.author)
	}
	clients[c.Client] = clientState{author: c.Author, n: c.N, seq: c.Seq}
}

func (p past) plain() []byte { return plainCheckpoint(p.content, p.authors, p.time) }
