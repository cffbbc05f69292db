package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
	"halley/storage/durable"
)

// A child under load: writersOf clients on each of loadPages pages, and beside
// them everything else that a store does. What it is promised it says at once,
// a line of one write each, so that whoever kills it knows what must be there.
const (
	loadPages = 5
	writersOf = 10

	checkpointEvery = 60     // changes of a page
	foldEvery       = 40     // changes of a page
	recordsFor      = 4      // keys that are put again and again
	largestPart     = 150000 // bytes of a checkpoint at most
)

// What a child says, each with its arguments.
const (
	saidChange     = "change"     // page client n seq
	saidCheckpoint = "checkpoint" // page seq
	saidRecord     = "record"     // key version
	saidBlob       = "blob"       // page seq
	saidBackingUp  = "backing-up" // number: what is promised so far will be in it
	saidBackup     = "backup"     // number: it is there, whole
)

// A load is what a child does until it is killed, or has said most lines.
type load struct {
	*Store
	dir, round string
	most       int64
	said       atomic.Int64
}

func loadChild() { runLoad(Config{}, (*load).keepBackups) }

func runLoad(cfg Config, backUp func(*load)) {
	cfg.SweepEvery, cfg.foldRows, cfg.blockChanges, cfg.keepRows = 5*time.Millisecond, foldEvery, 2*foldEvery, foldEvery/2
	cfg.RetryFirst, cfg.RetryLast = time.Millisecond, time.Millisecond
	most, _ := strconv.ParseInt(os.Getenv(mostEnv), 10, 64) // 0 where there is none
	l := &load{Store: childStore(cfg), dir: os.Getenv(dirEnv), round: os.Getenv(roundEnv), most: most}
	for p := range loadPages {
		go l.write(pageOfLoad(p))
	}
	go l.put()
	go backUp(l)
	select {}
}

func pageOfLoad(p int) storage.PageID { return storage.PageID(fmt.Sprintf("page-%d", p)) }

// say tells the world of a promise, and ends the process after so many.
func (l *load) say(words ...any) {
	os.Stdout.WriteString(fmt.Sprintln(words...))
	if l.said.Add(1) == l.most {
		os.Exit(0) // in the middle of everybody else's work
	}
}

// insist writes until it is stored: a disk may fail for once. Nobody else
// writes there, so a conflict behind a write of unknown fate is that write.
func (l *load) insist(write func() error) {
	unknown := false
	for {
		err := write()
		var conflict *storage.ConflictError
		switch {
		case err == nil, unknown && errors.As(err, &conflict):
			return
		case errors.Is(err, storage.ErrUnknown):
			unknown = true
		case !errors.Is(err, storage.ErrDiskFull):
			fail(err)
		}
		for l.Healthy() != nil {
			runtime.Gosched()
		}
	}
}

// A submission is a writer's edit on its way to its page.
type submission struct {
	change storage.Change
	stored chan struct{}
}

// write is one live page: it takes what its writers have sent meanwhile, and
// appends it at once.
func (l *load) write(page storage.PageID) {
	sent := make(chan *submission, writersOf)
	for i := range writersOf {
		go l.writer(page, i, sent)
	}
	head, err := l.Head(context.Background(), page)
	if err != nil {
		fail(err)
	}
	checkpoints := make(chan uint64, 1)
	go l.checkpoint(page, checkpoints)
	folds := make(chan uint64, 1)
	go l.foldUp(page, folds)
	for {
		batch := []*submission{<-sent}
		for len(sent) > 0 {
			batch = append(batch, <-sent)
		}
		l.append(page, head, batch)
		head += uint64(len(batch))
		before := head - uint64(len(batch))
		if head/checkpointEvery > before/checkpointEvery {
			offer(checkpoints, head)
		}
		if head/foldEvery > before/foldEvery {
			offer(folds, head)
		}
	}
}

// offer sends head, unless there is one that nobody has come to yet.
func offer(heads chan<- uint64, head uint64) {
	select {
	case heads <- head:
	default:
	}
}

// foldUp folds page beside the folder, at once. What the disk refuses is done
// the next time.
func (l *load) foldUp(page storage.PageID, heads <-chan uint64) {
	for range heads {
		err := l.fold(context.Background(), page, foldEvery/2)
		if err != nil && !errors.Is(err, storage.ErrUnknown) && !errors.Is(err, storage.ErrDiskFull) {
			fail(err)
		}
	}
}

func (l *load) append(page storage.PageID, head uint64, batch []*submission) {
	var changes []storage.Change
	for _, s := range batch {
		changes = append(changes, s.change)
	}
	l.insist(func() error { return l.Append(context.Background(), page, head, changes) })
	for i, s := range batch {
		s.change.Seq = head + 1 + uint64(i)
		close(s.stored)
	}
}

