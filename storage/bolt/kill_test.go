package bolt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"halley/storage"
)

// TestKill kills a process while it writes, again and again: whatever it
// acknowledged is there once, no log has a gap, and its backups are whole.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds, perStore := 20, 20
	if soaking() {
		rounds = 1000
	}
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	var dir string
	var p *promises
	for round := range rounds {
		if round%perStore == 0 {
			dir, p = t.TempDir(), newPromises()
		}
		after := 1 + rng.IntN(800)
		killAfter(t, dir, round, after, p)
		if err := keptIn(t, dir, p); err != nil {
			t.Fatalf("after a kill at acknowledgement %d: %v (seed %d, round %d)", after, err, seed, round)
		}
	}
	s := openStore(t, dir, Config{})
	if _, blocks, _, _ := kept(t, s, pageOfLoad(0)); blocks == 0 {
		t.Error("nothing was folded meanwhile")
	}
}

// killAfter kills a child under load when it has said so many lines, and adds
// to p what it promised in those and in the ones that it still got out.
func killAfter(t *testing.T, dir string, round, after int, p *promises) {
	t.Helper()
	cmd := child(t, "load", dir, round)
	lines := scanLines(t, cmd)
	said := 0
	for lines.Scan() {
		if err := p.take(lines.Text()); err != nil {
			t.Fatalf("%v (round %d)", err, round)
		}
		if said++; said == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait() // it was killed, and says so
	if said < after {
		t.Fatalf("the child ended by itself after %d lines (round %d)", said, round)
	}
}

// keptIn returns an error where the store in dir, or its newest whole backup,
// does not keep p.
func keptIn(t *testing.T, dir string, p *promises) error {
	s := openStore(t, dir, Config{})
	defer s.Close()
	if err := p.keptBy(t.Context(), s); err != nil || p.backup == nil {
		return err
	}
	backup, err := os.ReadFile(backupPath(dir, p.number))
	if err != nil {
		return err
	}
	restored := filepath.Join(dir, "restored")
	defer os.RemoveAll(restored)
	if err := Restore(restored, Config{}, bytes.NewReader(backup), Restoring{Check: func(s *Store) error { return p.backup.keptBy(t.Context(), s) }}); err != nil {
		return fmt.Errorf("backup %d: %w", p.number, err)
	}
	return nil
}

// TestBrokenPromisesAreFound: what is asked after a kill, or a power cut, notices
// whatever is missing.
func TestBrokenPromisesAreFound(t *testing.T) {
	s := openStore(t, t.TempDir(), Config{})
	mustAppend(t, s, "page-0", 0, changeOf("client", 1))
	if err := s.PutCheckpoint(t.Context(), "page-0", storage.Checkpoint{Seq: 1, Data: checkpointOf("page-0", 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), storage.Record{Key: "record-0", Value: loadValue("record-0", 1)}); err != nil {
		t.Fatal(err)
	}
	for line, kept := range map[string]bool{
		"change page-0 client 1 1": true, "checkpoint page-0 1": true, "record record-0 1": true,
		"change page-0 client 2 2": false, "change page-0 client 1 2": false, "change page-1 client 1 1": false, "change page-0 other 1 1": false,
		"checkpoint page-0 2": false, "checkpoint page-1 1": false,
		"record record-0 2": false, "record record-1 1": false,
	} {
		p := newPromises()
		if err := p.take(line); err != nil {
			t.Fatal(err)
		}
		if err := p.keptBy(t.Context(), s); (err == nil) != kept {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := s.Put(t.Context(), storage.Record{Key: "record-1", Value: []byte("another's")}); err != nil {
		t.Fatal(err)
	}
	if err := newPromises().keptBy(t.Context(), s); err == nil {
		t.Error("a record that nobody put passes")
	}
}
