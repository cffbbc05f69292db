package bolt

import (
	"cmp"
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
	children["without-syncs"] = func() { runLoad(Config{commit: commitUnsynced}, (*load).discardBackups) }
}

// commitUnsynced is what a store would do that says "saved" as soon as the
// system has the bytes.
func commitUnsynced(tx *bbolt.Tx) error {
	tx.DB().NoSync = true
	return tx.Commit()
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
func replay(calls []*call, dir string, at func(*platter, *promises) error) error {
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
		if err := at(p, said); err != nil {
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
	const seed = 11
	most, samples := 1500, 400
	if soaking() {
		most, samples = 15000, 20000
	}
	dir := filepath.Join(t.TempDir(), "data")
	calls := record(t, "recorded", dir, most)
	r := rand.New(rand.NewPCG(seed, 0))
	every := max(1, 2*len(calls)*len(cuts)/samples) // each call is two moments
	tried := 0
	err := replay(calls, dir, func(p *platter, said *promises) error {
		for _, c := range cuts {
			if len(said.changes) > 0 && r.IntN(every) > 0 { // how a store is made is tried wholly
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
	calls := record(t, "without-syncs", dir, 100)
	r := rand.New(rand.NewPCG(1, 0))
	err := replay(calls, dir, func(p *platter, said *promises) error {
		if len(said.changes) < 10 {
			return nil
		}
		return p.survives(t, said, cuts[1], r)
	})
	if err == nil || !strings.Contains(err.Error(), "was acknowledged") {
		t.Errorf("a store that does not sync: %v, want what was acknowledged to be missed", err)
	}
}
