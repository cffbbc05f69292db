package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/iotest"
	"time"

	"halley/storage"
)

// Times until which an upload is kept: one that is far off, and one that has
// passed so long ago that nothing is spared any more.
func stays() time.Time { return time.Now().Add(24 * time.Hour) }
func over() time.Time  { return time.Now().Add(-2 * storage.BlobGrace) }

// uploads keeps data and wants it to succeed.
func (w *world) uploads(page storage.PageID, until time.Time, data []byte) storage.Hash {
	w.Helper()
	b, err := w.PutBlob(w.Context(), page, until, bytes.NewReader(data))
	if want := (storage.Blob{Hash: sha256.Sum256(data), Size: int64(len(data))}); err != nil || b != want {
		w.Fatalf("PutBlob(%s, %d bytes) = %v, %v, want %v", page, len(data), b, err, want)
	}
	return b.Hash
}

// names appends a change to page that names blobs.
func (w *world) names(page storage.PageID, expect uint64, hashes ...storage.Hash) error {
	return w.Append(w.Context(), page, expect, []storage.Change{{Author: "ann", Time: someTime, Payload: []byte("[]"), Blobs: hashes}})
}

func (w *world) sweeps(want int) {
	w.Helper()
	if n, err := w.SweepBlobs(w.Context()); err != nil || n != want {
		w.Fatalf("SweepBlobs() = %d, %v, want %d", n, err, want)
	}
}

// blob reads a whole blob, and checks that it is the right one.
func (w *world) blob(h storage.Hash) ([]byte, error) {
	r, err := w.OpenBlob(w.Context(), h)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil && (r.Hash != h || r.Size != int64(len(data)) || sha256.Sum256(data) != h) {
		err = fmt.Errorf("blob %v has %d bytes of hash %x, and says %v", h, len(data), sha256.Sum256(data), r.Blob)
	}
	return data, err
}

func (w *world) wantBlob(data []byte) {
	w.Helper()
	if got, err := w.blob(sha256.Sum256(data)); err != nil || !bytes.Equal(got, data) {
		w.Fatalf("the blob of %d bytes reads as %d bytes, %v", len(data), len(got), err)
	}
}

func (w *world) wantNoBlob(h storage.Hash) {
	w.Helper()
	if _, err := w.OpenBlob(w.Context(), h); !errors.Is(err, storage.ErrNotFound) {
		w.Fatalf("OpenBlob(%v) = %v, want ErrNotFound", h, err)
	}
}

// wantBlobs wants exactly these to be listed.
func (w *world) wantBlobs(want ...storage.Hash) {
	w.Helper()
	var got []storage.Hash
	err := w.Blobs(w.Context(), func(b storage.Blob) error {
		got = append(got, b.Hash)
		return nil
	})
	slices.SortFunc(want, func(a, b storage.Hash) int { return bytes.Compare(a[:], b[:]) })
	if err != nil || !slices.Equal(got, want) {
		w.Fatalf("Blobs() gave %v, %v, want %v", got, err, want)
	}
}

func (w *world) wantUse(h storage.Hash, page storage.PageID, changes uint64, uploaded bool) {
	w.Helper()
	got, err := w.BlobUse(w.Context(), h, page)
	if err != nil || got.Page != page || got.Changes != changes || !got.Until.IsZero() != uploaded {
		w.Fatalf("BlobUse(%v, %s) = %+v, %v, want %d changes, an upload: %v", h, page, got, err, changes, uploaded)
	}
	var listed storage.BlobUse
	err = w.BlobUses(w.Context(), h, func(u storage.BlobUse) error {
		if u.Page == page {
			listed = u
		}
		return nil
	})
	if listed.Page = page; err != nil || listed != got {
		w.Fatalf("BlobUses(%v) gave %+v, %v, want %+v", h, listed, err, got)
	}
}

// noise is size bytes that nobody else has.
func noise(seed uint64, size int) []byte {
	data := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), 1})
	_, _ = rng.Read(data) // never fails
	return data
}

