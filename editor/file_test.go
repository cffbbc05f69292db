package editor

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
	"halley/storage/storagetest"
)

// ownOnly lets everybody see and edit what they made themselves, and view what
// has "shared" as its title.
type ownOnly struct{ OpenWorkspace }

func (ownOnly) Role(_ context.Context, p Principal, page Settings) (Role, error) {
	switch {
	case p.ID == page.Creator:
		return RoleOwn, nil
	case page.Title == "shared":
		return RoleView, nil
	}
	return RoleNone, nil
}

// privatePages are pages that only those who made them may see.
func privatePages(t *testing.T, store storage.Store, cfg Config) *Pages {
	t.Helper()
	ps, err := Open(t.Context(), cfg, store, ownOnly{}, everybody{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ps.Close)
	return ps
}

func pageOf(t *testing.T, ps *Pages, p Principal, title string) PageID {
	t.Helper()
	page, err := ps.Create(t.Context(), p, NewPage{Title: title})
	if err != nil {
		t.Fatal(err)
	}
	return page.ID
}

func upload(t *testing.T, ps *Pages, p Principal, id PageID, data string) storage.Hash {
	t.Helper()
	b, err := ps.Upload(t.Context(), p, id, strings.NewReader(data))
	if err != nil || b.Size != int64(len(data)) || b.Hash != sha256.Sum256([]byte(data)) {
		t.Fatalf("Upload(%q) = %+v, %v", data, b, err)
	}
	return b.Hash
}

// image inserts a picture.
func image(h storage.Hash) string { return fmt.Sprintf(`{"insert":{"image":%q}}`, FilePath(h)) }

// attachment inserts a file.
func attachment(h storage.Hash) string {
	return fmt.Sprintf(`{"insert":{"file":{"path":%q,"name":"a.pdf","size":1}}}`, FilePath(h))
}

func wantRefusedOp(t *testing.T, err error, op int) {
	t.Helper()
	var bad *ot.InvalidError
	if !errors.As(err, &bad) || bad.Op != op {
		t.Errorf("error is %v, want a refusal of op %d", err, op)
	}
}

func TestWhoMayReadAFile(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := privatePages(t, store, Config{})
	own, other, shared := pageOf(t, ps, ann, "own"), pageOf(t, ps, bob, "own"), pageOf(t, ps, ann, "shared")
	h := upload(t, ps, ann, own, "secret")
	wantReads := func(p Principal, want error) {
		t.Helper()
		r, err := ps.OpenFile(t.Context(), p, h)
		if !errors.Is(err, want) {
			t.Errorf("%s reads with %v, want %v", p.ID, err, want)
		}
		if err != nil {
			return
		}
		defer r.Close()
		if data, err := io.ReadAll(r); string(data) != "secret" || err != nil {
			t.Errorf("%s reads %q, %v", p.ID, data, err)
		}
	}
	wantReads(ann, nil)
	wantReads(bob, ErrNoSuchFile)
	wantReads(Principal{}, ErrSignedOut)

	// Whom it is not shown may not show it to themselves.
	for _, embed := range []string{image(h), attachment(h)} {
		_, err := ps.Submit(t.Context(), bob, other, edit("bobs-client", 1, 0, `[{"retain":0},{"insert":"x"},`+embed+`]`))
		wantRefusedOp(t, err, 2)
		_, err = ps.Create(t.Context(), bob, NewPage{Content: delta(`[{"insert":"x"},` + embed + `,{"insert":"\n"}]`)})
		wantRefusedOp(t, err, 1)
	}
	if v, err := ps.look(t.Context(), other); err != nil || v.seq != 0 {
		t.Fatalf("the page is at %d, %v", v.seq, err)
	}
	_, err := ps.Submit(t.Context(), bob, other, edit("bobs-client", 1, 0, `[{"insert":{"image":"/files/0123456789abcdef"}}]`))
	wantRefusedOp(t, err, 0)

	// By her hand it gets into a page that he may view, and from there on.
	submit(t, ps, ann, shared, edit("anns-client", 1, 0, `[`+image(h)+`,`+attachment(h)+`]`))
	wantReads(bob, nil)
	submit(t, ps, ann, shared, edit("anns-client", 2, 1, `[{"delete":2}]`))
	wantReads(bob, nil) // its history names it
	submit(t, ps, bob, other, edit("bobs-client", 1, 0, `[`+image(h)+`]`))
	if use, err := store.BlobUse(t.Context(), h, shared); err != nil || use.Changes != 1 {
		t.Errorf("the blob is used as %+v, %v, want by one change", use, err)
	}

	// The same bytes, uploaded by himself, are his to name.
	mine := upload(t, ps, bob, other, "mine")
	upload(t, ps, ann, own, "mine")
	submit(t, ps, bob, other, edit("bobs-client", 2, 1, `[`+image(mine)+`]`))
}

func TestUploadRefuses(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	ps := privatePages(t, store, Config{MaxFileBytes: 100})
	id, shared, trashed := pageOf(t, ps, ann, "own"), pageOf(t, ps, ann, "shared"), pageOf(t, ps, ann, "trash")
	if err := ps.Trash(t.Context(), ann, trashed); err != nil {
		t.Fatal(err)
	}
	unread := iotest.ErrReader(errors.New("it was read"))
	for name, c := range map[string]struct {
		p    Principal
		page PageID
		want error
	}{
		"nobody":           {Principal{}, id, ErrSignedOut},
		"a stranger":       {bob, id, ErrNotFound},
		"a viewer":         {bob, shared, ErrForbidden},
		"the trash":        {ann, trashed, ErrTrashed},
		"no page":          {ann, "0123456789abcdefghij", ErrNotFound},
		"a broken sending": {ann, id, nil},
	} {
		_, err := ps.Upload(t.Context(), c.p, c.page, unread)
		if c.want != nil && !errors.Is(err, c.want) || err == nil {
			t.Errorf("an upload by %s = %v, want %v", name, err, c.want)
		}
	}
	upload(t, ps, ann, id, strings.Repeat("x", 100))
	_, err := ps.Upload(t.Context(), ann, id, iotest.OneByteReader(bytes.NewReader(make([]byte, 101))))
	var large *FileTooLargeError
	if !errors.As(err, &large) || large.Limit != 100 {
		t.Errorf("an upload over the limit = %v", err)
	}
}

// TestUploadsThatNobodyNamesGo: after a day nobody may read or name them, a
// little later they are gone; what was named stays.
func TestUploadsThatNobodyNamesGo(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	now := time.Now()
	ps := privatePages(t, store, Config{Now: func() time.Time { return now }})
	id := pageOf(t, ps, ann, "own")
	now = time.Now().Add(-keepUploads - storage.BlobGrace/2) // when these are uploaded
	loose, named := upload(t, ps, ann, id, "loose"), upload(t, ps, ann, id, "named")
	for _, h := range []storage.Hash{loose, named} {
		if _, err := ps.OpenFile(t.Context(), ann, h); !errors.Is(err, ErrNoSuchFile) {
			t.Errorf("a day later an upload opens with %v", err)
		}
	}
	// An edit that was checked just before is still taken.
	err := store.Append(t.Context(), id, 0, []storage.Change{{Author: "ann", Payload: []byte(`[` + image(named) + `]`), Blobs: []storage.Hash{named}}})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(-storage.BlobGrace)
	old := upload(t, ps, ann, id, "old")
	if n, err := store.SweepBlobs(t.Context()); n != 1 || err != nil {
		t.Errorf("SweepBlobs() = %d, %v, want 1", n, err)
	}
	if _, err := store.OpenBlob(t.Context(), old); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("two hours after its time a file opens with %v", err)
	}
	now = time.Now()
	if r, err := ps.OpenFile(t.Context(), ann, named); err != nil {
		t.Error(err)
	} else {
		r.Close()
	}
}

