package editor

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// traceChanges are a recorded history of typing as a log has it: each
// transaction a change, by one of three people in turns of some minutes, at
// times as a person types.
func traceChanges(tb testing.TB, name string) (changes []storage.Change) {
	tb.Helper()
	f, err := os.Open(filepath.Join("../../shared/data/editing-traces", name+".json.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the shared test data is not there: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var trace struct {
		Txns []struct {
			Patches []tracePatch `json:"patches"`
		} `json:"txns"`
	}
	if err := json.NewDecoder(z).Decode(&trace); err != nil {
		tb.Fatal(err)
	}
	authors, counts := []string{"u_bTNQq0vYtW2cJ8rK", "u_x9AfLr5dMZ0gHu3e", "u_Kp7sVn1oEw6yQi4B"}, [3]uint64{}
	rng, at, who := rand.New(rand.NewPCG(6, 6)), time.UnixMilli(1_700_000_000_000).UTC(), 0
	for i, txn := range trace.Txns {
		var d ot.Delta
		for _, p := range txn.Patches {
			d = ot.Compose(d, ot.Delta{}.Retain(p.at, nil).Insert(p.inserted, nil).Delete(p.deleted))
		}
		pause := 40 + 120*rng.ExpFloat64()
		if rng.IntN(50) == 0 {
			pause += 10_000 * rng.ExpFloat64() // to think
		}
		if at = at.Add(time.Duration(pause) * time.Millisecond); rng.IntN(3000) == 0 {
			who = rng.IntN(len(authors))
		}
		counts[who]++
		changes = append(changes, storage.Change{
			Seq: uint64(i) + 1, Client: "Zk3bq1pXw0aaT-yR8sLd" + authors[who][2:4], N: counts[who], Author: authors[who], Time: at,
			Digest: [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}, Payload: d.AppendJSON(nil),
		})
	}
	return changes
}

// A tracePatch is [position, how much is deleted, what is inserted].
type tracePatch struct {
	at, deleted int
	inserted    string
}

func (p *tracePatch) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&p.at, &p.deleted, &p.inserted})
}

// BenchmarkFolded is how many bytes a change takes in the whole file, with its
// author and millisecond, once the page is folded and the file is compacted,
// checkpoints included; beside what a row of JSON takes.
func BenchmarkFolded(b *testing.B) {
	for _, name := range []string{"automerge-paper", "seph-blog1", "rustcode"} {
		b.Run(name, func(b *testing.B) {
			changes := traceChanges(b, name)
			for b.Loop() {
				dir := b.TempDir()
				foldTrace(b, dir, changes)
				info, err := os.Stat(filepath.Join(dir, bolt.FileName))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(info.Size())/float64(len(changes)), "B/change")
			}
			row := 0
			for _, c := range changes {
				row += len(Change{Seq: c.Seq, Author: c.Author, Client: c.Client, N: c.N, Time: c.Time}.AppendJSON(nil, "")) + len(c.Payload)
			}
			b.ReportMetric(float64(row)/float64(len(changes)), "JSON-B/change")
		})
	}
}

// benchPage is an id as long as those of pages.
const benchPage PageID = "qW3bTNQq0vYtW2cJ8rKx9A"

// foldTrace makes a store in dir whose one page has had changes, with
// checkpoints as a live page has them written.
func foldTrace(b *testing.B, dir string, changes []storage.Change) {
	ctx := context.Background()
	store, err := bolt.Open(dir, bolt.Config{Codec: BlockCodec{}})
	if err != nil {
		b.Fatal(err)
	}
	p := past{state: newState("", 0), authors: map[string]bool{}}
	for len(changes) > 0 {
		batch := changes[:min(checkpointEvery, len(changes))]
		changes = changes[len(batch):]
		if err := store.Append(ctx, benchPage, p.seq, batch); err != nil {
			b.Fatal(err)
		}
		for _, sc := range batch {
			c, err := decodeChange(sc)
			if err == nil {
				err = p.replay(c)
			}
			if err != nil {
				b.Fatal(err)
			}
			p.authors[c.Author], p.time = true, c.Time
		}
		if len(batch) < checkpointEvery {
			break
		}
		v := &view{seq: p.seq, content: p.content.Snapshot(), authors: p.authors, time: p.time}
		if err := store.PutCheckpoint(ctx, benchPage, storage.Checkpoint{Seq: p.seq, Data: encodeCheckpoint(v)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(store.Fold(ctx), store.Close()); err != nil {
		b.Fatal(err)
	}
	if _, err := bolt.Compact(ctx, dir, func(int64, int64) {}); err != nil {
		b.Fatal(err)
	}
}
