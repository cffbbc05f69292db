package editor

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// tryUpload uploads data and returns the error; nil or a *QuotaError only.
func tryUpload(t *testing.T, ps *Pages, p Principal, id PageID, data string) *QuotaError {
	t.Helper()
	_, err := ps.Upload(t.Context(), p, id, strings.NewReader(data))
	var full *QuotaError
	if err != nil && !errors.As(err, &full) {
		t.Fatalf("an upload of %d bytes = %v", len(data), err)
	}
	return full
}

func TestQuotaOfAPerson(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	cfg := Config{QuotaPerson: 1000}
	ps := openPages(t, store, cfg)
	id := newPage(t, ps, "hello")
	four := strings.Repeat("a", 400)
	if full := tryUpload(t, ps, ann, id, four); full != nil {
		t.Fatalf("400 of 1000 bytes = %v", full)
	}
	if full := tryUpload(t, ps, ann, id, four); full != nil {
		t.Errorf("the same bytes again = %v: they are kept once", full)
	}
	full := tryUpload(t, ps, ann, id, strings.Repeat("b", 700))
	if full == nil || !full.OfPerson || full.Used != 400 || full.Allowed != 1000 {
		t.Errorf("1100 of 1000 bytes = %+v, want a refusal that says 400 of 1000", full)
	}
	if full := tryUpload(t, ps, bob, id, strings.Repeat("b", 700)); full != nil {
		t.Errorf("somebody else's 700 bytes = %v", full)
	}
	program := Principal{ID: "command-line", Name: "Command line", Kind: KindProgram}
	if full := tryUpload(t, ps, program, id, strings.Repeat("p", 5000)); full != nil {
		t.Errorf("the command line = %v, want no quota of a person", full)
	}

	// A restart forgets nothing.
	ps.Close()
	ps = openPages(t, store, cfg)
	if full := tryUpload(t, ps, ann, id, strings.Repeat("c", 700)); full == nil || full.Used != 400 {
		t.Errorf("1100 of 1000 bytes after a restart = %+v, want a refusal that says 400", full)
	}
	if full := tryUpload(t, ps, ann, id, strings.Repeat("c", 600)); full != nil {
		t.Errorf("1000 of 1000 bytes after a restart = %v", full)
	}
}

// TestQuotaIsGivenBack: what is gone no longer counts, for the person and for all.
func TestQuotaIsGivenBack(t *testing.T) {
	// The store's clock is the real one: what is uploaded two days ago is over.
	now := time.Now().Add(-48 * time.Hour)
	store := openStore(t, t.TempDir())
	for _, cfg := range []Config{{QuotaPerson: 1000}, {QuotaAll: 1000}} {
		cfg.Now = func() time.Time { return now }
		ps := openPages(t, store, cfg)
		id := newPage(t, ps, "hello")
		if full := tryUpload(t, ps, ann, id, strings.Repeat("a", 1000)); full != nil {
			t.Fatalf("1000 of 1000 bytes = %v", full)
		}
		if full := tryUpload(t, ps, ann, id, "b"); full == nil || full.OfPerson != (cfg.QuotaPerson > 0) {
			t.Errorf("one byte more = %+v, want a refusal of the right quota", full)
		}
		now = now.Add(recountAfter)
		if _, err := store.SweepBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		if full := tryUpload(t, ps, ann, id, strings.Repeat("c", 1000)); full != nil {
			t.Errorf("1000 bytes after the first are gone = %v", full)
		}
		if _, err := store.SweepBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestQuotaOfUploadsAtOnce: uploads side by side do not get more than one after
// another, and one that fails gives back what it took.
func TestQuotaOfUploadsAtOnce(t *testing.T) {
	store := openStore(t, t.TempDir())
	ps := openPages(t, store, Config{QuotaPerson: 10_000, QuotaAll: 10_000})
	id := newPage(t, ps, "hello")
	if _, err := ps.Upload(t.Context(), ann, id, io.MultiReader(strings.NewReader(strings.Repeat("x", 9000)), failing{})); err == nil {
		t.Fatal("a reader that fails uploads something")
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	kept := 0
	for i := range 20 {
		running.Go(func() {
			_, err := ps.Upload(t.Context(), ann, id, strings.NewReader(strings.Repeat(fmt.Sprint(i%10), 1000+i)))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept += 1000 + i
			}
		})
	}
	running.Wait()
	if kept > 10_000 || kept < 5000 {
		t.Errorf("%d bytes are kept of 20 uploads at once, want about 10000 and no more", kept)
	}
	if mine := ps.quota.usage(ann.ID); mine.coming != 0 || mine.used != int64(kept) || ps.quota.whole.coming != 0 {
		t.Errorf("%d bytes count and %d are coming, want %d and none", mine.used, mine.coming, kept)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

// TestUsagesAreBounded: people are made up easily.
func TestUsagesAreBounded(t *testing.T) {
	store := openStore(t, t.TempDir())
	q := newQuota(store, Config{QuotaPerson: 1000, Now: time.Now})
	for i := range maxUsages + 1000 {
		q.receive(t.Context(), Principal{ID: fmt.Sprintf("g-%d", i), Kind: KindGuest}, strings.NewReader("")).end()
	}
	if n := q.people.Len(); n > maxUsages {
		t.Errorf("%d people are held, want at most %d", n, maxUsages)
	}
}