// TestFilesOnAFailingDisk: an edit whose files cannot be looked up is not taken
// for a wrong one, and a resend is recognised all the same.
func TestFilesOnAFailingDisk(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer store.Close()
	faulty := storagetest.NewFaulty(store)
	blind := &blindStore{Store: faulty}
	ps := privatePages(t, blind, Config{})
	id := pageOf(t, ps, ann, "own")
	h := upload(t, ps, ann, id, "x")
	e := edit("anns-client", 1, 0, `[`+image(h)+`]`)
	submit(t, ps, ann, id, e)
	blind.fail = storage.ErrUnknown
	if seq, err := ps.Submit(t.Context(), ann, id, e); seq != 1 || err != nil {
		t.Errorf("a resend = %d, %v", seq, err)
	}
	if _, err := ps.Submit(t.Context(), ann, id, edit("anns-client", 2, 1, `[`+image(h)+`]`)); !errors.Is(err, storage.ErrUnknown) {
		t.Errorf("an edit whose files cannot be looked up = %v", err)
	}
	blind.fail = nil
	faulty.Fail(storagetest.DiskFull)
	if _, err := ps.Upload(t.Context(), ann, id, strings.NewReader("y")); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("an upload to a full disk = %v", err)
	}
}

// A blindStore cannot say what its blobs are kept for.
type blindStore struct {
	storage.Store
	fail error
}

