package editor

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"halley/storage"
)

// TestBringBack brings a long page from one store into another.
func TestBringBack(t *testing.T) {
	from, to := openStore(t, t.TempDir()), openStore(t, t.TempDir())
	defer from.Close()
	defer to.Close()
	was := openPages(t, from, Config{})
	id := newPage(t, was, "hello")
	submit(t, was, bob, id, edit("some-client", 1, 1, `[{"insert":"x"}]`))
	fillPage(t, from, id, 2, 9000)
	if _, err := was.UpdateSettings(t.Context(), ann, id, SettingsEdit{Title: new("Plan")}); err != nil {
		t.Fatal(err)
	}
	if err := was.Trash(t.Context(), ann, id); err != nil {
		t.Fatal(err)
	}
	pages, err := StoredPages(t.Context(), from)
	if err != nil || len(pages) != 1 {
		t.Fatalf("StoredPages() = %v, %v", pages, err)
	}

	lost := func(h storage.Hash, err error) { t.Errorf("file %v is lost: %v", h, err) }
	ps := openPages(t, to, Config{})
	for _, title := range []string{"Plan", "Plan (restored)"} {
		set, seq, err := ps.BringBack(t.Context(), pages[0], StoredHistory{Store: from, Page: id, Lost: lost}.Pieces(t.Context()))
		if err != nil || seq != 9000 || set.Title != title || set.ID == id || !set.Trashed.IsZero() {
			t.Fatalf("BringBack() = %+v, %d, %v; want %q", set, seq, err, title)
		}
		page, content, err := ps.Read(t.Context(), ann, set.ID)
		want := replayed(t, from, id, 9000)
		if err != nil || !content.Delta().Equal(want.content.Delta()) {
			t.Errorf("the page brought back has another text, %v", err)
		}
		if !page.Created.Equal(pages[0].Created) || !page.Updated.Equal(want.time) || page.Creator != ann.ID {
			t.Errorf("the page brought back is %+v", page)
		}
		wantSameHistory(t, from, id, to, set.ID)
		if c, err := to.Checkpoint(t.Context(), set.ID, 9000); err != nil || c.Seq < 8000 {
			t.Errorf("the newest checkpoint is at %d, %v, and the head at 9000", c.Seq, err)
		}
		submit(t, ps, bob, set.ID, edit("another-client", 1, 9000, `[{"insert":"new"}]`))
	}
	if _, bad := verified(t, to); len(bad) > 0 {
		t.Errorf("the store is bad then: %q", bad)
	}
}

func wantSameHistory(t *testing.T, from storage.Log, id PageID, to storage.Log, copied PageID) {
	t.Helper()
	read := func(log storage.Log, id PageID) (all []storage.Change) {
		err := log.Read(t.Context(), id, 0, 9000, func(c storage.Change) error {
			c.Payload = slices.Clone(c.Payload)
			all = append(all, c)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want, got := read(from, id), read(to, copied)
	if len(got) != len(want) {
		t.Fatalf("%d changes were brought back, want %d", len(got), len(want))
	}
	for i, c := range got {
		w := want[i]
		if c.Seq != w.Seq || c.Author != w.Author || c.Client != w.Client || c.N != w.N || !c.Time.Equal(w.Time) || string(c.Payload) != string(w.Payload) {
			t.Fatalf("change %d is brought back as %+v, want %+v", w.Seq, c, w)
		}
	}
}

// TestBringBackFails: a page that does not come whole is none.
func TestBringBackFails(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := openPages(t, store, Config{})
	cut := errors.New("the page is cut off")
	first := storage.Change{Seq: 1, Author: "ann", Payload: []byte(`[{"insert":"hello"}]`)}
	wrong := storage.Change{Seq: 2, Author: "ann", Payload: []byte(`[{"delete":70}]`)}
	for name, c := range map[string]struct {
		batches [][]storage.Change
		end     error
		want    string
	}{
		"cut off":            {[][]storage.Change{{first}}, cut, "the page is cut off"},
		"one that fits ill":  {[][]storage.Change{{first}, {wrong}}, nil, "change 2"},
		"one that is none":   {[][]storage.Change{{{Seq: 1, Payload: []byte(`{`)}}}, nil, "change 1"},
		"one that is missed": {[][]storage.Change{{wrong}}, nil, "skips a seq"},
	} {
		_, _, err := ps.BringBack(t.Context(), Settings{ID: "old", Title: "Plan"}, func(yield func(Piece, error) bool) {
			for _, batch := range c.batches {
				if !yield(Piece{Changes: batch}, nil) {
					return
				}
			}
			if c.end != nil {
				yield(Piece{}, c.end)
			}
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("BringBack() of %s = %v, want %q", name, err, c.want)
		}
	}
	if rows, _, err := ps.List(t.Context(), ann, ListQuery{Limit: 10}); err != nil || len(rows) > 0 {
		t.Errorf("there are pages nevertheless: %v, %v", rows, err)
	}
}

func TestFindPage(t *testing.T) {
	pages := []Settings{{ID: "AbCdEfGh", Title: "Plans"}, {ID: "XyZ12345", Title: "Notes"}, {ID: "QwErTy", Title: "Diary"}}
	if got, err := FindPage(pages, "XyZ12345"); err != nil || got.Title != "Notes" {
		t.Errorf("FindPage() = %v, %v", got, err)
	}
	for id, near := range map[PageID]PageID{"abCdEfGh": "AbCdEfGh", "AbCdEfG": "AbCdEfGh", "diary": "QwErTy", "note": "XyZ12345"} {
		_, err := FindPage(pages, id)
		var no *NoSuchPageError
		if !errors.As(err, &no) || no.Near[0].ID != near {
			t.Errorf("FindPage(%s) = %v, want %s first", id, err, near)
		}
	}
	if _, err := FindPage(nil, "any"); err == nil || err.Error() != "there is no page any, nor any other" {
		t.Errorf("FindPage() among none = %v", err)
	}
}
