package editor

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"halley/storage"
)

// BenchmarkOpen opens a page that nobody has in memory, and that is folded to its
// end: with a long history and with a short one, of the same text, at its head and
// at an old seq.
// The long one must take at most 50 ms, and 100 ms at any seq.
func BenchmarkOpen(b *testing.B) {
	const (
		length = 1_000_000
		every  = 1000 // its checkpoints: the newest so far behind, the others thinned
	)
	store := openStore(b, b.TempDir())
	defer store.Close()
	quiet := slog.New(slog.DiscardHandler)
	fillPage(b, store, "long", 0, length)
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
	shortPage(b, store, length-every+1, length)
	if err := store.Fold(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		page PageID
		seq  uint64
	}{{"short history", "short", every}, {"long history", "long", length}, {"a middle seq", "long", length/2 - 1}, {"the farthest seq", "long", 31*storage.CheckpointReach - 1}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := pastOf(context.Background(), store, quiet, c.page, c.seq); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// shortPage has the text of "long" at from as its first change, and then the
// same changes.
func shortPage(b *testing.B, store storage.Store, from, upTo uint64) {
	ctx := context.Background()
	p, _, err := pastOf(ctx, store, slog.New(slog.DiscardHandler), "long", from)
	if err != nil {
		b.Fatal(err)
	}
	changes := []storage.Change{{Author: "ann", Time: p.time, Payload: fromEmpty(p.content.Delta()).AppendJSON(nil)}}
	err = store.Read(ctx, "long", from, upTo, func(c storage.Change) error {
		changes = append(changes, storage.Change{Author: c.Author, Time: c.Time, Payload: bytes.Clone(c.Payload)})
		return nil
	})
	if err == nil {
		err = store.Append(ctx, "short", 0, changes)
	}
	if err != nil {
		b.Fatal(err)
	}
}
