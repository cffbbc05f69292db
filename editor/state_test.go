package editor

import (
	"fmt"
	"testing"

	"halley/ot"
)

// TestAuthorsOutliveLoading: who wrote what is known after the page was loaded
// again, whoever formatted it.
func TestAuthorsOutliveLoading(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	first := openPages(t, store, Config{})
	id := newPage(t, first, "hello")
	for i, e := range []struct {
		who Principal
		ops string
	}{
		{bob, `[{"retain":5},{"insert":" world"}]`},
		{ann, `[{"retain":8,"attributes":{"bold":true}}]`},
		{ann, `[{"retain":9},{"insert":"k"}]`},
	} {
		if _, err := first.Submit(t.Context(), e.who, id, edit("client-"+e.who.ID, uint64(1+i/2), uint64(i+1), e.ops)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "ann 5, bob 4, ann 1, bob 2, nobody 1, "
	for _, ps := range []*Pages{first, openPages(t, store, Config{})} {
		v, err := ps.look(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := authorsOf(v.content); got != want {
			t.Errorf("written by %s want %s", got, want)
		}
	}
}

func authorsOf(c *ot.Content) string {
	s := ""
	for author, n := range c.Authors(0, c.Len()) {
		if author == "" {
			author = "nobody"
		}
		s += fmt.Sprintf("%s %d, ", author, n)
	}
	return s
}

// TestManyOpsAroundACutPair: blaming one of a great many ops takes no time.
func TestManyOpsAroundACutPair(t *testing.T) {
	const ops = 20_000
	ps := newPages(t)
	id := newPage(t, ps, "🎉")
	var d ot.Delta
	for range ops {
		d = append(d, ot.Op{Insert: "x"})
	}
	d = append(d, ot.Op{Retain: 1}, ot.Op{Insert: "y"}, ot.Op{Insert: "z"})
	_, err := ps.Submit(t.Context(), ann, id, Edit{Client: "client-ann", N: 1, Base: 1, Delta: d})
	const want = "op 20001 cuts through a surrogate pair: a character that takes two UTF-16 units"
	if err == nil || err.Error() != want {
		t.Errorf("err = %v, want %s", err, want)
	}
}
