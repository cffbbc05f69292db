package editor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"halley/ot/ottest"
	"halley/storage"
	"halley/storage/encoding"
)

// replayed is page id at seq by its log alone.
func replayed(t testing.TB, store storage.Store, id PageID, seq uint64) past {
	t.Helper()
	p := past{state: newState("", 0), authors: map[string]bool{}}
	err := store.Read(context.Background(), id, 0, seq, func(sc storage.Change) error {
		c, err := decodeChange(sc)
		if err != nil {
			return err
		}
		p.authors[c.Author], p.time = true, c.Time
		return p.replay(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCheckpointHoldsAPage: random pages by several authors come out of their
// checkpoints as they went in.
func TestCheckpointHoldsAPage(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range 200 {
		p := past{state: newState("", 0), authors: map[string]bool{}}
		for range rng.IntN(40) {
			author := []string{"ann", "bob", "çelik", "d"}[rng.IntN(4)]
			change := ottest.Change(rng, p.content.Delta())
			if err := p.content.ApplyBy(author, change); err != nil {
				t.Fatalf("%v (seed %d, round %d)", err, seed, round)
			}
			p.authors[author] = true
			p.seq++
		}
		v := &view{seq: p.seq, content: p.content, authors: p.authors, time: p.time}
		got, err := decodeCheckpoint(storage.Checkpoint{Seq: p.seq, Data: encodeCheckpoint(v)})
		if err != nil {
			t.Fatalf("%v (seed %d, round %d)", err, seed, round)
		}
		if got.seq != p.seq || !got.content.Delta().Equal(p.content.Delta()) || !bytes.Equal(got.plain(), p.plain()) ||
			got.content.Size() != p.content.Size() {
			t.Fatalf("a checkpoint of %s gives %s (seed %d, round %d)", p.content.Delta().AppendJSON(nil),
				got.content.Delta().AppendJSON(nil), seed, round)
		}
	}
}

func TestDamagedCheckpointIsNone(t *testing.T) {
	p := past{state: newState("", 0), authors: map[string]bool{"ann": true}}
	if err := p.content.ApplyBy("ann", delta(`[{"insert":"hello "},{"insert":"you","attributes":{"bold":true}}]`)); err != nil {
		t.Fatal(err)
	}
	whole := encodeCheckpoint(&view{seq: 1, content: p.content, authors: p.authors})
	for cut := range whole {
		if _, err := decodeCheckpoint(storage.Checkpoint{Seq: 1, Data: whole[:cut]}); !errors.Is(err, errCheckpoint) {
			t.Errorf("the first %d bytes of a checkpoint give %v", cut, err)
		}
	}
	plain := p.plain()
	for i := range plain {
		bad := slices.Clone(plain)
		bad[i] ^= 0xff
		_, _ = decodeCheckpoint(storage.Checkpoint{Seq: 1, Data: encoding.Pack([]byte{checkpointVersion}, bad)})
	}
}

// fillPage writes changes straight into a page's log, as its own page would
// have, by ann and bob in turn: each types at the page's beginning.
func fillPage(t testing.TB, store storage.Store, id PageID, from, upTo uint64) {
	t.Helper()
	for head := from; head < upTo; {
		var batch []storage.Change
		for seq := head + 1; seq <= min(upTo, head+4000); seq++ {
			author, ops := "ann", fmt.Sprintf(`[{"retain":%d},{"insert":"a"}]`, seq%50)
			switch {
			case seq <= 60:
				ops = `[{"insert":"é"}]`
			case seq%10 == 0:
				author = "bob"
			case seq%10 > 1:
				ops = fmt.Sprintf(`[{"retain":%d},{"delete":1},{"insert":"%c"}]`, seq%50, 'a'+rune(seq%26))
			}
			batch = append(batch, storage.Change{
				Client: "filler-" + author, N: 1, Author: author, Time: time.UnixMilli(1_700_000_000_000 + int64(seq)).UTC(), Payload: []byte(ops),
			})
		}
		counts := map[string]uint64{}
		for i := range batch {
			c := &batch[i]
			if counts[c.Client] == 0 {
				known, err := store.Client(context.Background(), id, c.Client)
				if err != nil {
					t.Fatal(err)
				}
				counts[c.Client] = known.N
			}
			counts[c.Client]++
			c.N = counts[c.Client]
		}
		if err := store.Append(context.Background(), id, head, batch); err != nil {
			t.Fatal(err)
		}
		head += uint64(len(batch))
	}
}

// TestPageOpensFromItsCheckpoint: what a page shows, now and at any seq, is the
// same with checkpoints as without, and opening reads only what comes after
// the newest.
func TestPageOpensFromItsCheckpoint(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	defer store.Close()
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "")
	for head := uint64(0); head < 6000; head += 1000 {
		fillPage(t, store, id, head, head+1000)
		p, _, err := pastOf(t.Context(), store, slog.New(slog.DiscardHandler), id, head+900)
		if err != nil {
			t.Fatal(err)
		}
		v := &view{seq: p.seq, content: p.content, authors: p.authors, time: p.time}
		if err := store.PutCheckpoint(t.Context(), id, storage.Checkpoint{Seq: v.seq, Data: encodeCheckpoint(v)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []uint64{0, 1, 899, 900, 901, 5899, 5900, 5901, 6000} {
		got, from, err := pastOf(t.Context(), store, slog.New(slog.DiscardHandler), id, seq)
		if err != nil {
			t.Fatal(err)
		}
		if want := replayed(t, store, id, seq); got.seq != want.seq || !bytes.Equal(got.plain(), want.plain()) {
			t.Errorf("page at %d, read from %d, differs from its log's replay", seq, from)
		}
		if seq >= 5900 && from != 5900 {
			t.Errorf("page at %d was read from %d", seq, from)
		}
	}
	content, head := contentOf(t, ps, id)
	if want := replayed(t, store, id, 6000); head != 6000 || !content.Equal(want.content.Delta()) {
		t.Errorf("the page at %d shows %s", head, content.AppendJSON(nil))
	}
	authors, err := ps.Authors(t.Context(), ann, id)
	if err != nil || len(authors) != 2 {
		t.Errorf("the page's authors are %v, %v", authors, err)
	}
	// An edit on a base from before the checkpoint finds its way all the same.
	submit(t, ps, bob, id, edit("late-client", 1, 10, `[{"insert":"late "}]`))
	wantReplay(t, ps, id)
}

// TestCheckpointsComeByThemselves: a page that is written to, or was opened far
// from its last checkpoint, gets one.
func TestCheckpointsComeByThemselves(t *testing.T) {
	store := &noticing{Store: openStore(t, t.TempDir()), kept: make(chan uint64, 100)}
	defer store.Store.Close()
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "")
	fillPage(t, store, id, 0, checkpointEvery)
	contentOf(t, ps, id) // opens it
	if seq := <-store.kept; seq != checkpointEvery {
		t.Errorf("the first checkpoint is at %d", seq)
	}
	for n := uint64(1); n <= checkpointEvery; n++ {
		submit(t, ps, ann, id, edit("some-client", n, checkpointEvery+n-1, `[{"insert":"x"}]`))
	}
	seq := <-store.kept
	if seq != 2*checkpointEvery {
		t.Errorf("the second checkpoint is at %d", seq)
	}
	p, from, err := pastOf(t.Context(), store, slog.New(slog.DiscardHandler), id, seq)
	if err != nil || from != seq || !bytes.Equal(p.plain(), replayed(t, store, id, seq).plain()) {
		t.Errorf("the checkpoint at %d is not its replay (%d, %v)", seq, from, err)
	}
}

// A noticing store tells of each checkpoint that it has.
type noticing struct {
	storage.Store
	kept chan uint64
}

func (n *noticing) PutCheckpoint(ctx context.Context, page PageID, c storage.Checkpoint) error {
	err := n.Store.PutCheckpoint(ctx, page, c)
	if err == nil {
		n.kept <- c.Seq
	}
	return err
}

// TestDamagedCheckpointIsPassedOver: the log makes up for what is lost.
func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "")
	fillPage(t, store, id, 0, 100)
	if err := store.PutCheckpoint(t.Context(), id, storage.Checkpoint{Seq: 90, Data: []byte{checkpointVersion, 1, 2}}); err != nil {
		t.Fatal(err)
	}
	content, _ := contentOf(t, ps, id)
	if want := replayed(t, store, id, 100); !content.Equal(want.content.Delta()) {
		t.Errorf("the page shows %s", content.AppendJSON(nil))
	}
}