// writer sends one edit after another; each round's writers are new clients.
func (l *load) writer(page storage.PageID, i int, sent chan<- *submission) {
	rng := rand.New(rand.NewPCG(uint64(page[len(page)-1]), uint64(i)))
	for n := uint64(1); ; n++ {
		c := changeOf(fmt.Sprintf("round-%s-%d", l.round, i), n)
		size := rng.IntN(400)
		if rng.IntN(50) == 0 {
			size = rng.IntN(20_000) // more than one page of the file
		}
		c.Payload = append(c.Payload, make([]byte, size)...)
		s := &submission{change: c, stored: make(chan struct{})}
		sent <- s
		<-s.stored
		l.say(saidChange, page, c.Client, n, s.change.Seq)
	}
}

func (l *load) checkpoint(page storage.PageID, heads <-chan uint64) {
	for seq := range heads {
		c := storage.Checkpoint{Seq: seq, Data: checkpointOf(page, seq)}
		l.insist(func() error { return l.PutCheckpoint(context.Background(), page, c) })
		l.say(saidCheckpoint, page, seq)
		l.upload(page, seq)
	}
}

// checkpointOf is what a child keeps of page at seq: anybody can tell whether
// it is whole.
func checkpointOf(page storage.PageID, seq uint64) []byte {
	rng := rand.NewPCG(uint64(page[len(page)-1]), seq)
	data := make([]byte, rng.Uint64()%largestPart)
	for at := 0; at+8 <= len(data); at += 8 {
		binary.LittleEndian.PutUint64(data[at:], rng.Uint64())
	}
	return data
}

// put puts records again and again; beside each one that soon expires and is
// swept.
func (l *load) put() {
	for n := 0; ; n++ {
		key := "record-" + strconv.Itoa(n%recordsFor)
		r, err := l.Get(context.Background(), key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			fail(err)
		}
		r.Key, r.Value = key, loadValue(key, r.Version+1)
		l.insist(func() error {
			_, err := l.Put(context.Background(), r)
			return err
		})
		l.say(saidRecord, key, r.Version+1)
		brief := storage.Record{Key: fmt.Sprintf("brief-%s-%d", l.round, n), Expires: time.Now().Add(time.Millisecond)}
		l.insist(func() error {
			_, err := l.Put(context.Background(), brief)
			return err
		})
	}
}

func loadValue(key string, version uint64) []byte {
	return fmt.Appendf(nil, "version %d of %s", version, key)
}

// upload keeps a blob that is page's at seq.
func (l *load) upload(page storage.PageID, seq uint64) {
	data, until := blobOf(page, seq), time.Now().Add(24*time.Hour)
	l.insist(func() error {
		_, err := l.PutBlob(context.Background(), page, until, bytes.NewReader(data))
		return err
	})
	l.say(saidBlob, page, seq)
}

func blobOf(page storage.PageID, seq uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "what was uploaded to %s at %d. ", page, seq), 1+int(seq)%1000)
}

// keepBackups makes one backup after another, and keeps the newest ones.
func (l *load) keepBackups() {
	for n := 0; ; n++ {
		l.say(saidBackingUp, n)
		if err := l.backUpTo(backupPath(l.dir, n)); err != nil {
			fail(err)
		}
		l.say(saidBackup, n)
		if n > 1 {
			os.Remove(backupPath(l.dir, n-2)) // left over, it does no harm
		}
	}
}

func backupPath(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("%d.backup", n)) }

func (l *load) backUpTo(path string) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	err = l.Backup(context.Background(), func(int64) io.Writer { return f })
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".new", path), durable.SyncFolder(l.dir))
}

// discardBackups makes backups of which nothing is kept, for their reading
// alone.
func (l *load) discardBackups() {
	for {
		err := l.Backup(context.Background(), func(int64) io.Writer { return io.Discard })
		if err != nil && !errors.Is(err, errFileReplaced) {
			fail(err)
		}
	}
}

// An acked change is one that a child said was stored.
type acked struct {
	page   storage.PageID
	client string
	n, seq uint64
}

// promises are what children of one store have said so far.
type promises struct {
	changes     []acked
	checkpoints map[storage.PageID]uint64 // the newest
	records     map[string]uint64         // their versions
	blobs       [][]byte

	begun  *promises // what there was when the last backup began
	backup *promises // what must be in the newest whole backup; nil: there is none
	number int       // of that backup
}

func newPromises() *promises {
	return &promises{checkpoints: map[storage.PageID]uint64{}, records: map[string]uint64{}}
}

