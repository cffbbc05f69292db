package storagetest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"halley/storage"
	"halley/storage/bolt"
	"halley/storage/storagetest"
)

func newFaulty(t *testing.T) *storagetest.Faulty {
	t.Helper()
	s, err := bolt.Open(t.TempDir(), bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return storagetest.NewFaulty(s)
}

func TestFaultyFailsAsPlanned(t *testing.T) {
	f := newFaulty(t)
	f.Fail(storagetest.None, storagetest.DiskFull, storagetest.UnknownLost, storagetest.UnknownStored)
	for i, want := range []struct {
		err  error
		head uint64
	}{
		{nil, 1}, {storage.ErrDiskFull, 1}, {storage.ErrUnknown, 1}, {storage.ErrUnknown, 2}, {nil, 3},
	} {
		head, _ := f.Head(t.Context(), "page")
		err := f.Append(t.Context(), "page", head, []storage.Change{{Author: "a"}})
		if !errors.Is(err, want.err) {
			t.Errorf("write %d: error is %v, want %v", i, err, want.err)
		}
		if head, _ := f.Head(t.Context(), "page"); head != want.head {
			t.Errorf("write %d: head is %d, want %d", i, head, want.head)
		}
	}
	f.Fail(storagetest.DiskFull, storagetest.UnknownStored)
	for _, want := range []error{storage.ErrDiskFull, storage.ErrUnknown} {
		if _, err := f.PutBlob(t.Context(), "page", time.Now().Add(time.Hour), strings.NewReader("x")); !errors.Is(err, want) {
			t.Errorf("PutBlob() = %v, want %v", err, want)
		}
	}
	if use, err := f.BlobUse(t.Context(), sha256.Sum256([]byte("x")), "page"); err != nil || use.Until.IsZero() {
		t.Errorf("a blob that was stored of unknown fate is used as %+v, %v", use, err)
	}
	f.FailAlways(storagetest.DiskFull)
	for range 3 {
		if _, err := f.Put(t.Context(), storage.Record{Key: "key"}); !errors.Is(err, storage.ErrDiskFull) {
			t.Errorf("Put() = %v, want ErrDiskFull", err)
		}
	}
	if err := f.Healthy(); !errors.Is(err, storage.ErrDiskFull) {
		t.Errorf("Healthy() = %v, want ErrDiskFull", err)
	}
	f.FailAlways(storagetest.None)
	if err := f.Healthy(); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
}

func TestFaultyHolds(t *testing.T) {
	f := newFaulty(t)
	release := f.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Append(ctx, "page", 0, []storage.Change{{Author: "a"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append() while held = %v, want context.Canceled", err)
	}
	answer := make(chan error)
	go func() { answer <- f.Append(t.Context(), "page", 0, []storage.Change{{Author: "a"}}) }()
	release()
	if err := <-answer; err != nil {
		t.Errorf("Append() after release = %v", err)
	}
}
