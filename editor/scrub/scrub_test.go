package scrub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"halley/editor"
	"halley/ot"
	"halley/push"
	"halley/storage"
	"halley/storage/bolt"
)

const week = 168 * time.Hour

var ann = editor.Principal{ID: "ann", Name: "Ann", Kind: editor.KindGuest}

type everybody struct{}

func (everybody) Author(_ context.Context, id string) (editor.Author, error) {
	return editor.Author{Name: id}, nil
}

// A world is a workspace in a folder, with what is logged.
type world struct {
	t     *testing.T
	dir   string
	store *bolt.Store
	pages *editor.Pages
	log   *logLines
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), log: &logLines{}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = bolt.Open(w.dir, bolt.Config{Codec: editor.BlockCodec{}, SweepEvery: 12 * time.Hour}); err != nil {
		w.t.Fatal(err)
	}
	if w.pages, err = editor.Open(w.t.Context(), editor.Config{Logger: w.log.logger(), PresenceEvery: time.Hour, Push: push.Config{Heartbeat: time.Hour}}, w.store, editor.OpenWorkspace{}, everybody{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	w.t.Helper()
	w.pages.Close()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) start(cfg Config) *Scrubber {
	cfg.Logger = w.log.logger()
	return Start(w.store, w.pages.Damage(), cfg)
}

func (w *world) page() editor.PageID {
	w.t.Helper()
	page, err := w.pages.Create(w.t.Context(), ann, editor.NewPage{Content: ot.Delta{{Insert: "hello\n"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.ID
}

func (w *world) upload(page editor.PageID, data []byte) storage.Hash {
	w.t.Helper()
	b, err := w.pages.Upload(w.t.Context(), ann, page, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Hash
}

func (w *world) blobFile(h storage.Hash) string {
	return filepath.Join(w.dir, bolt.BlobFolder, h.String()[:2], h.String())
}

// flip turns one bit of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count is how many lines say so at the level of an error.
func (l *logLines) count(what string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, "level=ERROR") && strings.Contains(line, what) {
			n++
		}
	}
	return n
}

// untilPasses waits for whole passes, and fails where they do not come in time.
func untilPasses(t *testing.T, s *Scrubber, passes uint64, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); s.Stats().Passes < passes; time.Sleep(10 * time.Minute) {
		if time.Now().After(end) {
			t.Fatalf("%d passes in %v, want %d", s.Stats().Passes, within, passes)
		}
	}
}

// TestFindsWhatRots: a file that rots is found within a pass, logged once, and
// not given out; uploading it again repairs it.
func TestFindsWhatRots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		page := w.page()
		data := bytes.Repeat([]byte("picture "), 1<<14)
		rotten, sound := w.upload(page, data), w.upload(page, []byte("sound"))
		flip(t, w.blobFile(rotten), 77)
		if r, err := w.pages.OpenFile(t.Context(), ann, rotten); err != nil {
			t.Fatalf("before anybody has read it: %v", err)
		} else {
			r.Close()
		}
		s := w.start(Config{Every: week})
		defer s.Stop()
		untilPasses(t, s, 1, time.Hour)
		list := w.pages.Damage().List()
		if len(list) != 1 || list[0].Kind != editor.DamagedFile || list[0].Name != rotten.String() {
			t.Errorf("known to be damaged: %+v", list)
		}
		if n := w.log.count(rotten.String()); n != 1 {
			t.Errorf("%d lines of the log name the file, want 1:\n%s", n, w.log.text.String())
		}
		var corrupt *storage.CorruptError
		if _, err := w.pages.OpenFile(t.Context(), ann, rotten); !errors.As(err, &corrupt) {
			t.Errorf("OpenFile of what is known to be damaged: %v", err)
		}
		if r, err := w.pages.OpenFile(t.Context(), ann, sound); err != nil {
			t.Errorf("OpenFile of another: %v", err)
		} else {
			r.Close()
		}
		w.upload(page, data)
		if len(w.pages.Damage().List()) != 0 {
			t.Errorf("after it was uploaded again, known to be damaged: %+v", w.pages.Damage().List())
		}
		if err := editor.VerifyFile(t.Context(), w.store, rotten); err != nil {
			t.Errorf("after it was uploaded again: %v", err)
		}
	})
}

// TestFindsDamagedPages: a log that rots is found, and every other page is read.
func TestFindsDamagedPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		for range 3 {
			w.page()
		}
		wrong := []storage.Change{{Author: "ann", Payload: []byte(`[{"delete":7}]`)}} // of what is not there
		if err := w.store.Append(t.Context(), "PPPPPPPPPPPPPPPPPPPPPP", 0, wrong); err != nil {
			t.Fatal(err)
		}
		if _, err := w.store.Put(t.Context(), storage.Record{Key: "something"}); err != nil {
			t.Fatal(err)
		}
		s := w.start(Config{Every: 6 * time.Hour})
		defer s.Stop()
		untilPasses(t, s, 1, time.Hour)
		list := w.pages.Damage().List()
		if len(list) != 1 || list[0].Kind != editor.DamagedPage || list[0].Name != "PPPPPPPPPPPPPPPPPPPPPP" {
			t.Errorf("known to be damaged: %+v", list)
		}
		untilPasses(t, s, 3, 24*time.Hour)
		if n := w.log.count("PPPPPPPPPPPPPPPPPPPPPP"); n != 3 {
			t.Errorf("%d lines of the log name the page, want one in each of three passes", n)
		}
	})
}

