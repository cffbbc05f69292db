package bolt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"halley/storage"
)

func init() {
	children["recorded"] = func() { runLoad(Config{}, (*load).discardBackups) }
	children["compacted"] = compactedChild
	children["without-syncs"] = func() { runLoad(Config{commit: commitUnsynced}, (*load).discardBackups) }
}

// commitUnsynced is what a store would do that says "saved" as soon as the
// system has the bytes.
func commitUnsynced(tx *bbolt.Tx) error {
	tx.DB().NoSync = true
	return tx.Commit()
}

// compactedChild compacts what it finds, and goes on with that.
func compactedChild() {
	if _, err := Compact(context.Background(), os.Getenv(dirEnv), func(int64, int64) {}); err != nil {
		fail(err)
	}
	runLoad(Config{}, (*load).discardBackups)
}

// A moment is where a call of a record begins or ends.
type moment struct {
	place int
	call  *call
	ends  bool
}

func momentsOf(calls []*call) (moments []moment) {
	for _, c := range calls {
		moments = append(moments, moment{c.began, c, false})
		if c.ended != never {
			moments = append(moments, moment{c.ended, c, true})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.place, b.place) })
	return moments
}

// replay goes through a record and calls at after each moment that changed what
// a power cut could leave, or what must be there after it.
func replay(calls []*call, dir string, at func(*platter, *promises, moment) error) error {
	p, said := newPlatter(dir), newPromises()
	ends := map[*call]func(){}
	for _, m := range momentsOf(calls) {
		switch {
		case m.call.said && !m.ends: // from its beginning on, somebody may know
			if err := said.take(string(m.call.data)); err != nil {
				return err
			}
		case m.call.said:
			continue
		case m.ends:
			ends[m.call]()
		default:
			ends[m.call] = p.begin(m.call)
		}
		if err := at(p, said, m); err != nil {
			return fmt.Errorf("at line %d of the record, after %d acknowledged changes: %w", m.place+1, len(said.changes), err)
		}
	}
	return nil
}

// survives returns an error unless the store can be opened as a power cut
// leaves it, keeps what was said, and can be written to.
func (p *platter) survives(t *testing.T, said *promises, c cut, r *rand.Rand) error {
	dir := filepath.Join(t.TempDir(), "data")
	defer os.RemoveAll(dir)
	err := errors.Join(os.Mkdir(dir, 0o700), p.write(dir, c, r))
	if err != nil {
		return err
	}
	s, err := Open(dir, Config{commit: commitUnsynced}) // no power cut follows
	if err == nil {
		err = said.keptBy(t.Context(), s)
		if err == nil && r.IntN(8) == 0 {
			err = goesOn(t, s, said)
		}
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		return fmt.Errorf("a power cut that leaves %s: %w", c.name, err)
	}
	return nil
}

// goesOn returns an error unless each page takes one more change, and all else
// stays.
func goesOn(t *testing.T, s *Store, said *promises) error {
	for i := range loadPages {
		page := pageOfLoad(i)
		head, err := s.Head(t.Context(), page)
		if err != nil {
			return err
		}
		if err := s.Append(t.Context(), page, head, []storage.Change{changeOf("after", 1)}); err != nil {
			return err
		}
	}
	return said.keptBy(t.Context(), s)
}

// TestPowerCut records what a process under load writes and syncs, and opens
// the store as a power cut at any moment could have left it.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	most, samples := 1000, 250
	if soaking() {
		most, samples = 4000, 8000
	}
	dir := filepath.Join(t.TempDir(), "data")
	survivesCuts(t, record(t, "recorded", dir, 0, most), dir, samples)
}

// TestPowerCutAfterFailedSyncs is the same on a disk that refuses a sync now and
// then, and forgets what it should have written: the first and the second of a
// transaction, and those of recovery.
func TestPowerCutAfterFailedSyncs(t *testing.T) {
	t.Parallel()
	most, samples := 500, 150
	if soaking() {
		most, samples = 1500, 4000
	}
	dir := filepath.Join(t.TempDir(), "data")
	calls := record(t, "recorded", dir, 0, most, "-e", "inject=fdatasync,fsync:error=EIO:when=9+7")
	failed := 0
	for _, c := range calls {
		if c.failed && strings.HasSuffix(c.name, "sync") {
			failed++
		}
	}
	if failed < 10 {
		t.Errorf("%d syncs failed, want at least 10", failed)
	}
	survivesCuts(t, calls, dir, samples)
}

