package editor

import (
	"bytes"
	"fmt"
	"testing"

	"halley/ot"
	"halley/ot/ottest"
	"halley/storage"
)

// comesBack checks that the codec gives all payloads back, byte for byte.
func comesBack(changes []storage.Change) error {
	size := 0
	blank := make([]storage.Change, len(changes))
	for i, c := range changes {
		size += len(c.Payload)
		blank[i] = storage.Change{Client: c.Client}
	}
	if err := (BlockCodec{}).Join(blank, BlockCodec{}.Split(changes), size); err != nil {
		return err
	}
	for i, c := range changes {
		if !bytes.Equal(blank[i].Payload, c.Payload) {
			return fmt.Errorf("payload %d comes back as %s, want %s", i, blank[i].Payload, c.Payload)
		}
	}
	return nil
}

// TestBlockCodec: changes of any kind by several clients come back, and so do
// payloads that are none, or in other words than ours.
func TestBlockCodec(t *testing.T) {
	for seed := range uint64(100) {
		r := ottest.Rand(seed)
		content := ottest.Content(r, 200)
		var changes []storage.Change
		for range 50 {
			d := ottest.Change(r, content)
			content = ot.Compose(content, d)
			changes = append(changes, storage.Change{Client: fmt.Sprint("client-", r.IntN(4)), Payload: d.AppendJSON(nil)})
		}
		for _, odd := range []string{"", "[]", `[ ]`, `[{"insert":"a"},{"insert":"b"}]`, `[{"retain":0}]`, `[{"insert":"\u0061"}]`, "\xff", `[{"retain":9007199254740991}]`} {
			changes = append(changes, storage.Change{Payload: []byte(odd)})
		}
		if err := comesBack(changes); err != nil {
			t.Fatalf("%v (seed %d)", err, seed)
		}
	}
}

// TestBlockCodecManyClients: more than whose cursors are kept.
func TestBlockCodecManyClients(t *testing.T) {
	var changes []storage.Change
	for i := range 1000 {
		d := ot.Delta{}.Retain(1+i*7919%5000, nil).Insert("x", nil)
		changes = append(changes, storage.Change{Client: fmt.Sprint("client-", i*i%150), Payload: d.AppendJSON(nil)})
	}
	if err := comesBack(changes); err != nil {
		t.Error(err)
	}
}

// TestBlockCodecIsSmall: a letter typed or taken back costs a byte or two before
// it is compressed, apart from what says who typed and when.
func TestBlockCodecIsSmall(t *testing.T) {
	var changes []storage.Change
	for i := range 1000 {
		d := ot.Delta{}.Retain(100+i, nil).Insert("e", nil)
		changes = append(changes, storage.Change{Client: "client-a", Payload: d.AppendJSON(nil)})
	}
	columns := BlockCodec{}.Split(changes)
	for _, column := range []int{columnWhich, columnMoves} {
		// But for the first, which are new, they are all the same.
		if same := bytes.Count(columns[column], columns[column][len(columns[column])-1:]); same < 999 {
			t.Errorf("column %d of a thousand letters has the same byte %d times, want 999 times", column, same)
		}
	}
}

// TestFoldedPage: a page whose changes are folded is the same at every seq, to
// whoever opens it, edits it or verifies it.
func TestFoldedPage(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "hello")
	submit(t, ps, bob, id, edit("some-client", 1, 1, `[{"retain":2,"attributes":{"bold":true}},{"insert":{"image":"https://example.org/x.png"}}]`))
	ps.Close()
	fillPage(t, store, id, 2, 3000)
	seqs := []uint64{1, 2, 3, 1024, 1025, 2500, 3000}
	want := map[uint64][]byte{}
	for _, seq := range seqs {
		want[seq] = replayed(t, store, id, seq).plain()
	}
	for range 2 {
		if err := store.Fold(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, seq := range seqs {
			if got := replayed(t, store, id, seq).plain(); !bytes.Equal(got, want[seq]) {
				t.Errorf("at seq %d the page is\n%s, want\n%s", seq, got, want[seq])
			}
		}
		if _, bad := verified(t, store); len(bad) > 0 {
			t.Errorf("Verify() says %q of a folded page", bad)
		}
		ps = openPages(t, store, Config{})
		submit(t, ps, bob, id, edit("some-client", 1, 1, `[{"retain":2,"attributes":{"bold":true}},{"insert":{"image":"https://example.org/x.png"}}]`)) // again
		if head, err := store.Head(t.Context(), id); err != nil || head != 3000 {
			t.Errorf("the head is %d, %v, after an edit was sent again", head, err)
		}
		ps.Close()
		store.Close()
		store = openStore(t, dir)
	}
	store.Close()
}

// FuzzBlockCodec: no columns make Join panic, or give more bytes than it is
// asked for; and no payloads fail to come back.
func FuzzBlockCodec(f *testing.F) {
	for seed := range uint64(5) {
		r := ottest.Rand(seed)
		content := ottest.Content(r, 50)
		var changes []storage.Change
		var lines []byte
		for range 5 {
			c := storage.Change{Client: fmt.Sprint(r.IntN(2)), Payload: ottest.Change(r, content).AppendJSON(nil)}
			changes = append(changes, c)
			lines = append(append(lines, c.Payload...), '\n')
		}
		f.Add(lines, 1, 10)
		f.Add(bytes.Join(BlockCodec{}.Split(changes), []byte{fuzzedColumn}), len(changes), 300)
	}
	f.Fuzz(func(t *testing.T, b []byte, count, size int) {
		var changes []storage.Change
		for i, line := range bytes.Split(b, []byte{'\n'}) {
			changes = append(changes, storage.Change{Client: fmt.Sprint(i % 3), Payload: line})
		}
		if err := comesBack(changes); err != nil {
			t.Error(err)
		}
		hostile := make([]storage.Change, min(max(count, 0), 1000))
		size = min(max(size, 0), 1<<20)
		if err := (BlockCodec{}).Join(hostile, bytes.SplitN(b, []byte{fuzzedColumn}, columnCount), size); err != nil {
			return
		}
		for i := range hostile {
			if size -= len(hostile[i].Payload); size < 0 {
				t.Errorf("%x gives more bytes than it was asked for", b)
			}
		}
	})
}

// fuzzedColumn stands between two columns in a fuzzed input.
const fuzzedColumn = 0xfe
