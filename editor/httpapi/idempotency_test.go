package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"halley/storage"
)

// under makes a call under an Idempotency-Key.
func (b *browser) under(key, method, path, kind, body string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(method, path, body, "Idempotency-Key", key, "Content-Type", kind)
}

type made struct {
	ID    string
	Delta json.RawMessage
	Seq   uint64
}

func (b *browser) made(w *httptest.ResponseRecorder, status int) (m made) {
	b.t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Code != status {
		b.t.Fatalf("answer %d %s, want %d", w.Code, w.Body, status)
	}
	return m
}

// aging records expire by a clock of the test's own.
type aging struct {
	storage.Records
	now func() time.Time
}

func (a aging) Get(ctx context.Context, key string) (storage.Record, error) {
	r, err := a.Records.Get(ctx, key)
	if err == nil && !r.Expires.After(a.now()) {
		if err = a.Delete(ctx, key, r.Version); err == nil {
			err = storage.ErrNotFound
		}
		r = storage.Record{}
	}
	return r, err
}

// TestIdempotencyKeyAfterItsTime: for seven days a key gives the first answer;
// then it makes something new, of what is sent then.
func TestIdempotencyKeyAfterItsTime(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	s := newServer(t, Config{Now: clock})
	s.idempotency.records = aging{s.store, clock}
	b := signIn(t, s)
	create := func(text string) made {
		t.Helper()
		return b.made(b.under("key-number-1", "POST", "/api/pages", "application/json", `{"delta":[{"insert":"`+text+`\n"}]}`), 201)
	}
	first := create("first")
	put := func(text string) uint64 {
		t.Helper()
		return b.made(b.under("key-number-2", "PUT", "/api/pages/"+first.ID+"/content?base=1", "text/plain", text), 200).Seq
	}
	put("first, changed\n")
	now = now.Add(keepAnswers - time.Hour)
	if again := create("first"); again.ID != first.ID {
		t.Errorf("sent again in time the key gives page %s, want %s", again.ID, first.ID)
	}
	if seq := put("first, changed\n"); seq != 2 {
		t.Errorf("put again in time: seq %d, want 2", seq)
	}
	now = now.Add(2 * time.Hour)
	second := create("second")
	if second.ID == first.ID || !strings.Contains(string(second.Delta), "second") {
		t.Errorf("after its time the key gives page %s with %s, want a new one with what was sent", second.ID, second.Delta)
	}
	if again := create("second"); again.ID != second.ID {
		t.Errorf("sent again the key gives page %s, want %s", again.ID, second.ID)
	}
	if seq := put("first, changed at last\n"); seq != 3 {
		t.Errorf("put after its time: seq %d, want 3", seq)
	}
}

// failingPuts refuses one write of the records under a prefix, as a crash would.
type failingPuts struct {
	storage.Records
	prefix string
	after  int // how many writes succeed first
}

var errCrash = errors.New("crash")

func (f *failingPuts) Put(ctx context.Context, r storage.Record) (uint64, error) {
	if strings.HasPrefix(r.Key, f.prefix) {
		if f.after--; f.after == -1 {
			return 0, errCrash
		}
	}
	return f.Records.Put(ctx, r)
}

// TestIdempotencyKeyAcrossACrash: wherever a crash comes, sending again makes
// nothing twice; and another request that takes the key then loses nothing.
func TestIdempotencyKeyAcrossACrash(t *testing.T) {
	const body = `{"delta":[{"insert":"hello\n"}]}`
	for name, after := range map[string]int{"before anything was made": 0, "before the answer was noted": 1} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, Config{})
			b := signIn(t, s)
			s.idempotency.records = &failingPuts{s.store, "once/", after}
			send := func(body string) *httptest.ResponseRecorder {
				return b.under("key-number-1", "POST", "/api/pages", "application/json", body)
			}
			if w := send(body); w.Code != http.StatusInternalServerError {
				t.Fatalf("at the crash: %d %s", w.Code, w.Body)
			}
			page := b.made(send(body), 201)
			if again := b.made(send(body), 201); again.ID != page.ID {
				t.Errorf("sent again: page %s, want %s", again.ID, page.ID)
			}
			if rows := b.do("GET", "/api/pages", ""); strings.Count(rows.Body.String(), `"id"`) != 1 {
				t.Errorf("there is not one page: %s", rows.Body)
			}
			b.want(send(`{"delta":[{"insert":"other\n"}]}`), 409, "key-reused")

			s.idempotency.records = &failingPuts{s.store, "once/", after}
			send = func(body string) *httptest.ResponseRecorder {
				return b.under("key-number-2", "POST", "/api/pages", "application/json", body)
			}
			send(body)
			if other := b.made(send(`{"delta":[{"insert":"other\n"}]}`), 201); !strings.Contains(string(other.Delta), "other") {
				t.Errorf("another request under the key of one that failed gives %s, want what it sent", other.Delta)
			}
		})
	}
}

// TestIdempotencyKeyOfALargeAnswer: one that is too large to be kept is made
// again, and the key is still taken.
func TestIdempotencyKeyOfALargeAnswer(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	send := func(text string) *httptest.ResponseRecorder {
		return b.under("key-number-1", "POST", "/api/pages", "application/json", `{"delta":[{"insert":"`+strings.Repeat(text, maxNoted)+`\n"}]}`)
	}
	page := b.made(send("x"), 201)
	if again := b.made(send("x"), 201); again.ID != page.ID || len(again.Delta) != len(page.Delta) {
		t.Errorf("sent again: page %s of %d bytes, want %s of %d", again.ID, len(again.Delta), page.ID, len(page.Delta))
	}
	b.want(send("y"), 409, "key-reused")
}

// TestIdempotencyKeyOfAnOlderVersion: its answers are given again.
func TestIdempotencyKeyOfAnOlderVersion(t *testing.T) {
	s := newServer(t, Config{})
	b := signIn(t, s)
	var me struct{ ID string }
	if err := json.Unmarshal(b.do("GET", "/api/session", "").Body.Bytes(), &me); err != nil {
		t.Fatal(err)
	}
	page := b.made(b.under("key-number-1", "POST", "/api/pages", "application/json", `{}`), 201)
	name := "once/" + me.ID + "/key-number-1"
	r, err := s.store.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]any{}
	if err := json.Unmarshal(r.Value, &old); err != nil {
		t.Fatal(err)
	}
	delete(old, "attempt")
	if r.Value, err = json.Marshal(old); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if again := b.made(b.under("key-number-1", "POST", "/api/pages", "application/json", `{}`), 201); again.ID != page.ID {
		t.Errorf("sent again: page %s, want %s", again.ID, page.ID)
	}
}