// TestPowerCutAfterKills is the same where the process is killed, and starts
// again on what only the system's memory knew; each second time it compacts it.
func TestPowerCutAfterKills(t *testing.T) {
	t.Parallel()
	const most = 60
	lives, samples := 4, 100
	if soaking() {
		lives, samples = 60, 3000
	}
	dir := filepath.Join(t.TempDir(), "data")
	var calls []*call
	for life := range lives {
		part := "recorded"
		if life%2 == 1 {
			part = "compacted"
		}
		calls = follows(calls, record(t, part, dir, life, most))
	}
	survivesCuts(t, calls, dir, samples)
}

// follows appends the calls of a process that was started when the one before
// had been killed. What that one had begun to write is written, but no sync
// that it had not seen end proves anything.
func follows(calls, next []*call) []*call {
	last := 0
	for _, c := range calls {
		last = max(last, c.began)
		if c.ended != never {
			last = max(last, c.ended)
		}
	}
	for _, c := range calls {
		if c.ended == never && !strings.HasSuffix(c.name, "sync") {
			c.ended = last
		}
	}
	for _, c := range next {
		c.began += last + 1
		if c.ended != never {
			c.ended += last + 1
		}
	}
	return append(calls, next...)
}

// firstCalls is how many of a process's calls are tried more often than others:
// they show how the store is made, or found.
const firstCalls = 40

func survivesCuts(t *testing.T, calls []*call, dir string, samples int) {
	t.Helper()
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 0))
	every, everyFirst := max(1, 2*len(calls)*len(cuts)/samples), 10 // each call is two moments
	if soaking() {
		everyFirst = 4
	}
	tried := 0
	err := replay(calls, dir, func(p *platter, said *promises, m moment) error {
		for _, c := range cuts {
			if r.IntN(every) > 0 && !(m.call.first && r.IntN(everyFirst) == 0) {
				continue
			}
			tried++
			if err := p.survives(t, said, c, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v (seed %d, power cut %d)", err, seed, tried)
	}
	t.Logf("%d power cuts within %d calls", tried, len(calls))
}

// TestPowerCutNeedsEverySync: a record that lacks one kind of sync is found out,
// and so is a process that makes none.
func TestPowerCutNeedsEverySync(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	blobs := filepath.Join(dir, BlobFolder)
	calls := record(t, "recorded", dir, 0, 1200)
	for what, missing := range map[string]func(*call) bool{
		"nothing":                      func(*call) bool { return false },
		"those of the store's file":    func(c *call) bool { return strings.HasPrefix(c.path, filepath.Join(dir, FileName)) },
		"those of the store's folder":  func(c *call) bool { return c.path == dir },
		"those of the blobs' files":    func(c *call) bool { return filepath.Dir(c.path) == filepath.Join(blobs, incoming) },
		"those of the blobs' folders":  func(c *call) bool { return filepath.Dir(c.path) == blobs && filepath.Base(c.path) != incoming },
		"those of the folder of those": func(c *call) bool { return c.path == blobs },
	} {
		left := slices.DeleteFunc(slices.Clone(calls), func(c *call) bool { return strings.HasSuffix(c.name, "sync") && missing(c) })
		if err := afterAll(t, left, dir); (err == nil) != (what == "nothing") {
			t.Errorf("of all syncs %s are missing: %v", what, err)
		}
	}
	dir = filepath.Join(t.TempDir(), "data")
	if err := afterAll(t, record(t, "without-syncs", dir, 0, 100), dir); err == nil || !strings.Contains(err.Error(), "was acknowledged") {
		t.Errorf("a store that does not sync: %v, want what was acknowledged to be missed", err)
	}
}

// afterAll returns an error unless the store survives, after the last call, the
// loss of all that was not synced.
func afterAll(t *testing.T, calls []*call, dir string) error {
	t.Helper()
	var disk *platter
	var promised *promises
	err := replay(calls, dir, func(p *platter, said *promises, _ moment) error {
		disk, promised = p, said
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return disk.survives(t, promised, cuts[1], rand.New(rand.NewPCG(1, 0)))
}
