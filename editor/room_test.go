package editor

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// everybody knows every author.
type everybody struct{}

func (everybody) Author(_ context.Context, id string) (Author, error) {
	return Author{Name: "name of " + id, Color: "#123456", Kind: KindGuest}, nil
}

var (
	ann = Principal{ID: "ann", Name: "Ann", Color: "#112233", Kind: KindGuest}
	bob = Principal{ID: "bob", Name: "Bob", Color: "#332211", Kind: KindGuest}
)

func openStore(t testing.TB, dir string) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(dir, bolt.Config{Codec: BlockCodec{}})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// openPages serves a store, which is closed after the pages.
func openPages(t testing.TB, store storage.Store, cfg Config) *Pages {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	ps, err := Open(context.Background(), cfg, store, OpenWorkspace{}, everybody{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ps.Close)
	return ps
}

// newPages is an empty workspace in a folder of the test's own.
func newPages(t testing.TB) *Pages {
	t.Helper()
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	return openPages(t, store, Config{})
}

// newPage is a page of ann's with a text; it is at seq 1, or 0 for "".
func newPage(t testing.TB, ps *Pages, text string) PageID {
	t.Helper()
	in := NewPage{Title: "Test"}
	if text != "" {
		in.Content = delta(fmt.Sprintf(`[{"insert":%q}]`, text+"\n"))
	}
	page, err := ps.Create(context.Background(), ann, in)
	if err != nil {
		t.Fatal(err)
	}
	return page.ID
}

func delta(json string) ot.Delta {
	d, err := ot.Parse([]byte(json))
	if err != nil {
		panic(err)
	}
	return d
}

// edit is client's edit n of base.
func edit(client string, n, base uint64, ops string) Edit {
	d, err := ot.ParseOps([]byte(ops))
	return Edit{Client: client, N: n, Base: base, Delta: d, Invalid: err}
}

func submit(t testing.TB, ps *Pages, p Principal, id PageID, e Edit) uint64 {
	t.Helper()
	seq, err := ps.Submit(context.Background(), p, id, e)
	if err != nil {
		t.Fatalf("Submit(%s, n %d, base %d, %s) = %v", e.Client, e.N, e.Base, e.Delta.AppendJSON(nil), err)
	}
	return seq
}

func contentOf(t testing.TB, ps *Pages, id PageID) (ot.Delta, uint64) {
	t.Helper()
	page, content, err := ps.Read(context.Background(), ann, id)
	if err != nil {
		t.Fatal(err)
	}
	return content.Delta(), page.Seq
}

func wantText(t testing.TB, ps *Pages, id PageID, want string) {
	t.Helper()
	_, content, err := ps.Read(context.Background(), ann, id)
	if err != nil {
		t.Fatal(err)
	}
	if got := content.Text(); got != want+"\n" {
		t.Errorf("the page holds %q, want %q", got, want+"\n")
	}
}

// wantReplay checks that the log, replayed from nothing, gives the content
// that the page shows: convergence of the two ways to it.
func wantReplay(t testing.TB, ps *Pages, id PageID) {
	t.Helper()
	want, head := contentOf(t, ps, id)
	content := emptyContent()
	next := uint64(1)
	err := ps.Changes(context.Background(), ann, id, 0, head, func(c Change) error {
		if c.Seq != next {
			return fmt.Errorf("change %d follows %d", c.Seq, next-1)
		}
		next++
		content = ot.Compose(content, c.Delta)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != head+1 || !content.Equal(want) {
		t.Errorf("the log up to %d gives %s, the page at %d is %s", next-1, content.AppendJSON(nil), head, want.AppendJSON(nil))
	}
}
