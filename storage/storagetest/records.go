package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"halley/storage"
)

// put stores value under key, whose version is version, and wants it to succeed.
func (w *world) put(key, value string, version uint64) {
	w.Helper()
	got, err := w.Put(w.Context(), storage.Record{Key: key, Value: []byte(value), Version: version})
	if err != nil || got != version+1 {
		w.Fatalf("Put(%s, version %d) = %d, %v, want %d", key, version, got, err, version+1)
	}
}

func (w *world) wantRecord(key, value string, version uint64) {
	w.Helper()
	r, err := w.Get(w.Context(), key)
	if err != nil || r.Key != key || string(r.Value) != value || r.Version != version {
		w.Fatalf("Get(%s) = %+v, %v, want %q, version %d", key, r, err, value, version)
	}
}

func (w *world) wantNoRecord(key string) {
	w.Helper()
	if r, err := w.Get(w.Context(), key); !errors.Is(err, storage.ErrNotFound) {
		w.Fatalf("Get(%s) = %+v, %v, want ErrNotFound", key, r, err)
	}
}

func recordsCompareAndSet(w *world) {
	w.wantNoRecord("key")
	_, err := w.Put(w.Context(), storage.Record{Key: "key", Version: 3})
	wantConflict(w.T, err, 3, 0)
	w.put("key", "one", 0)
	_, err = w.Put(w.Context(), storage.Record{Key: "key"})
	wantConflict(w.T, err, 0, 1)
	w.put("key", "two", 1)
	w.wantRecord("key", "two", 2)
	wantConflict(w.T, w.Delete(w.Context(), "key", 1), 1, 2)
	wantError(w.T, w.Delete(w.Context(), "other", 0), storage.ErrNotFound)
	if err := w.Delete(w.Context(), "key", 2); err != nil {
		w.Fatalf("Delete() = %v", err)
	}
	w.wantNoRecord("key")
	wantError(w.T, w.Delete(w.Context(), "key", 2), storage.ErrNotFound)
	w.put("key", "again", 0)
	w.reopen()
	w.wantRecord("key", "again", 1)
}

func recordValuesAreOnesOwn(w *world) {
	value := []byte("kept")
	if _, err := w.Put(w.Context(), storage.Record{Key: "key", Value: value}); err != nil {
		w.Fatalf("Put() = %v", err)
	}
	copy(value, "lost")
	r, err := w.Get(w.Context(), "key")
	if err != nil {
		w.Fatalf("Get() = %v", err)
	}
	copy(r.Value, "gone")
	w.wantRecord("key", "kept", 1)
}

func recordRules(w *world) {
	for _, r := range []storage.Record{
		{Key: ""},
		{Key: strings.Repeat("k", storage.MaxKeyBytes+1)},
		{Key: "key", Value: make([]byte, storage.MaxValueBytes+1)},
	} {
		_, err := w.Put(w.Context(), r)
		wantError(w.T, err, storage.ErrInvalid)
	}
	w.wantNoRecord("key")
	longest := strings.Repeat("k", storage.MaxKeyBytes)
	w.put(longest, strings.Repeat("v", storage.MaxValueBytes), 0)
	w.wantRecord(longest, strings.Repeat("v", storage.MaxValueBytes), 1)
	w.put("empty", "", 0)
	w.wantRecord("empty", "", 1)
	w.put("a\x00b/ü", "any bytes make a key", 0)
	w.wantRecord("a\x00b/ü", "any bytes make a key", 1)
}

