package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"halley/storage"
)

const (
	killPages   = 5
	killWriters = 4 // on each page
)

// An acked change is one that a child said was stored.
type acked struct {
	page   storage.PageID
	client string
	n, seq uint64
}

// writersChild lets writers append to their pages until it is killed, and
// prints each change that is acknowledged. A page's writers share its head, as
// the callers of one live page do.
func writersChild() {
	s := childStore(Config{})
	for p := range killPages {
		page := storage.PageID(fmt.Sprintf("page-%d", p))
		head, err := s.Head(context.Background(), page)
		if err != nil {
			fail(err)
		}
		var mu sync.Mutex // guards head and counts
		counts := make([]uint64, killWriters)
		for i := range killWriters {
			go func() {
				rng := rand.New(rand.NewPCG(uint64(p), uint64(i)))
				for {
					mu.Lock()
					batch := writersBatch(i, counts, 1+rng.IntN(3), rng.IntN(2000))
					if err := s.Append(context.Background(), page, head, batch); err != nil {
						fail(err)
					}
					head += uint64(len(batch))
					counts[i] += uint64(len(batch))
					mu.Unlock()
					for _, c := range batch {
						// One write each, whole or not at all.
						os.Stdout.WriteString(fmt.Sprintln(page, c.Client, c.N, c.Seq))
					}
				}
			}()
		}
	}
	select {}
}

// writersBatch is writer i's next changes; each round's writers are new clients.
func writersBatch(i int, counts []uint64, count, size int) (batch []storage.Change) {
	for k := range count {
		c := changeOf(fmt.Sprintf("round-%s-%d", os.Getenv(roundEnv), i), counts[i]+uint64(k)+1)
		c.Payload = append(c.Payload, make([]byte, size)...)
		batch = append(batch, c)
	}
	return batch
}

// TestKill kills a process while it writes, again and again: whatever it
// acknowledged is there once, and no log has a gap.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds, perStore := 20, 20
	if soaking() {
		rounds = 1000
	}
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 0))
	var dir string
	var all []acked
	for round := range rounds {
		if round%perStore == 0 {
			dir, all = t.TempDir(), nil
		}
		after := 1 + rng.IntN(400)
		all = append(all, killAfter(t, dir, round, after)...)
		if err := checkAcked(t, dir, all); err != nil {
			t.Fatalf("after a kill at acknowledgement %d: %v (seed %d, round %d)", after, err, seed, round)
		}
	}
}

// killAfter kills a child of writers when it has acknowledged so many changes,
// and returns those and the ones that it still got out.
func killAfter(t *testing.T, dir string, round, after int) (acks []acked) {
	cmd := child(t, "writers", dir, round)
	lines := scanLines(t, cmd)
	for lines.Scan() {
		var a acked
		if _, err := fmt.Sscan(lines.Text(), &a.page, &a.client, &a.n, &a.seq); err != nil {
			break // cut off by the kill
		}
		if acks = append(acks, a); len(acks) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait() // it was killed, and says so
	if len(acks) < after {
		t.Fatalf("the child ended by itself after %d acknowledgements (round %d)", len(acks), round)
	}
	return acks
}

func checkAcked(t *testing.T, dir string, acks []acked) error {
	s := openStore(t, dir, Config{})
	defer s.Close()
	at := map[acked]bool{}
	for p := range killPages {
		page := storage.PageID(fmt.Sprintf("page-%d", p))
		counts := map[string]uint64{}
		var seqs uint64
		err := s.Read(t.Context(), page, 0, ^uint64(0), func(c storage.Change) error {
			if seqs++; c.Seq != seqs {
				return fmt.Errorf("page %s has change %d as its %d.", page, c.Seq, seqs)
			}
			if counts[c.Client]++; c.N != counts[c.Client] {
				return fmt.Errorf("page %s has n %d of client %s as its %d.", page, c.N, c.Client, counts[c.Client])
			}
			at[acked{page, c.Client, c.N, c.Seq}] = true
			return nil
		})
		if err != nil {
			return err
		}
		for client, n := range counts {
			if state, err := s.Client(t.Context(), page, client); err != nil || state.N != n {
				return fmt.Errorf("client %s of page %s is at n %d (%v), its changes go to %d", client, page, state.N, err, n)
			}
		}
	}
	if i := slices.IndexFunc(acks, func(a acked) bool { return !at[a] }); i >= 0 {
		return fmt.Errorf("%+v was acknowledged and is not there", acks[i])
	}
	return nil
}