func (s *blindStore) BlobUse(ctx context.Context, h storage.Hash, page storage.PageID) (storage.BlobUse, error) {
	if s.fail != nil {
		return storage.BlobUse{}, s.fail
	}
	return s.Store.BlobUse(ctx, h, page)
}

func TestVerifyFiles(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	defer store.Close()
	ps := openPages(t, store, Config{})
	id := newPage(t, ps, "hello")
	var files []storage.Hash
	for n := range uint64(3) {
		h := upload(t, ps, ann, id, fmt.Sprintf("file %d", n))
		files = append(files, h)
		submit(t, ps, ann, id, edit("anns-client", n+1, n+1, `[`+image(h)+`]`))
	}
	loose := upload(t, ps, ann, id, "loose")
	if v, bad := verified(t, store); v.Files != 4 || len(bad) > 0 {
		t.Fatalf("Verify() = %+v, %q, want 4 files", v, bad)
	}
	path := func(h storage.Hash) string { return filepath.Join(dir, bolt.BlobFolder, h.String()[:2], h.String()) }
	err := errors.Join(os.Remove(path(files[0])), os.WriteFile(path(files[1]), []byte("file X"), 0o600), os.Truncate(path(loose), 0))
	if err != nil {
		t.Fatal(err)
	}
	unkept := storage.Hash(sha256.Sum256([]byte("never uploaded")))
	// Two changes that were appended as if they named nothing.
	err = store.Append(t.Context(), id, 4, []storage.Change{
		{Author: "ann", Payload: []byte(`[` + image(files[2]) + `]`)}, {Author: "ann", Payload: []byte(`[` + image(unkept) + `]`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, bad := verified(t, store)
	for _, want := range []string{
		fmt.Sprintf("page %s, change 2: the file that it names, %v: its file is missing", id, files[0]),
		fmt.Sprintf("page %s, change 3: the file that it names, %v: its bytes are not those that it is named after", id, files[1]),
		fmt.Sprintf("page %s, change 4: it is the first of 2 that name the file %v, which is kept for 1", id, files[2]),
		fmt.Sprintf("page %s, change 6: the file that it names, %v, is not kept", id, unkept),
		fmt.Sprintf("page %s, change 6: it is the first of 1 that name the file %v, which is kept for 0", id, unkept),
		fmt.Sprintf("%q: its file has 0 bytes, not 5", "blob "+loose.String()),
	} {
		if !slices.Contains(bad, want) {
			t.Errorf("Verify() does not say %q", want)
		}
	}
	if len(bad) != 6 {
		t.Errorf("Verify() says %d things: %q", len(bad), bad)
	}
}
