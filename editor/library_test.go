package editor

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"halley/ot"
)

func TestCreate(t *testing.T) {
	ps := newPages(t)
	page, err := ps.Create(t.Context(), ann, NewPage{Title: "Plan"})
	if err != nil {
		t.Fatal(err)
	}
	if page.Seq != 0 || page.Version != 0 || page.Role != RoleOwn || page.Title != "Plan" {
		t.Errorf("page = %+v", page)
	}
	if got, _ := contentOf(t, ps, page.ID); !got.Equal(emptyContent()) {
		t.Errorf("a new page holds %s", got.AppendJSON(nil))
	}
	for _, content := range []string{`[{"insert":"no newline"}]`, `[{"insert":"a\n"},{"retain":1}]`, `[{"insert":"x\n","attributes":{"blink":true}}]`} {
		var bad *ot.InvalidError
		if _, err := ps.Create(t.Context(), ann, NewPage{Content: delta(content)}); !errors.As(err, &bad) {
			t.Errorf("content %s: %v, want an InvalidError", content, err)
		}
	}
	if _, err := ps.Create(t.Context(), Principal{}, NewPage{}); !errors.Is(err, ErrSignedOut) {
		t.Errorf("nobody: %v, want ErrSignedOut", err)
	}
}

func TestCreateUnderAKeyMakesOnePage(t *testing.T) {
	ps := newPages(t)
	in := NewPage{Title: "Plan", Content: delta(`[{"insert":"Plan"},{"attributes":{"header":1},"insert":"\n"}]`), Key: "key-one-1"}
	first, err := ps.Create(t.Context(), ann, in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ps.Create(t.Context(), ann, in)
	if err != nil || again.ID != first.ID || again.Seq != 1 {
		t.Errorf("again: %v at %d, %v, want %v at 1", again.ID, again.Seq, err, first.ID)
	}
	other, err := ps.Create(t.Context(), bob, in)
	if err != nil || other.ID == first.ID {
		t.Errorf("somebody else's same key: %v, %v, want another page", other.ID, err)
	}
	if got, _ := contentOf(t, ps, first.ID); !got.Equal(in.Content) {
		t.Errorf("the page holds %s, want %s", got.AppendJSON(nil), in.Content.AppendJSON(nil))
	}
}

func TestReadAtEverySeq(t *testing.T) {
	ps := newPages(t)
	id := newPage(t, ps, "0")
	for n := range uint64(5) {
		submit(t, ps, ann, id, edit("client-a", n+1, n+1, fmt.Sprintf(`[{"insert":"%d"}]`, n+1)))
	}
	for seq, want := range []string{"\n", "0\n", "10\n", "210\n", "3210\n", "43210\n", "543210\n"} {
		page, content, err := ps.ReadAt(t.Context(), ann, id, uint64(seq))
		if err != nil || content.Text() != want || page.Seq != uint64(seq) {
			t.Errorf("at %d: %q at %d, %v, want %q", seq, content.Text(), page.Seq, err, want)
		}
	}
	if _, _, err := ps.ReadAt(t.Context(), ann, id, 7); !errors.Is(err, ErrNoSuchSeq) {
		t.Errorf("at 7: %v, want ErrNoSuchSeq", err)
	}
}

func TestSettingsSurviveRestart(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	ps := openPages(t, store, Config{})
	id, trashed := newPage(t, ps, "hello"), newPage(t, ps, "bye")
	title := "Minutes"
	if page, err := ps.UpdateSettings(t.Context(), bob, id, SettingsEdit{Title: &title}); err != nil || page.Version != 1 || page.Title != title {
		t.Errorf("Change = %+v, %v", page, err)
	}
	if page, err := ps.UpdateSettings(t.Context(), bob, id, SettingsEdit{Title: &title}); err != nil || page.Version != 1 {
		t.Errorf("the same title again is version %d, %v, want 1", page.Version, err)
	}
	if err := ps.Trash(t.Context(), ann, trashed); err != nil {
		t.Fatal(err)
	}
	ps.Close()
	store.Close()

	store = openStore(t, dir)
	t.Cleanup(func() { store.Close() })
	ps = openPages(t, store, Config{})
	page, err := ps.Page(t.Context(), ann, id)
	if err != nil || page.Title != title || page.Version != 1 || page.Seq != 1 {
		t.Errorf("after a restart: %+v, %v", page, err)
	}
	for _, inTrash := range []bool{false, true} {
		rows, more, err := ps.List(t.Context(), ann, ListQuery{Trashed: inTrash, Limit: 10})
		if err != nil || more || len(rows) != 1 || (rows[0].ID == trashed) != inTrash {
			t.Errorf("List(trashed %v) = %v, %v, %v", inTrash, rows, more, err)
		}
	}
}

func TestListPagesThrough(t *testing.T) {
	var now atomic.Int64 // the sweep of presence asks for it too
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{Now: func() time.Time { return time.UnixMilli(1_000_000 + now.Load()) }})
	var want []PageID
	for i := range 7 {
		if i%2 == 0 {
			now.Add(1000) // every second page shares its time
		}
		want = append(want, newPage(t, ps, ""))
	}
	now.Add(1000)
	submit(t, ps, ann, want[2], edit("client-a", 1, 0, `[{"insert":"x"}]`))
	var got []PageID
	q := ListQuery{Limit: 2}
	for {
		rows, more, err := ps.List(t.Context(), ann, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			got = append(got, r.ID)
		}
		if !more {
			break
		}
		last := rows[len(rows)-1]
		q.After, q.AfterID = last.Updated, last.ID
	}
	if len(got) != len(want) || got[0] != want[2] {
		t.Errorf("got %v: want all of %v once, the newest change first", got, want)
	}
	seen := map[PageID]bool{}
	for _, id := range got {
		if seen[id] {
			t.Errorf("%s is listed twice", id)
		}
		seen[id] = true
	}
}

