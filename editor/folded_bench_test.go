package editor

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// BenchmarkBeside is how long others wait for their edits to be stored while a
// page of 10 MB is folded and checkpointed, over and over, and how long without;
// both by turns, since the disk has moods.
func BenchmarkBeside(b *testing.B) {
	store := openStore(b, b.TempDir())
	defer store.Close()
	big := newBigPage(b, store)
	var alone, beside []time.Duration
	for b.Loop() {
		for range 3 {
			alone = append(alone, othersWait(b, store)...)
			done := make(chan struct{})
			go func() {
				defer close(done)
				big.foldAndCheckpoint(b)
			}()
			for busy := true; busy; {
				beside = append(beside, othersWait(b, store)...)
				select {
				case <-done:
					busy = false
				default:
				}
			}
		}
	}
	b.ReportMetric(p99(alone), "alone-p99-ms")
	b.ReportMetric(p99(beside), "beside-p99-ms")
	b.ReportMetric(p99(beside)/p99(alone), "p99-of-alone")
}

func p99(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)*99/100].Microseconds()) / 1000
}

// othersWait has twenty people type on pages of their own for a second, each
// twenty letters, and returns how long each letter took to be stored.
func othersWait(b *testing.B, store *bolt.Store) []time.Duration {
	const people, letters = 20, 20
	waits := make([][]time.Duration, people)
	var all sync.WaitGroup
	for i := range people {
		all.Go(func() {
			id := PageID(fmt.Sprintf("beside-%d", i))
			head, err := store.Head(context.Background(), id)
			for range letters {
				time.Sleep(50 * time.Millisecond)
				began := time.Now()
				err = errors.Join(err, store.Append(context.Background(), id, head, []storage.Change{
					{Author: "ann", Client: "client", N: head + 1, Time: began, Payload: []byte(`[{"retain":7},{"insert":"x"}]`)},
				}))
				head++
				waits[i] = append(waits[i], time.Since(began))
			}
			if err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	return slices.Concat(waits...)
}

// A bigPage is a page of 10 MB and its store.
type bigPage struct {
	store   *bolt.Store
	content *ot.Content
	head    uint64
}

func newBigPage(b *testing.B, store *bolt.Store) *bigPage {
	rng, text := rand.New(rand.NewPCG(10, 10)), make([]byte, 10_000_000)
	for i := range text { // words of letters by chance: they do not compress well
		text[i] = "etaoinshrdlucmfw  \n"[rng.IntN(19)]
	}
	text[len(text)-1] = '\n'
	p := &bigPage{store: store, content: contentOfText(b, string(text)), head: 1}
	first := storage.Change{Author: "ann", Time: time.Now(), Payload: fromEmpty(p.content.Delta()).AppendJSON(nil)}
	if err := store.Append(context.Background(), benchPage, 0, []storage.Change{first}); err != nil {
		b.Fatal(err)
	}
	return p
}

// foldAndCheckpoint has the page grow by 1,000 changes, folds it, and writes a
// checkpoint.
func (p *bigPage) foldAndCheckpoint(b *testing.B) {
	ctx := context.Background()
	var batch []storage.Change
	for i := range 1000 {
		payload := fmt.Appendf(nil, `[{"retain":%d},{"insert":"x"}]`, (p.head+uint64(i))*7919%10_000_000+1)
		batch = append(batch, storage.Change{Author: "ann", Time: time.Now(), Payload: payload})
	}
	err := p.store.Append(ctx, benchPage, p.head, batch)
	if err == nil {
		p.head += uint64(len(batch))
		err = p.store.Fold(ctx)
	}
	if err == nil {
		v := &view{seq: p.head, content: p.content, time: time.Now(), authors: map[string]bool{"ann": true}}
		err = p.store.PutCheckpoint(ctx, benchPage, storage.Checkpoint{Seq: v.seq, Data: encodeCheckpoint(v)})
	}
	if err != nil {
		b.Error(err)
	}
}
