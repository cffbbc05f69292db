package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"go.etcd.io/bbolt"

	"halley/storage"
)

func init() { children["uploaders"] = uploadersChild }

// someBytes are size bytes that another n does not have.
func someBytes(n uint64, size int) []byte {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], n)
	data := make([]byte, size)
	rand.NewChaCha8(seed).Read(data)
	return data
}

func stays() time.Time { return time.Now().Add(time.Hour) }
func over() time.Time  { return time.Now().Add(-2 * storage.BlobGrace) }

func mustUpload(t testing.TB, s *Store, until time.Time, data []byte) storage.Hash {
	t.Helper()
	b, err := s.PutBlob(t.Context(), "page", until, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("PutBlob() = %v", err)
	}
	return b.Hash
}

// readBlob reads a blob and checks that it is whole.
func readBlob(ctx context.Context, s *Store, h storage.Hash) error {
	r, err := s.OpenBlob(ctx, h)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return err
	}
	if storage.Hash(sum.Sum(nil)) != h {
		return fmt.Errorf("blob %v has the hash %x", h, sum.Sum(nil))
	}
	return nil
}

// filesIn are the names of all files below the folder of blobs.
func filesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, BlobFolder), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

// wantOnly wants the files to be those of the rows, all whole.
func wantOnly(t testing.TB, s *Store, dir string, want ...storage.Hash) {
	t.Helper()
	var listed, wanted []string
	err := s.Blobs(t.Context(), func(b storage.Blob) error {
		listed = append(listed, b.Hash.String())
		return readBlob(t.Context(), s, b.Hash)
	})
	for _, h := range want {
		wanted = append(wanted, h.String())
	}
	slices.Sort(wanted)
	if files := filesIn(t, dir); err != nil || !slices.Equal(listed, wanted) || !slices.Equal(files, wanted) {
		t.Errorf("the blobs %v (%v) are kept, in the files %v, want %v", listed, err, files, wanted)
	}
}

func TestBlobDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	missing, short := mustUpload(t, s, stays(), []byte("missing")), mustUpload(t, s, stays(), []byte("short"))
	if err := errors.Join(os.Remove(s.files.path(missing)), os.Truncate(s.files.path(short), 2)); err != nil {
		t.Fatal(err)
	}
	for h, want := range map[storage.Hash]string{missing: "its file is missing", short: "its file has 2 bytes, not 5"} {
		_, err := s.OpenBlob(t.Context(), h)
		var damage *storage.CorruptError
		if !errors.As(err, &damage) || damage.Key != blobName(h) || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenBlob() = %v, want that %s", err, want)
		}
	}
	mustUpload(t, s, stays(), []byte("short")) // the same again makes it whole
	mustUpload(t, s, stays(), []byte("missing"))
	wantOnly(t, s, dir, missing, short)
}

// TestUploadsOnAFailingDisk: what is refused leaves nothing behind, and what is
// stored after all is there.
func TestUploadsOnAFailingDisk(t *testing.T) {
	d, dir := newDisk(), t.TempDir()
	s := openStore(t, dir, d.config())
	first := mustUpload(t, s, stays(), []byte("first"))

	d.set(func() { d.before = ignoringTx(once(syscall.ENOSPC)) })
	_, err := s.PutBlob(t.Context(), "page", stays(), strings.NewReader("refused"))
	wantIs(t, "an upload to a full disk", err, storage.ErrDiskFull)
	wantOnly(t, s, dir, first)

	d.set(func() { d.after = once(syscall.EIO) })
	second := mustUpload(t, s, stays(), []byte("second")) // in the file, and synced by what came next
	wantOnly(t, s, dir, first, second)

	d.set(func() { d.after, d.reopen = once(syscall.EIO), once(syscall.EIO) })
	_, err = s.PutBlob(t.Context(), "page", stays(), strings.NewReader("third"))
	wantIs(t, "an upload of unknown fate", err, storage.ErrUnknown)
	d.awaitHealth()
	third := storage.Hash(sha256.Sum256([]byte("third")))
	if _, err := s.SweepBlobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, s, dir, first, second, third)

	// The file of a sweep of unknown fate stays as long as nobody knows.
	loose := mustUpload(t, s, over(), []byte("loose"))
	d.set(func() { d.after, d.reopen = once(syscall.EIO), once(syscall.EIO) })
	_, err = s.SweepBlobs(t.Context())
	wantIs(t, "a sweep of unknown fate", err, storage.ErrUnknown)
	if !slices.Contains(filesIn(t, dir), loose.String()) {
		t.Error("a file is gone, and its row may be there")
	}
	d.awaitHealth()
	if _, err := s.SweepBlobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOnly(t, s, dir, first, second, third)
}