func TestSearch(t *testing.T) {
	ps := newPages(t)
	soup := newPage(t, ps, "Pumpkin soup for four")
	newPage(t, ps, "Pumpkin carving")
	for _, c := range []struct {
		query string
		want  int
	}{{"pumpkin", 2}, {"SOUP pump", 1}, {"soup test", 1}, {"leek", 0}} {
		found, err := ps.Search(t.Context(), ann, SearchQuery{Text: c.query, Limit: 10})
		if err != nil || len(found.Rows) != c.want {
			t.Errorf("%q finds %d pages, %v, want %d", c.query, len(found.Rows), err, c.want)
		}
		if c.want == 1 && found.Rows[0].ID != soup {
			t.Errorf("%q finds %s", c.query, found.Rows[0].Excerpt)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"\n\n one\n two \n", "one two"},
		{strings.Repeat("word ", 50), strings.TrimSpace(strings.Repeat("word ", 32)) + " …"},
		{strings.Repeat("x", 500), strings.Repeat("x", excerptChars) + "…"},
	} {
		if got := excerpt(c.in); got != c.want {
			t.Errorf("excerpt(%.20q…) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestTitles(t *testing.T) {
	for title, ok := range map[string]bool{"": true, "Größe": true, "a\nb": false, "a\u2028b": false, strings.Repeat("ä", 300): true, strings.Repeat("ä", 301): false} {
		if err := CheckTitle(title); (err == nil) != ok {
			t.Errorf("CheckTitle(%.10q…) = %v", title, err)
		}
	}
}

func TestPagesUnload(t *testing.T) {
	store := openStore(t, t.TempDir())
	t.Cleanup(func() { store.Close() })
	ps := openPages(t, store, Config{MaxLoadedBytes: 2500})
	var ids []PageID
	for range 6 {
		ids = append(ids, newPage(t, ps, strings.Repeat("x", 1000)))
	}
	for _, id := range ids {
		submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"y"}]`))
		wantText(t, ps, id, "y"+strings.Repeat("x", 1000))
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	live := 0
	for _, e := range ps.loaded {
		if e.page != nil && !isClosed(e.page.stop) {
			live++
		}
	}
	if live > 3 {
		t.Errorf("%d pages of 1,000 bytes are loaded, where 2,500 bytes are allowed", live)
	}
}

func TestIdlePageUnloads(t *testing.T) {
	inBubble(t, func(t *testing.T, ps *Pages, id PageID) {
		submit(t, ps, ann, id, edit("client-a", 1, 1, `[{"insert":"x"}]`))
		loaded := func() int {
			ps.mu.Lock()
			defer ps.mu.Unlock()
			return len(ps.loaded)
		}
		time.Sleep(9 * time.Minute)
		wantText(t, ps, id, "xhello")
		time.Sleep(9 * time.Minute)
		if loaded() != 1 {
			t.Error("a page that was read 9 minutes ago is gone")
		}
		time.Sleep(2 * time.Minute)
		if loaded() != 0 {
			t.Error("a page that nobody asked for in 10 minutes is still loaded")
		}
		wantText(t, ps, id, "xhello")
	})
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
