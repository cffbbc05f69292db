package bolt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
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
		after := 1 + rng.IntN(1500)
		killAfter(t, dir, round, after, p)
		if err := keptIn(t, dir, p); err != nil {
			t.Fatalf("after a kill at acknowledgement %d: %v (seed %d, round %d)", after, err, seed, round)
		}
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
	if err := Restore(restored, Config{}, bytes.NewReader(backup), func(s *Store) error { return p.backup.keptBy(t.Context(), s) }); err != nil {
		return fmt.Errorf("backup %d: %w", p.number, err)
	}
	return nil
}
