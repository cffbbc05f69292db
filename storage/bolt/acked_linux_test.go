package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

func init() {
	children["syncs-later"] = func() { runLoad(Config{commit: commitAndSyncLater}, (*load).discardBackups) }
}

// commitAndSyncLater is what a store would do that syncs, but waits for none.
func commitAndSyncLater(tx *bbolt.Tx) error {
	db := tx.DB()
	db.NoSync = true
	err := tx.Commit()
	go db.Sync()
	return err
}

// A written is a transaction in a record: its pages, and the meta page that
// makes them the store's newest state.
type written struct {
	pages []*call
	meta  *call
}

// writtenIn finds the transactions written to the file at path.
func writtenIn(calls []*call, path string) (all []written) {
	var next written
	for _, c := range calls {
		switch {
		case c.name != "pwrite64" || c.path != path || c.failed:
		case c.offset < int64(2*os.Getpagesize()):
			next.meta = c
			all = append(all, next)
			next = written{}
		default:
			next.pages = append(next.pages, c)
		}
	}
	return all
}

// holds reports whether w writes needle.
func (w written) holds(needle []byte) bool {
	for _, page := range w.pages {
		if bytes.Contains(page.data, needle) {
			return true
		}
	}
	return false
}

// durable is the place in the record from which on nothing can take w back:
// the end of a sync that began after its meta page was written, which itself
// began after a sync of all its pages had ended. Never, if there is none.
func (w written) durable(syncs []*call) int {
	pages := 0
	for _, page := range w.pages {
		pages = max(pages, page.ended)
	}
	if syncedAfter(syncs, pages) > w.meta.began {
		return never
	}
	return syncedAfter(syncs, w.meta.ended)
}

// syncedAfter is the first end of a sync that began after a place.
func syncedAfter(syncs []*call, place int) int {
	first := never
	for _, c := range syncs {
		if c.began > place {
			first = min(first, c.ended)
		}
	}
	return first
}

// acksFollowSyncs returns an error unless each acknowledgement in a record began
// after a transaction was durable that holds what it is about. acks is how many
// there are.
func acksFollowSyncs(calls []*call, path string) (acks int, err error) {
	var syncs []*call
	for _, c := range calls {
		if (c.name == "fdatasync" || c.name == "fsync") && c.path == path && !c.failed {
			syncs = append(syncs, c)
		}
	}
	transactions := writtenIn(calls, path)
	durable := make([]int, len(transactions))
	for i, w := range transactions {
		durable[i] = w.durable(syncs)
	}
	for _, c := range calls {
		if !c.said {
			continue
		}
		needle, err := evidence(string(c.data))
		if err != nil {
			return acks, err
		}
		acks++
		found := false
		for i := len(transactions) - 1; i >= 0 && !found; i-- { // the newest are the likeliest
			found = durable[i] < c.began && transactions[i].holds(needle)
		}
		if !found {
			return acks, fmt.Errorf("line %d of the record acknowledges %q, and no transaction that holds it was synced by then", c.began+1, c.data)
		}
	}
	return acks, nil
}

// evidence is what a leaf of the file holds of what a line acknowledges: a key,
// and how its value begins.
func evidence(line string) ([]byte, error) {
	p := newPromises()
	if err := p.take(line); err != nil {
		return nil, err
	}
	for _, a := range p.changes {
		c := changeOf(a.client, a.n)
		c.Payload = nil
		return append(changeKey(a.page, a.seq), encodeChange(&c)...), nil
	}
	for _, data := range p.blobs { // its row; its file was synced before, as a power cut shows
		hash := sha256.Sum256(data)
		return hash[:], nil
	}
	for page, seq := range p.checkpoints {
		return sealKey(page, seq), nil
	}
	for key, version := range p.records {
		return binary.AppendUvarint(append([]byte(key), rowVersion), version), nil
	}
	return nil, fmt.Errorf("%q acknowledges nothing", line)
}

// TestAcksFollowSyncs records a process under load: whatever it acknowledged
// was synced before. Two that do not sync, or do not wait, are found out.
func TestAcksFollowSyncs(t *testing.T) {
	t.Parallel()
	most := 1000
	if soaking() {
		most = 20000
	}
	for part, honest := range map[string]bool{"recorded": true, "without-syncs": false, "syncs-later": false} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			acks, err := acksFollowSyncs(record(t, part, dir, 0, most), filepath.Join(dir, FileName))
			switch {
			case honest && (err != nil || acks < most):
				t.Errorf("after %d acknowledgements of %d: %v", acks, most, err)
			case !honest && (err == nil || !strings.Contains(err.Error(), "was synced by then")):
				t.Errorf("%d acknowledgements: %v, want them found out", acks, err)
			}
			t.Logf("%d acknowledgements: %v", acks, err)
		})
	}
}

// TestAcksFollowSyncsOfHand: the checker finds what is wrong with a record that
// differs from a good one in a single place.
func TestAcksFollowSyncsOfHand(t *testing.T) {
	const path = "/data/halley.db"
	good := func() []*call {
		key, _ := evidence("change page-1 client 1 1")
		return []*call{
			{name: "pwrite64", path: path, offset: 1 << 20, data: key, began: 1, ended: 2},
			{name: "fdatasync", path: path, began: 3, ended: 4},
			{name: "pwrite64", path: path, offset: 4096, began: 5, ended: 6},
			{name: "fdatasync", path: path, began: 7, ended: 8},
			{name: "write", said: true, data: []byte("change page-1 client 1 1\n"), began: 9, ended: 10},
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(calls []*call)
		ok    bool
	}{
		{"a good one", func([]*call) {}, true},
		{"said while the last sync goes on", func(c []*call) { c[3].ended = 11 }, false},
		{"said while the last sync never ends", func(c []*call) { c[3].ended = never }, false},
		{"the last sync fails", func(c []*call) { c[3].failed = true }, false},
		{"the last sync is of another file", func(c []*call) { c[3].path = "/data/other" }, false},
		{"the last sync began before the meta page was written", func(c []*call) { c[2].ended, c[3].began = 7, 6 }, false},
		{"the first sync fails", func(c []*call) { c[1].failed = true }, false},
		{"the first sync began before the pages were written", func(c []*call) { c[0].ended, c[1].began = 3, 2 }, false},
		{"the meta page is written while the first sync goes on", func(c []*call) { c[1].ended, c[2].began = 5, 4 }, false},
		{"another change is written", func(c []*call) { c[4].data = []byte("change page-1 client 2 2\n") }, false},
		{"nothing is written", func(c []*call) { c[0].failed = true }, false},
	} {
		calls := good()
		c.spoil(calls)
		if _, err := acksFollowSyncs(calls, path); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
