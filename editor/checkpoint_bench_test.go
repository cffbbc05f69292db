package editor

import (
	"context"
	"log/slog"
	"testing"

	"halley/storage"
)

// BenchmarkOpen opens a page that nobody has in memory: with a long history and
// with a short one, at its head and at an old seq. The long one must take at
// most 50 ms, and 100 ms at any seq.
func BenchmarkOpen(b *testing.B) {
	const (
		length = 1_000_000
		every  = 1000 // its checkpoints: the newest so far behind, the others thinned
	)
	store := openStore(b, b.TempDir())
	defer store.Close()
	quiet := slog.New(slog.DiscardHandler)
	fillPage(b, store, "long", 0, length)
	fillPage(b, store, "short", 0, every)
	p := past{state: newState("", 0), authors: map[string]bool{}}
	err := store.Read(context.Background(), "long", 0, length-every+1, func(sc storage.Change) error {
		c, err := decodeChange(sc)
		if err != nil {
			return err
		}
		p.authors[c.Author], p.time = true, c.Time
		if err := p.replay(c); err != nil {
			return err
		}
		if c.Seq%(storage.CheckpointReach) != 0 && c.Seq != length-every+1 {
			return nil
		}
		v := &view{seq: c.Seq, content: p.content.Snapshot(), authors: p.authors, time: p.time}
		return store.PutCheckpoint(context.Background(), "long", storage.Checkpoint{Seq: c.Seq, Data: encodeCheckpoint(v)})
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		page PageID
		seq  uint64
	}{{"short history", "short", every}, {"long history", "long", length}, {"an old seq", "long", length/2 - 1}, {"the farthest seq", "long", 31*storage.CheckpointReach - 1}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := pastOf(context.Background(), store, quiet, c.page, c.seq); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