func blobsAreKept(w *world) {
	empty, small, large := []byte{}, []byte("<svg/>"), noise(1, 3<<20)
	for range 2 {
		for _, data := range [][]byte{empty, small, large} {
			w.uploads("page", stays(), data)
		}
		w.wantBlobs(sha256.Sum256(empty), sha256.Sum256(small), sha256.Sum256(large))
		w.reopen()
		for _, data := range [][]byte{empty, small, large} {
			w.wantBlob(data)
		}
	}
	w.wantNoBlob(sha256.Sum256([]byte("another")))
	r, err := w.OpenBlob(w.Context(), sha256.Sum256(large))
	if err != nil {
		w.Fatal(err)
	}
	defer r.Close()
	part := make([]byte, 1000)
	if at, err := r.Seek(1<<20, io.SeekStart); err != nil || at != 1<<20 {
		w.Fatalf("Seek() = %d, %v", at, err)
	}
	if _, err := io.ReadFull(r, part); err != nil || !bytes.Equal(part, large[1<<20:1<<20+1000]) {
		w.Fatalf("after Seek the wrong bytes are read, %v", err)
	}
}

func blobRules(w *world) {
	broken := errors.New("the connection broke")
	for name, c := range map[string]struct {
		page storage.PageID
		from io.Reader
		want error
	}{
		"no page":            {"no page", bytes.NewReader(nil), storage.ErrInvalid},
		"a reader that ends": {"page", io.MultiReader(bytes.NewReader(noise(2, 200_000)), iotest.ErrReader(broken)), broken},
	} {
		if _, err := w.PutBlob(w.Context(), c.page, stays(), c.from); !errors.Is(err, c.want) {
			w.Errorf("PutBlob of %s = %v, want %v", name, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(w.Context())
	from := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }) // without an end
	if _, err := w.PutBlob(ctx, "page", stays(), from); !errors.Is(err, context.Canceled) {
		w.Errorf("PutBlob under a context that ends = %v", err)
	}
	w.wantBlobs()
	h := storage.Hash(sha256.Sum256([]byte("never uploaded")))
	wantError(w.T, w.names("page", 0, h), storage.ErrInvalid)
	w.wantHead("page", 0)
	w.wantUse(h, "page", 0, false)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// blobsAreCounted: a blob stays as long as an upload is young or a change names
// it, and each page counts for itself.
func blobsAreCounted(w *world) {
	named, loose, young := []byte("named"), []byte("loose"), []byte("young")
	a, b := w.uploads("a", over(), named), w.uploads("a", over(), loose)
	w.uploads("b", over(), named)
	c := w.uploads("a", stays(), young)
	w.uploads("a", over(), young) // the longer time stays
	w.wantUse(a, "a", 0, false)
	w.wantUse(c, "a", 0, true)
	if err := w.names("b", 0, a, c); err != nil {
		w.Fatal(err)
	}
	if err := w.names("b", 1, a); err != nil {
		w.Fatal(err)
	}
	for range 2 {
		w.wantUse(a, "b", 2, false)
		w.wantUse(c, "b", 1, false)
		w.wantUse(a, "a", 0, false)
		w.reopen()
	}
	w.sweeps(1)
	w.wantBlobs(a, c)
	w.wantNoBlob(b)
	w.wantBlob(named)
	wantError(w.T, w.names("b", 2, b), storage.ErrInvalid)
	w.wantHead("b", 2)
	w.uploads("b", over(), loose) // it can come again
	if err := w.names("b", 2, b); err != nil {
		w.Fatal(err)
	}
	w.sweeps(0)
	w.wantBlob(loose)
}

// blobsOfManyPages: more than a driver copies, or sweeps, at once.
func blobsOfManyPages(w *world) {
	const pages, others = 600, 200
	data := []byte("a logo")
	var all sync.WaitGroup
	for i := range pages {
		all.Go(func() {
			page := storage.PageID(fmt.Sprintf("page-%04d", i))
			if _, err := w.PutBlob(w.Context(), page, over(), bytes.NewReader(data)); err != nil {
				w.Error(err)
			}
			if i%2 == 0 {
				if err := w.names(page, 0, sha256.Sum256(data)); err != nil {
					w.Error(err)
				}
			}
		})
	}
	for i := range others {
		all.Go(func() {
			if _, err := w.PutBlob(w.Context(), "page", over(), bytes.NewReader(noise(uint64(i), 10))); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	w.sweeps(others)
	w.wantBlobs(sha256.Sum256(data))
	var uses []storage.PageID
	err := w.BlobUses(w.Context(), sha256.Sum256(data), func(u storage.BlobUse) error {
		uses = append(uses, u.Page)
		return nil
	})
	if err != nil || len(uses) != pages/2 || !slices.IsSorted(uses) {
		w.Fatalf("BlobUses() gave %d pages, %v, want %d in order", len(uses), err, pages/2)
	}
}

// blobsByTheModel takes random steps and wants what a simple model says: a blob
// is there unless a sweep came when no change named it and no upload was young.
func blobsByTheModel(w *world) {
	const seed, steps = 11, 400
	rng := rand.New(rand.NewPCG(seed, 0))
	type kept struct {
		there  bool
		young  bool
		counts [3]uint64 // by page
	}
	var model [6]kept
	var heads [3]uint64
	data := func(i int) []byte { return noise(uint64(1000+i), 10*i) }
	fail := func(step int, format string, args ...any) {
		w.Helper()
		w.Fatalf("step %d: %s (seed %d)", step, fmt.Sprintf(format, args...), seed)
	}
	for step := range steps {
		i, p := rng.IntN(len(model)), rng.IntN(len(heads))
		page, hash, m := storage.PageID(fmt.Sprintf("page-%d", p)), storage.Hash(sha256.Sum256(data(i))), &model[i]
		switch rng.IntN(8) {
		case 0, 1:
			until := over()
			if rng.IntN(8) == 0 {
				until, m.young = stays(), true
			}
			w.uploads(page, until, data(i))
			m.there = true
		case 2, 3:
			err := w.names(page, heads[p], hash)
			if m.there != (err == nil) || err != nil && !errors.Is(err, storage.ErrInvalid) {
				fail(step, "an append that names blob %d = %v, want that it is there: %v", i, err, m.there)
			}
			if err == nil {
				heads[p]++
				m.counts[p]++
			}
		case 4, 5:
			for i := range model {
				if !model[i].young && model[i].counts == [3]uint64{} {
					model[i].there = false
				}
			}
			if _, err := w.SweepBlobs(w.Context()); err != nil {
				fail(step, "SweepBlobs() = %v", err)
			}
		case 6:
			if rng.IntN(10) == 0 {
				w.reopen()
			}
		}
		if _, err := w.blob(hash); m.there != (err == nil) {
			fail(step, "blob %d reads with %v, want that it is there: %v", i, err, m.there)
		}
		if use, err := w.BlobUse(w.Context(), hash, page); err != nil || use.Changes != m.counts[p] {
			fail(step, "blob %d is used as %+v by page %d, %v, want %+v", i, use, p, err, m)
		}
	}
}

// blobsUnderSweeps lets uploads, appends and sweeps of a few blobs race: what
// an append has taken is there and whole, always.
func blobsUnderSweeps(w *world) {
	const seed, writers, rounds = 13, 6, 40
	ctx, stop := context.WithCancel(w.Context())
	var sweeper, all sync.WaitGroup
	sweeper.Go(func() {
		for ctx.Err() == nil {
			if _, err := w.SweepBlobs(w.Context()); err != nil {
				w.Errorf("SweepBlobs() = %v", err)
			}
		}
	})
	var refused, taken [writers]int
	for id := range writers {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(id)))
			page, head := storage.PageID(fmt.Sprintf("page-%d", id)), uint64(0)
			for range rounds {
				i := rng.IntN(40)
				data := noise(uint64(2000+i), 1000)
				hash := storage.Hash(sha256.Sum256(data))
				if _, err := w.PutBlob(w.Context(), page, over(), bytes.NewReader(data)); err != nil {
					w.Errorf("PutBlob() = %v", err)
				}
				switch err := w.names(page, head, hash); {
				case errors.Is(err, storage.ErrInvalid):
					refused[id]++ // swept in between
				case err != nil:
					w.Errorf("an append that names a blob = %v", err)
				default:
					taken[id]++
					head++
					if _, err := w.blob(hash); err != nil {
						w.Errorf("a blob that a change names: %v (seed %d)", err, seed)
					}
				}
			}
		})
	}
	all.Wait()
	stop()
	sweeper.Wait()
	w.reopen()
	err := w.Blobs(w.Context(), func(b storage.Blob) error {
		_, err := w.blob(b.Hash)
		return err
	})
	if err != nil {
		w.Errorf("%v (seed %d)", err, seed)
	}
	w.Logf("appends that were refused: %v, taken: %v", refused, taken)
}