func recordsExpire(w *world) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	put := func(key string, version uint64, expires time.Time) {
		w.Helper()
		r := storage.Record{Key: key, Value: []byte("v"), Version: version, Expires: expires}
		if _, err := w.Put(w.Context(), r); err != nil {
			w.Fatalf("Put(%s) = %v", key, err)
		}
	}
	put("gone", 0, now.Add(-time.Hour))
	put("long gone", 0, time.Unix(0, 0))
	put("here", 0, now.Add(time.Hour))
	for range 2 {
		w.wantNoRecord("gone")
		w.wantNoRecord("long gone")
		w.wantRecord("here", "v", 1)
		if r, _ := w.Get(w.Context(), "here"); !r.Expires.Equal(now.Add(time.Hour)) {
			w.Fatalf("Expires is %v, want %v", r.Expires, now.Add(time.Hour))
		}
		wantError(w.T, w.Delete(w.Context(), "gone", 1), storage.ErrNotFound)
		if got := w.keys("", ""); !slices.Equal(got, []string{"here"}) {
			w.Fatalf("List() gave %q, want only what has not expired", got)
		}
		w.reopen()
	}
	_, err := w.Put(w.Context(), storage.Record{Key: "gone", Version: 1})
	wantConflict(w.T, err, 1, 0)
	put("gone", 0, time.Time{})
	w.wantRecord("gone", "v", 1)
	put("here", 1, now.Add(-time.Hour))
	w.wantNoRecord("here")
}

// keys lists prefix after a key.
func (w *world) keys(prefix, after string) (keys []string) {
	w.Helper()
	err := w.List(w.Context(), prefix, after, func(r storage.Record) error {
		keys = append(keys, r.Key)
		return nil
	})
	if err != nil {
		w.Fatalf("List(%q, %q) = %v", prefix, after, err)
	}
	return keys
}

func recordsList(w *world) {
	for _, key := range []string{"page/b", "page/a", "page", "page/", "pagf", "other/x", "page/\xff", "page/a/b"} {
		w.put(key, "value of "+key, 0)
	}
	for _, c := range []struct {
		prefix, after string
		want          []string
	}{
		{"page/", "", []string{"page/", "page/a", "page/a/b", "page/b", "page/\xff"}},
		{"page/", "page/a", []string{"page/a/b", "page/b", "page/\xff"}},
		{"page/", "page/aa", []string{"page/b", "page/\xff"}},
		{"page/", "a", []string{"page/", "page/a", "page/a/b", "page/b", "page/\xff"}},
		{"page/", "q", nil},
		{"", "page/b", []string{"page/\xff", "pagf"}},
		{"nothing", "", nil},
	} {
		if got := w.keys(c.prefix, c.after); !slices.Equal(got, c.want) {
			w.Errorf("List(%q, %q) gave %q, want %q", c.prefix, c.after, got, c.want)
		}
	}
	stop := errors.New("enough")
	err := w.List(w.Context(), "page/", "", func(r storage.Record) error {
		if string(r.Value) != "value of "+r.Key || r.Version != 1 {
			w.Errorf("List gave %+v", r)
		}
		return stop
	})
	wantError(w.T, err, stop)
}

// recordsListMany: more than a driver copies at once, with stretches of
// expired ones between.
func recordsListMany(w *world) {
	var want []string
	var all sync.WaitGroup
	for i := range 1500 {
		r := storage.Record{Key: fmt.Sprintf("key/%04d", i), Value: []byte("v")}
		if i/300%2 == 1 {
			r.Expires = someTime.AddDate(-20, 0, 0)
		} else {
			want = append(want, r.Key)
		}
		all.Go(func() {
			if _, err := w.Put(w.Context(), r); err != nil {
				w.Errorf("Put(%s) = %v", r.Key, err)
			}
		})
	}
	all.Wait()
	if got := w.keys("key/", ""); !slices.Equal(got, want) {
		w.Fatalf("List gave %d keys, want %d", len(got), len(want))
	}
	if got := w.keys("key/", want[400]); !slices.Equal(got, want[401:]) {
		w.Fatalf("List after %s gave %d keys, want %d", want[400], len(got), len(want)-401)
	}
}

// recordsOneWinner: of many who put on the same version, exactly one succeeds.
func recordsOneWinner(w *world) {
	for version := range uint64(10) {
		var winners atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				_, err := w.Put(w.Context(), storage.Record{Key: "key", Version: version})
				var conflict *storage.ConflictError
				switch {
				case err == nil:
					winners.Add(1)
				case !errors.As(err, &conflict):
					w.Errorf("Put() = %v, want a conflict", err)
				}
			})
		}
		all.Wait()
		if got := winners.Load(); got != 1 {
			w.Fatalf("%d callers changed version %d, want 1", got, version)
		}
	}
}