// TestGoesOnAfterARestart: a server that is restarted every day reads everything
// about once, and remembers what it has found.
func TestGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer func() { w.close() }()
		page := w.page()
		var hashes []storage.Hash
		var named ot.Delta
		size := 0
		for i := range 64 {
			data := bytes.Repeat([]byte{byte(i)}, 8<<10)
			size += len(data)
			hashes = append(hashes, w.upload(page, data))
			named = append(named, ot.Op{Embed: ot.Embed{Type: "image", Value: ot.StringValue(editor.FilePath(hashes[i]))}})
		}
		// Named by the page, the files stay for longer than a day.
		if _, err := w.pages.Submit(t.Context(), ann, page, editor.Edit{Client: "client-a", N: 1, Base: 1, Delta: named}); err != nil {
			t.Fatal(err)
		}
		first := hashes[0]
		for _, h := range hashes {
			if h.String() < first.String() {
				first = h
			}
		}
		flip(t, w.blobFile(first), 5)
		cfg := Config{Every: week, MinRate: 2} // less than the rate that the size asks for
		days := 0
		for whole := false; !whole; days++ {
			if days > 10 {
				t.Fatal("no pass in ten days")
			}
			s := w.start(cfg)
			for range 24 {
				time.Sleep(time.Hour)
			}
			s.Stop()
			if whole = s.Stats().Passes > 0; whole && s.Stats().Read > uint64(2*size) {
				t.Errorf("a pass read %d bytes, where there are %d in files", s.Stats().Read, size)
			}
			if days == 2 && len(w.pages.Damage().List()) != 1 {
				t.Errorf("on the third day, known to be damaged: %+v", w.pages.Damage().List())
			}
			w.close()
			w.open()
			s = w.start(Config{Every: week, Delay: time.Hour})
			s.Stop() // before it has begun: it keeps what is stored
		}
		if days < 3 {
			t.Errorf("the pass took %d days; want most of a week", days)
		}
		if n := w.log.count(first.String()); n != 1 {
			t.Errorf("%d lines of the log name the damaged file, want 1 in a pass", n)
		}
	})
}

// TestPace: a reader keeps its rate, and rests for longer while others write.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		commits, spent := 0, 0
		p := &throttle{rate: stretchBytes, commits: func() int { return commits }, spent: func(n int) { spent += n }}
		spend := func(n int) time.Duration {
			began := time.Now()
			if err := p.spend(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		if took := spend(10 * stretchBytes); took != 10*time.Second {
			t.Errorf("ten seconds' worth takes %v", took)
		}
		spend(stretchBytes / 2)
		time.Sleep(700 * time.Millisecond) // the disk
		if took := spend(stretchBytes / 2); took != 300*time.Millisecond {
			t.Errorf("the rest of a second is %v", took)
		}
		spend(stretchBytes / 2)
		time.Sleep(5 * time.Second)
		commits++
		if took := spend(stretchBytes / 2); took != 10*time.Second {
			t.Errorf("while somebody writes, it rests for %v after 5 s of reading", took)
		}
		if spent != 12*stretchBytes+stretchBytes/2-stretchBytes/2 {
			t.Errorf("%d bytes are counted", spent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := p.spend(ctx, 100*stretchBytes); !errors.Is(err, context.Canceled) {
			t.Errorf("the wait ends with %v", err)
		}
	})
	for _, c := range []struct {
		total, least, want int64
	}{{0, 100, 100}, {604800 * 800, 1, 1000}} {
		if got := rateFor(c.total, week, c.least); got != c.want {
			t.Errorf("rateFor(%d, a week, %d) = %d, want %d", c.total, c.least, got, c.want)
		}
	}
}

// TestOff: with Every 0 nothing is read, and Stop returns.
func TestOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		s := w.start(Config{})
		time.Sleep(24 * time.Hour)
		s.Stop()
		if got := s.Stats(); got != (Stats{}) {
			t.Errorf("Stats() = %+v", got)
		}
	})
}

// TestRecordFromElsewhere: what cannot be read as a position begins at the beginning.
func TestRecordFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"", "{", `{"version":99,"phase":2}`, `{"version":1,"phase":77}`,
		`{"version":1,"phase":1,"after":"enp6"}`, fmt.Sprintf(`{"version":1,"phase":3,"after":%q}`, "AAAA")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			w.page()
			if _, err := w.store.Put(t.Context(), storage.Record{Key: recordKey, Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
			s := w.start(Config{Every: week})
			defer s.Stop()
			untilPasses(t, s, 1, time.Hour)
		})
	}
}