// TestUploadsThatFailOnTheWay: a sender who breaks off leaves nothing behind; a
// folder that cannot be written to is a disk that refuses.
func TestUploadsThatFailOnTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	brokeOff := errors.New("the sender broke off")
	_, err := s.PutBlob(t.Context(), "page", stays(), io.MultiReader(bytes.NewReader(someBytes(1, 300_000)), iotest.ErrReader(brokeOff)))
	wantIs(t, "an upload that is broken off", err, brokeOff)
	wantOnly(t, s, dir)

	dir = t.TempDir()
	s = openStore(t, dir, Config{})
	if err := os.WriteFile(filepath.Join(dir, BlobFolder), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.PutBlob(t.Context(), "page", stays(), strings.NewReader("x"))
	wantIs(t, "an upload with a file in the folder's place", err, storage.ErrDiskFull)
}

// A watcher is told what a transaction of unknown fate has stored.
func TestWatchOnAFailingDisk(t *testing.T) {
	d := newDisk()
	s := openStore(t, t.TempDir(), d.config())
	told := make(chan storage.RecordChange, 100)
	go s.Watch(t.Context(), "key/", func(c storage.RecordChange) error { told <- c; return nil })
	<-told // it is ready
	put := func(key string) error {
		_, err := s.Put(t.Context(), storage.Record{Key: key, Value: []byte(key)})
		return err
	}
	d.set(func() { d.after, d.reopen = once(syscall.EIO), once(syscall.EIO) })
	wantIs(t, "a Put of unknown fate", put("key/unknown"), storage.ErrUnknown)
	if c := <-told; c.Key != "key/unknown" || string(c.Value) != "key/unknown" {
		t.Errorf("told of %+v", c)
	}
	d.awaitHealth()
	d.set(func() { d.after = once(syscall.EIO) })
	if err := put("key/stored"); err != nil {
		t.Errorf("a Put that was synced in the end = %v", err)
	}
	d.set(func() { d.before = ignoringTx(once(syscall.ENOSPC)) })
	wantIs(t, "a Put on a full disk", put("key/refused"), storage.ErrDiskFull)
	if err := put("key/after"); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for c := (storage.RecordChange{}); c.Key != "key/after"; c = <-told {
		seen[c.Key] = true
		if c.Key == "key/refused" && !c.Gone {
			t.Errorf("told of what was refused: %+v", c)
		}
	}
	if !seen["key/stored"] {
		t.Error("not told of what was stored")
	}
}

