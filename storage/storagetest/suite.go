// Package storagetest is the suite that every driver of package storage must
// pass, and a Store that fails on demand for the tests of what stands on one.
//
// It is for tests only.
package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"halley/storage"
)

// An Opener opens the driver's store in dir: a new one in an empty folder, else
// the one that was closed there.
type Opener func(t testing.TB, dir string) storage.Store

// Run runs the suite on what open opens. Each scenario has a folder of its own,
// and they run side by side.
func Run(t *testing.T, open func(t testing.TB, dir string) storage.Store) {
	scenarios := []struct {
		name string
		run  func(*world)
	}{
		{"append and read back", appendAndReadBack},
		{"ranges", readsRanges},
		{"an empty log", emptyLog},
		{"conflicts store nothing", conflictsStoreNothing},
		{"an append of nothing", appendOfNothing},
		{"refuses what breaks the rules", refusesBrokenRules},
		{"a client's n grows by one", clientCounts},
		{"clients and old edits are found again", findsClients},
		{"a client among many", findsClientAmongMany},
		{"pages do not mix", pagesDoNotMix},
		{"many pages at once", manyPagesAtOnce},
		{"one caller's refusal is nobody else's", refusalsAreOnesOwn},
		{"histories are linearizable", historiesAreLinearizable},
		{"histories are linearizable under faults", historiesUnderFaults},
		{"logs in order", logsInOrder},
		{"large and many changes", largeAndMany},
		{"a reader may stop and may write", readerStopsAndWrites},
		{"reopen", reopenKeepsAll},
		{"epoch", epochStays},
		{"checkpoints are kept", checkpointsAreKept},
		{"checkpoints: rules", checkpointRules},
		{"checkpoints are thinned", checkpointsAreThinned},
		{"records: compare and set", recordsCompareAndSet},
		{"records: values are one's own", recordValuesAreOnesOwn},
		{"records: rules", recordRules},
		{"records: expiry", recordsExpire},
		{"records: list", recordsList},
		{"records: list more than a chunk", recordsListMany},
		{"records: one winner", recordsOneWinner},
		{"watch tells all", watchTellsAll},
		{"watch ends", watchEnds},
		{"watch tells the last", watchTellsTheLast},
		{"watch begins in a storm", watchBeginsInAStorm},
		{"blobs are kept", blobsAreKept},
		{"blobs: rules", blobRules},
		{"blobs are counted", blobsAreCounted},
		{"blobs of many pages", blobsOfManyPages},
		{"blobs by the model", blobsByTheModel},
		{"blobs under sweeps", blobsUnderSweeps},
		{"bus carries", busCarries},
		{"bus drops the oldest", busDropsTheOldest},
		{"bus: rules", busRules},
		{"a context that has ended", endedContext},
		{"a context that ends meanwhile", contextEndsMeanwhile},
		{"close", closeEndsAll},
		{"close while writing", closeWhileWriting},
	}
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := &world{T: t, dir: t.TempDir(), opener: open}
			w.Store = open(t, w.dir)
			t.Cleanup(func() { w.Store.Close() })
			s.run(w)
		})
	}
}

// A world is a scenario's store, with the words that scenarios are told in.
type world struct {
	*testing.T
	storage.Store
	dir    string
	opener Opener
}

func (w *world) reopen() {
	w.Helper()
	if err := w.Store.Close(); err != nil {
		w.Fatalf("Close() = %v", err)
	}
	w.Store = w.opener(w.T, w.dir)
}

// appends appends changes at the head expect and wants it to succeed.
func (w *world) appends(page storage.PageID, expect uint64, changes ...storage.Change) {
	w.Helper()
	if err := w.Append(w.Context(), page, expect, changes); err != nil {
		w.Fatalf("Append(%s, %d, %d changes) = %v", page, expect, len(changes), err)
	}
	for i, c := range changes {
		if want := expect + 1 + uint64(i); c.Seq != want {
			w.Fatalf("Append(%s, %d) set seq %d of its change %d, want %d", page, expect, c.Seq, i, want)
		}
	}
}

// log reads (after, upTo] and wants it to succeed. The changes are copies.
func (w *world) log(page storage.PageID, after, upTo uint64) []storage.Change {
	w.Helper()
	changes, err := readAll(w.T, w.Store, page, after, upTo)
	if err != nil {
		w.Fatalf("Read(%s, %d, %d) = %v", page, after, upTo, err)
	}
	return changes
}

func readAll(t testing.TB, s storage.Store, page storage.PageID, after, upTo uint64) (changes []storage.Change, err error) {
	err = s.Read(t.Context(), page, after, upTo, func(c storage.Change) error {
		c.Payload = slices.Clone(c.Payload)
		changes = append(changes, c)
		return nil
	})
	return changes, err
}

// wantLog wants page to hold exactly want, with seqs from 1 up.
func (w *world) wantLog(page storage.PageID, want []storage.Change) {
	w.Helper()
	got := w.log(page, 0, end)
	if len(got) != len(want) {
		w.Fatalf("page %s holds %d changes, want %d", page, len(got), len(want))
	}
	for i := range want {
		wantChange(w.T, got[i], want[i], uint64(i)+1)
	}
	w.wantHead(page, uint64(len(want)))
}

func (w *world) wantHead(page storage.PageID, want uint64) {
	w.Helper()
	if got, err := w.Head(w.Context(), page); err != nil || got != want {
		w.Fatalf("Head(%s) = %d, %v, want %d", page, got, err, want)
	}
}

func wantChange(t testing.TB, got, want storage.Change, seq uint64) {
	t.Helper()
	if got.Seq != seq || got.Client != want.Client || got.N != want.N || got.Author != want.Author ||
		!got.Time.Equal(want.Time) || string(got.Payload) != string(want.Payload) {
		t.Fatalf("change %d is %+v, want %+v", seq, got, want)
	}
}

func wantConflict(t testing.TB, err error, expected, actual uint64) {
	t.Helper()
	var conflict *storage.ConflictError
	if !errors.As(err, &conflict) || *conflict != (storage.ConflictError{Expected: expected, Actual: actual}) {
		t.Fatalf("error is %v, want a conflict: expected %d but found %d", err, expected, actual)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// end as a Read's upTo means everything.
const end = ^uint64(0)

// someTime is in whole milliseconds, as all times of changes are.
var someTime = time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)

// edit is client's n-th change.
func edit(client string, n uint64) storage.Change {
	return storage.Change{
		Client: client, N: n, Author: "author-of-" + client,
		Time:    someTime.Add(time.Duration(n) * time.Millisecond),
		Digest:  [16]byte{byte(n), byte(n >> 8), 7},
		Payload: fmt.Appendf(nil, `[{"insert":"%s %d"}]`, client, n),
	}
}

// edits are client's changes n, n+1, … upTo.
func edits(client string, n, upTo uint64) (changes []storage.Change) {
	for ; n <= upTo; n++ {
		changes = append(changes, edit(client, n))
	}
	return changes
}
