package editor

import (
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// olderChanges are the changes of "page" in testdata/format-3.db.gz: 1,500
// words by three clients at random places, some of them bold.
func olderChanges() (changes []storage.Change) {
	rng, length, counts := rand.New(rand.NewPCG(3, 1)), 0, map[string]uint64{}
	at := time.UnixMilli(1_750_000_000_000).UTC()
	for seq := uint64(1); seq <= 1500; seq++ {
		word := fmt.Sprintf("word%d ", rng.IntN(100))
		var bold ot.Attributes
		if rng.IntN(5) == 0 {
			bold = ot.Attributes{{Name: "bold", Value: "true"}}
		}
		d := ot.Delta{}.Retain(rng.IntN(length+1), nil).Insert(word, bold)
		length += len(word)
		client := fmt.Sprint("client-", rng.IntN(3))
		counts[client]++
		at = at.Add(time.Duration(rng.IntN(900)) * time.Millisecond)
		changes = append(changes, storage.Change{
			Seq: seq, Client: client, N: counts[client], Author: "author-" + client, Time: at, Payload: d.AppendJSON(nil),
		})
	}
	return changes
}

// TestOlderFile opens a file of the same format that a version wrote which
// compressed at zstd's best level, all of its changes folded, with a
// checkpoint at its head.
func TestOlderFile(t *testing.T) {
	packed, err := os.Open("testdata/format-3.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, bolt.FileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	store := openStore(t, dir)
	defer store.Close()
	want := olderChanges()
	p := past{state: newState("", 0), authors: map[string]bool{}}
	err = store.Read(t.Context(), "page", 0, ^uint64(0), func(got storage.Change) error {
		w := want[got.Seq-1]
		if got.Client != w.Client || got.N != w.N || got.Author != w.Author || !got.Time.Equal(w.Time) || string(got.Payload) != string(w.Payload) {
			t.Errorf("change %d is %+v, want %+v", got.Seq, got, w)
		}
		c, err := decodeChange(got)
		if err != nil {
			return err
		}
		p.authors[c.Author], p.time = true, c.Time
		return p.replay(c)
	})
	if err != nil || p.seq != 1500 {
		t.Fatalf("Read() = %v after change %d, want all 1500", err, p.seq)
	}
	read, from, err := pastOf(t.Context(), store, slog.New(slog.DiscardHandler), "page", 1500)
	if err != nil || from != 1500 {
		t.Fatalf("pastOf(1500) = %v from a checkpoint at %d, want one at 1500", err, from)
	}
	if got, want := read.plain(), p.plain(); string(got) != string(want) {
		t.Errorf("the checkpoint holds %q, want %q", got, want)
	}
}