// TestExpiryIsTold: a record that expires is gone for a watcher too.
func TestExpiryIsTold(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{SweepEvery: time.Millisecond})
	if _, err := s.Put(t.Context(), storage.Record{Key: "lease", Expires: time.Now().Add(50 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	err := s.Watch(t.Context(), "lease", func(c storage.RecordChange) error {
		if c.Gone {
			return enough
		}
		return nil
	})
	wantIs(t, "Watch", err, enough)
}

// TestBackupOfBlobs: a copy made while blobs come and go has all that it names.
func TestBackupOfBlobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openStore(t, dir, Config{})
	load, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	all.Go(func() {
		for n, head := uint64(0), uint64(0); load.Err() == nil; n++ {
			h := mustUpload(t, s, over(), someBytes(n, int(n*977%100_000)))
			err := s.Append(t.Context(), "page", head, []storage.Change{{Author: "a", Blobs: []storage.Hash{h}}})
			switch {
			case err == nil:
				head++
			case !errors.Is(err, storage.ErrInvalid):
				t.Error(err)
				return
			}
			mustUpload(t, s, over(), someBytes(1_000_000+n, 1000)) // nobody names this one
		}
	})
	all.Go(func() {
		for load.Err() == nil {
			if _, err := s.SweepBlobs(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 4 {
		backup := backUp(t, s)
		dir := filepath.Join(t.TempDir(), "restored")
		if err := Restore(dir, Config{}, bytes.NewReader(backup), Restoring{Check: whole}); err != nil {
			t.Fatal(err)
		}
		copied := openStore(t, dir, Config{})
		blobs := 0
		err := copied.Blobs(t.Context(), func(b storage.Blob) error {
			blobs++
			return readBlob(t.Context(), copied, b.Hash)
		})
		if err != nil && !errors.Is(err, storage.ErrNotFound) { // swept there meanwhile
			t.Errorf("of the %d. blob of a restored store: %v", blobs, err)
		}
		copied.Close()
	}
	stop()
	all.Wait()
}

// TestRestoreOfDamagedBlobs: a blob that is damaged in the backup, or before, is
// named, and the others are restored.
func TestRestoreOfDamagedBlobs(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	first := mustUpload(t, s, stays(), someBytes(1, 50_000))
	second := mustUpload(t, s, stays(), someBytes(2, 50_000))
	wantOnlyFirstLost := func(what string, copied []byte) {
		t.Helper()
		var lost []string
		dir := filepath.Join(t.TempDir(), "data")
		err := Restore(dir, Config{}, bytes.NewReader(copied), Restoring{Check: whole, Lost: func(s string) { lost = append(lost, s) }})
		if err != nil || len(lost) == 0 || !strings.Contains(lost[0], first.String()) {
			t.Fatalf("Restore() where the first blob %s = %v, and names %q", what, err, lost)
		}
		restored := openStore(t, dir, Config{})
		wantIs(t, "the first blob, which "+what, readBlob(t.Context(), restored, first), storage.ErrNotFound)
		if err := readBlob(t.Context(), restored, second); err != nil {
			t.Errorf("the second blob, where the first %s: %v", what, err)
		}
		if bad := checked(t, restored); len(bad) > 0 {
			t.Errorf("the restored store, where the first %s: %q", what, bad)
		}
	}
	copied := backUp(t, s)
	copied[bytes.Index(copied, someBytes(1, 50_000)[:100])+30_000] ^= 1
	wantOnlyFirstLost("is damaged in the backup", copied)
	file, err := os.ReadFile(s.files.path(first))
	if err != nil {
		t.Fatal(err)
	}
	for what, damage := range map[string]func() error{
		"has one bit flipped": func() error {
			flipped := slices.Clone(file)
			flipped[30_000] ^= 1
			return os.WriteFile(s.files.path(first), flipped, 0o600)
		},
		"is cut off":       func() error { return os.Truncate(s.files.path(first), 100) },
		"is empty":         func() error { return os.Truncate(s.files.path(first), 0) },
		"has been removed": func() error { return os.Remove(s.files.path(first)) },
	} {
		if err := os.WriteFile(s.files.path(first), file, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		copied := backUp(t, s)
		if f := opened(t, copied); len(f.Made) != 1 || f.Counts.Blobs != 1 {
			t.Errorf("a backup where the first blob %s names %q and counts %+v", what, f.Made, f.Counts)
		}
		wantOnlyFirstLost(what, copied)
	}
}

// uploadBytes is the upload n of uploadersChild.
func uploadBytes(n uint64) []byte { return someBytes(n, int(n%7)*20_000) }

// uploadersChild uploads, names and sweeps until it is killed, or has said
// enough, and prints what is acknowledged: "up N" for an upload, "named N" for a
// change that names it.
func uploadersChild() {
	s, ctx := childStore(Config{}), context.Background()
	var round uint64
	fmt.Sscan(os.Getenv(roundEnv), &round)
	most, _ := strconv.ParseInt(os.Getenv(mostEnv), 10, 64) // 0 where there is none
	var said atomic.Int64
	say := func(what string, n uint64) {
		os.Stdout.WriteString(fmt.Sprintln(what, n)) // one write, whole or not at all
		if said.Add(1) == most {
			os.Exit(0)
		}
	}
	go func() {
		for {
			if _, err := s.SweepBlobs(ctx); err != nil {
				fail(err)
			}
		}
	}()
	for w := range uint64(4) {
		go func() {
			page := storage.PageID(fmt.Sprintf("page-%d-%d", round, w))
			for n, head := round<<32|w<<24, uint64(0); ; n++ {
				until := stays()
				if n%2 == 0 {
					until = over()
				}
				b, err := s.PutBlob(ctx, page, until, bytes.NewReader(uploadBytes(n)))
				if err != nil {
					fail(err)
				}
				if n%2 == 1 {
					say("up", n)
				}
				err = s.Append(ctx, page, head, []storage.Change{{Author: "a", Blobs: []storage.Hash{b.Hash}}})
				if errors.Is(err, storage.ErrInvalid) {
					continue // swept
				}
				if err != nil {
					fail(err)
				}
				head++
				say("named", n)
			}
		}()
	}
	select {}
}

// TestKillUploads kills a process while uploads are in flight: every one that
// was acknowledged is there and whole, and nothing else is left.
func TestKillUploads(t *testing.T) {
	t.Parallel()
	rounds := 8
	if soaking() {
		rounds = 300
	}
	const seed = 23
	rng := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acked := map[uint64]bool{}
	for round := range rounds {
		if round%40 == 0 {
			dir, acked = t.TempDir(), map[uint64]bool{}
		}
		after, seen := 1+rng.IntN(80), 0
		cmd := child(t, "uploaders", dir, round)
		lines := scanLines(t, cmd)
		for lines.Scan() {
			var what string
			var n uint64
			if _, err := fmt.Sscan(lines.Text(), &what, &n); err != nil {
				break // cut off by the kill
			}
			acked[n] = true
			if seen++; seen == after {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd.Wait() // it was killed, and says so
		if seen < after {
			t.Fatalf("the child ended by itself (seed %d, round %d)", seed, round)
		}
		checkUploads(t, dir, acked)
		if t.Failed() {
			t.Fatalf("after a kill at acknowledgement %d (seed %d, round %d)", after, seed, round)
		}
	}
}

func checkUploads(t *testing.T, dir string, acked map[uint64]bool) {
	s := openStore(t, dir, Config{now: inTwoDays})
	if bad := checked(t, s); len(bad) > 0 {
		t.Errorf("Check says %q", bad)
	}
	defer s.Close()
	for n := range acked {
		if err := readBlob(t.Context(), s, sha256.Sum256(uploadBytes(n))); err != nil {
			t.Errorf("upload %x was acknowledged: %v", n, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, BlobFolder, incoming)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was being written is still there: %v", err)
	}
	if err := s.findStrays(t.Context()); err != nil {
		t.Error(err)
	}
	var kept []storage.Hash
	err := s.Blobs(t.Context(), func(b storage.Blob) error {
		kept = append(kept, b.Hash)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantOnly(t, s, dir, kept...)
}

// TestCheckFindsBadBlobRows harms one row after another.
func TestCheckFindsBadBlobRows(t *testing.T) {
	t.Parallel()
	named, young := storage.Hash(sha256.Sum256([]byte("named"))), storage.Hash(sha256.Sum256([]byte("young")))
	use := func(b *bbolt.Bucket, h storage.Hash) useRow {
		u, err := decodeUse(useKey(h, "page"), b.Get(useKey(h, "page")))
		if err != nil {
			t.Error(err)
		}
		return u
	}
	for want, harm := range map[string]func(b *bbolt.Bucket) error{
		"": func(*bbolt.Bucket) error { return nil },
		"it is not kept, though page page has a use for it": func(b *bbolt.Bucket) error { return b.Delete(blobKey(named)) },
		"it is kept for nothing":                            func(b *bbolt.Bucket) error { return b.Delete(useKey(named, "page")) },
		"its upload to page page is not among those that end": func(b *bbolt.Bucket) error {
			return b.Delete(untilKey(use(b, young).until, young, "page"))
		},
		"its upload to page page is to end at another time than it says": func(b *bbolt.Bucket) error {
			return b.Put(untilKey(use(b, young).until+1, young, "page"), nil)
		},
		"its checksum does not hold": func(b *bbolt.Bucket) error {
			row := slices.Clone(b.Get(useKey(named, "page")))
			row[1]++
			return b.Put(useKey(named, "page"), row)
		},
		"its encoding is damaged": func(b *bbolt.Bucket) error { return b.Put([]byte{9}, nil) },
	} {
		dir := t.TempDir()
		s := openStore(t, dir, Config{})
		mustUpload(t, s, stays(), []byte("young"))
		mustUpload(t, s, over(), []byte("named"))
		if err := s.Append(t.Context(), "page", 0, []storage.Change{{Author: "a", Blobs: []storage.Hash{named}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.SweepBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := edit(dir, func(tx *bbolt.Tx) error { return harm(tx.Bucket(bucketBlobs)) }); err != nil {
			t.Fatal(err)
		}
		bad := checked(t, openStore(t, dir, Config{}))
		if want == "" && len(bad) > 0 || want != "" && !slices.ContainsFunc(bad, func(b string) bool { return strings.Contains(b, want) }) {
			t.Errorf("Check says %q, want %q", bad, want)
		}
	}
}

// TestFilesComeFirstAndGoLast looks at each commit, which a crash could come
// just before or after.
func TestFilesComeFirstAndGoLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := newBlobFiles(dir)
	h := storage.Hash(sha256.Sum256([]byte("loose")))
	var seen []string
	look := func(tx *bbolt.Tx) error {
		_, err := os.Stat(files.path(h))
		seen = append(seen, fmt.Sprintf("row %v, file %v", tx.Bucket(bucketBlobs).Get(blobKey(h)) != nil, err == nil))
		return tx.Commit()
	}
	s := openStore(t, dir, Config{commit: look})
	mustUpload(t, s, over(), []byte("loose"))
	if n, err := s.SweepBlobs(t.Context()); n != 1 || err != nil {
		t.Fatalf("SweepBlobs() = %d, %v", n, err)
	}
	want := []string{"row true, file true", "row false, file true"}
	if !slices.Equal(seen, want) {
		t.Errorf("the commits of an upload and of a sweep saw %q, want %q", seen, want)
	}
	wantOnly(t, s, dir)
}

// TestSweepSparesBackups: what a copied state names stays until the copy is
// whole, however slowly it is taken.
func TestSweepSparesBackups(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Config{})
	loose := mustUpload(t, s, over(), []byte("loose"))
	var copied bytes.Buffer
	err := s.Backup(t.Context(), func(int64) io.Writer {
		if n, err := s.SweepBlobs(t.Context()); n != 0 || err != nil {
			t.Errorf("a sweep beside a backup removes %d, %v", n, err)
		}
		return &copied
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.SweepBlobs(t.Context()); n != 1 || err != nil {
		t.Errorf("a sweep after the backup removes %d, %v", n, err)
	}
	dir := t.TempDir()
	if err := Restore(dir, Config{}, bytes.NewReader(copied.Bytes()), Restoring{Check: func(r *Store) error { return readBlob(t.Context(), r, loose) }}); err != nil {
		t.Error(err)
	}
}

// TestWatchersAreToldBeforeReaders: a watcher that reads a new state has been
// told of it already, so that it can drop what the state holds.
func TestWatchersAreToldBeforeReaders(t *testing.T) {
	t.Parallel()
	committed := make(chan struct{}, 1)
	s := openStore(t, t.TempDir(), Config{commit: func(tx *bbolt.Tx) error {
		defer func() { committed <- struct{}{} }()
		return tx.Commit()
	}})
	s.watchers.mu.Lock() // nobody can be told of anything
	put := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), storage.Record{Key: "key"})
		put <- err
	}()
	<-committed
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Get(soon, "key")
	wantIs(t, "a read of what watchers were not told of", err, context.DeadlineExceeded)
	s.watchers.mu.Unlock()
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "key"); err != nil {
		t.Error(err)
	}
}
