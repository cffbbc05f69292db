package bolt

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"halley/storage"
)

// olderStore puts the store that a version with an older format wrote into a
// folder. Each of them has the pages "first" and "second" with 300 changes of
// one client, three records and one that has expired; from format 2 on, the
// first has a checkpoint at seq 200. In the one of format 3 all changes are in
// an open block, compressed at zstd's best level, which is no longer used.
func olderStore(t *testing.T, format int) (dir string) {
	t.Helper()
	packed, err := os.Open(fmt.Sprintf("testdata/format-%d.db.gz", format))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOlderStores(t *testing.T) {
	epochs := map[int]string{1: "RvZQYja6Mq_cmcbaJob8sQ", 2: "aYGEDWsaBwTBFxcyKfg2Pg", 3: "Hke-lauZtG1N1XIjM2AYLg"}
	for format := 1; format <= Format; format++ {
		t.Run(fmt.Sprintf("format %d", format), func(t *testing.T) {
			t.Parallel()
			dir := olderStore(t, format)
			for range 2 { // the second time it is one of this format
				s := openStore(t, dir, Config{})
				if s.Epoch() != epochs[format] {
					t.Errorf("Epoch() = %q, want %q", s.Epoch(), epochs[format])
				}
				wantOlderContents(t, s)
				if c, err := s.Checkpoint(t.Context(), "first", 300); format >= 2 && (err != nil || c.Seq != 200) {
					t.Errorf("Checkpoint(first, 300) is at %d, %v, want 200", c.Seq, err)
				}
				s.Close()
			}
			s := openStore(t, dir, Config{})
			mustAppend(t, s, "first", 300, changeOf("client", 301))
			if err := s.PutCheckpoint(t.Context(), "first", storage.Checkpoint{Seq: 301, Data: []byte("new")}); err != nil {
				t.Error(err)
			}
			for n := uint64(302); n <= 320; n++ {
				mustAppend(t, s, "first", n-1, changeOf("client", n))
			}
			if err := s.Fold(t.Context()); err != nil {
				t.Errorf("Fold() = %v", err)
			}
			head := uint64(0)
			err := s.Read(t.Context(), "first", 0, ^uint64(0), func(c storage.Change) error { head = c.Seq; return nil })
			if err != nil || head != 320 {
				t.Errorf("Read() ends at %d with %v after a fold, want 320", head, err)
			}
		})
	}
}

func wantOlderContents(t *testing.T, s *Store) {
	t.Helper()
	for _, page := range []storage.PageID{"first", "second"} {
		seqs := uint64(0)
		err := s.Read(t.Context(), page, 0, ^uint64(0), func(c storage.Change) error {
			seqs++
			want := changeOf("client", seqs)
			if c.Seq != seqs || c.N != seqs || c.Author != want.Author || !c.Time.Equal(want.Time) || string(c.Payload) != string(want.Payload) {
				t.Errorf("change %d of %s is %+v, want %+v", seqs, page, c, want)
			}
			return nil
		})
		if err != nil || seqs != 300 {
			t.Errorf("page %s has %d changes, %v, want 300", page, seqs, err)
		}
		if c, err := s.Client(t.Context(), page, "client"); err != nil || c.N != 300 || c.Digest != changeOf("client", 300).Digest {
			t.Errorf("Client(%s) = %+v, %v", page, c, err)
		}
		if seq, err := s.Find(t.Context(), page, "client", 77); err != nil || seq != 77 {
			t.Errorf("Find(%s, 77) = %d, %v", page, seq, err)
		}
	}
	var keys []string
	err := s.List(t.Context(), "", "", func(r storage.Record) error {
		keys = append(keys, r.Key)
		return nil
	})
	if err != nil || fmt.Sprint(keys) != "[record/0 record/1 record/2]" {
		t.Errorf("the records are %q, %v", keys, err)
	}
}