// take adds what a line says.
func (p *promises) take(line string) error {
	what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	switch what {
	case saidChange:
		var a acked
		_, err := fmt.Sscan(rest, &a.page, &a.client, &a.n, &a.seq)
		p.changes = append(p.changes, a)
		return err
	case saidCheckpoint:
		var page storage.PageID
		var seq uint64
		_, err := fmt.Sscan(rest, &page, &seq)
		p.checkpoints[page] = seq
		return err
	case saidRecord:
		var key string
		var version uint64
		_, err := fmt.Sscan(rest, &key, &version)
		p.records[key] = version
		return err
	case saidBlob:
		var page storage.PageID
		var seq uint64
		_, err := fmt.Sscan(rest, &page, &seq)
		p.blobs = append(p.blobs, blobOf(page, seq))
		return err
	case saidBackingUp: // blobs are no part of it
		p.begun = &promises{changes: slices.Clip(p.changes), checkpoints: maps.Clone(p.checkpoints), records: maps.Clone(p.records)}
		return nil
	case saidBackup:
		p.backup = p.begun
		_, err := fmt.Sscan(rest, &p.number)
		return err
	}
	return fmt.Errorf("the child said %q", line)
}

// keptBy returns an error where s does not keep all promises, or is not whole.
func (p *promises) keptBy(ctx context.Context, s *Store) error {
	there := map[acked]bool{}
	for i := range loadPages {
		if err := p.pageKeptBy(ctx, s, pageOfLoad(i), there); err != nil {
			return err
		}
	}
	if i := slices.IndexFunc(p.changes, func(a acked) bool { return !there[a] }); i >= 0 {
		return fmt.Errorf("%+v was acknowledged and is not there", p.changes[i])
	}
	for i := range recordsFor {
		key := "record-" + strconv.Itoa(i)
		r, err := s.Get(ctx, key)
		if errors.Is(err, storage.ErrNotFound) {
			err = nil // of version 0
		}
		if err != nil || r.Version < p.records[key] || r.Version > 0 && !bytes.Equal(r.Value, loadValue(key, r.Version)) {
			return fmt.Errorf("%s is %q of version %d (%v), version %d was acknowledged", key, r.Value, r.Version, err, p.records[key])
		}
	}
	for _, want := range p.blobs {
		if err := blobKeptBy(ctx, s, want); err != nil {
			return err
		}
	}
	return wholeFile(s)
}

func blobKeptBy(ctx context.Context, s *Store, want []byte) error {
	b, err := s.OpenBlob(ctx, sha256.Sum256(want))
	if err != nil {
		return fmt.Errorf("%.40q was acknowledged: %w", want, err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%.40q was acknowledged, and is %d bytes instead of %d (%v)", want, len(got), len(want), err)
	}
	return nil
}

func (p *promises) pageKeptBy(ctx context.Context, s *Store, page storage.PageID, there map[acked]bool) error {
	counts := map[string]uint64{}
	var head uint64
	err := s.Read(ctx, page, 0, ^uint64(0), func(c storage.Change) error {
		if head++; c.Seq != head {
			return fmt.Errorf("page %s has change %d as its %d.", page, c.Seq, head)
		}
		if counts[c.Client]++; c.N != counts[c.Client] {
			return fmt.Errorf("page %s has n %d of client %s as its %d.", page, c.N, c.Client, counts[c.Client])
		}
		there[acked{page, c.Client, c.N, c.Seq}] = true
		return nil
	})
	if err != nil {
		return err
	}
	for client, n := range counts {
		if state, err := s.Client(ctx, page, client); err != nil || state.N != n {
			return fmt.Errorf("client %s of page %s is at n %d (%v), its changes go to %d", client, page, state.N, err, n)
		}
	}
	c, err := s.Checkpoint(ctx, page, ^uint64(0))
	if errors.Is(err, storage.ErrNotFound) {
		err = nil // at seq 0
	}
	if err != nil || c.Seq < p.checkpoints[page] || c.Seq > head || c.Seq > 0 && !bytes.Equal(c.Data, checkpointOf(page, c.Seq)) {
		return fmt.Errorf("the newest checkpoint of %s, at head %d, is %d bytes at seq %d (%v), one at seq %d was acknowledged",
			page, head, len(c.Data), c.Seq, err, p.checkpoints[page])
	}
	return nil
}

// wholeFile returns an error where a page of the file is used twice, lost, or
// not what it should be.
func wholeFile(s *Store) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		var all []error
		for err := range tx.Check() {
			all = append(all, err)
		}
		return errors.Join(all...)
	})
}
