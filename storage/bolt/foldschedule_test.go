package bolt

import (
	"testing"
	"testing/synctest"
	"time"

	"halley/storage"
)

// scheduled opens a store that folds 50 cold rows at a time, or a backlog of 200
// while it is busy. Run it in a bubble.
func scheduled(t *testing.T) *Store {
	return openStore(t, t.TempDir(), Config{foldRows: 50, blockChanges: 50, keepRows: 20})
}

// appendFor appends to page for a number of seconds, perSecond changes in each,
// and returns its head.
func appendFor(t *testing.T, s *Store, page storage.PageID, head uint64, seconds, perSecond int) uint64 {
	t.Helper()
	for range seconds {
		mustAppend(t, s, page, head, batchFrom(head+1, head+uint64(perSecond))...)
		head += uint64(perSecond)
		time.Sleep(time.Second)
		synctest.Wait()
	}
	return head
}

// busyFor keeps the server busy on pages that are not looked at.
func busyFor(t *testing.T, s *Store, page storage.PageID, seconds int) {
	t.Helper()
	for second := range seconds {
		head := uint64(0)
		if second > 0 {
			var err error
			if head, err = s.Head(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		mustAppend(t, s, page, head, batchFrom(head+1, head+quietChanges+1)...)
		time.Sleep(time.Second)
	}
}

func wantRows(t *testing.T, s *Store, page storage.PageID, least, most int) {
	t.Helper()
	if rows, _, _, _ := kept(t, s, page); rows < least || rows > most {
		t.Errorf("%s has %d rows, want %d to %d", page, rows, least, most)
	}
}

// TestFoldsInQuietMoments: a page that has grown is folded at once on a quiet
// server, and as soon as the server is quiet on a busy one.
func TestFoldsInQuietMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduled(t)
		defer s.Close()
		appendFor(t, s, "quiet", 0, 1, 150)
		wantRows(t, s, "quiet", 20, 20+50)

		mustAppend(t, s, "other", 0, batchFrom(1, quietChanges+1)...)
		mustAppend(t, s, "busy", 0, batchFrom(1, 200)...)
		synctest.Wait()
		wantRows(t, s, "busy", 200, 200)
		busyFor(t, s, "noise", 1)
		wantRows(t, s, "busy", 200, 200)
		time.Sleep(2*time.Second + foldPause)
		synctest.Wait()
		wantRows(t, s, "busy", 20, 20+50)
	})
}

// TestFoldBacklogIsBounded: a server that is never quiet folds too, and only whole
// blocks, so that no change is packed twice.
func TestFoldBacklogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduled(t)
		defer s.Close()
		const perSecond = quietChanges + 1
		head := uint64(0)
		for range 20 {
			head = appendFor(t, s, "page", head, 1, perSecond)
			wantRows(t, s, "page", min(int(head), 20+(foldBacklog-1)*50), 20+(foldBacklog+1)*50+perSecond)
		}
		_, blocks, _, _ := kept(t, s, "page")
		if rows, _, _, _ := kept(t, s, "page"); blocks != (int(head)-rows)/50 {
			t.Errorf("%d changes in %d blocks, want 50 in each", int(head)-rows, blocks)
		}
	})
}

// TestFoldsLargeRows: rows of many bytes are due before they are many.
func TestFoldsLargeRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduled(t)
		defer s.Close()
		var batch []storage.Change
		for _, c := range batchFrom(1, 40) {
			c.Payload = make([]byte, foldBytes/40)
			batch = append(batch, c)
		}
		mustAppend(t, s, "page", 0, batch...)
		synctest.Wait()
		wantRows(t, s, "page", 20, 20)
	})
}

// TestFoldsPagesLeftAloneOnABusyServer: they wait for a quiet moment, but not for ever.
func TestFoldsPagesLeftAloneOnABusyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, t.TempDir(), Config{FoldAfter: 10 * time.Second, foldRows: 50, blockChanges: 50, keepRows: 20})
		defer s.Close()
		mustAppend(t, s, "page", 0, batchFrom(1, minFold+1)...)
		busyFor(t, s, "noise", 25)
		wantRows(t, s, "page", minFold+1, minFold+1)
		busyFor(t, s, "more-noise", 30)
		synctest.Wait()
		wantRows(t, s, "page", 0, 0)

		mustAppend(t, s, "second", 0, batchFrom(1, minFold+1)...)
		busyFor(t, s, "noise-again", 15)
		wantRows(t, s, "second", minFold+1, minFold+1)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		wantRows(t, s, "second", 0, 0)
	})
}
