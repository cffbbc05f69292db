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
	most, samples := 1500, 300
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

// TestPowerCutWithoutSyncs: the same finds out a store that does not sync.
func TestPowerCutWithoutSyncs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	calls := record(t, "without-syncs", dir, 0, 100)
	r := rand.New(rand.NewPCG(1, 0))
	err := replay(calls, dir, func(p *platter, said *promises, _ moment) error {
		if len(said.changes) < 10 {
			return nil
		}
		return p.survives(t, said, cuts[1], r)
	})
	if err == nil || !strings.Contains(err.Error(), "was acknowledged") {
		t.Errorf("a store that does not sync: %v, want what was acknowledged to be missed", err)
	}
}
