package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a folder on a file system of its own, with room for so many bytes.
func smallDisk(tb testing.TB, bytes int) string {
	tb.Helper()
	if os.Getuid() != 0 {
		tb.Skip("a disk that gets full is mounted by root alone")
	}
	dir := tb.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		tb.Skipf("a disk that gets full cannot be mounted here: %v", err)
	}
	tb.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk takes all that is left; what it returns gives it back.
func fillDisk(tb testing.TB, dir string) (empty func()) {
	tb.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1<<12; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 4
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestFullDisk fills the disk under a server: edits are refused with a
// sentence, everything else goes on, nothing that was acknowledged is lost, and
// when there is room again edits are taken, without anybody doing anything.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 24<<20)
	s := serveFolder(t, filepath.Join(disk, "data"))
	w := newDiskWriter(s)
	for range 3 {
		w.write("a line\n").ok(200)
		empty := fillDisk(t, disk)
		w.writeUntilFull()
		w.wantGoesOn()
		w.wantCalm()
		empty()
		w.awaitReady(200, "ready")
		w.write("there is room again\n").ok(200)
		w.wantTold()
	}
	s.restart()
	w.me.get(w.changes+"?limit=1").ok(200).has("head", w.seq)
	s.stop()
	halley(t, "verify", "--data", s.dir).ok()
}

// A diskWriter is the one writer and reader of a page.
type diskWriter struct {
	tb         testing.TB
	s          *server
	me         *caller
	page       string
	changes    string // its address
	line       *line
	seq, heard int // acknowledged, and heard on the line
}

func newDiskWriter(s *server) *diskWriter {
	s.tb.Helper()
	w := &diskWriter{tb: s.tb, s: s, me: s.guest("Writer")}
	w.page = w.me.newPage("")
	w.changes = "/api/pages/" + w.page + "/changes"
	w.line = w.me.follow(transports[0], "page="+w.page+"&client="+clientA, "")
	w.line.next("hello")
	// A line has no end of its own, should something not come.
	watch := time.AfterFunc(4*patience, w.line.close)
	s.tb.Cleanup(func() { watch.Stop() })
	return w
}

func (w *diskWriter) edit(insert string) edit {
	return edit{client: clientA, n: w.seq + 1, base: w.seq, delta: fmt.Sprintf(`[{"insert":%q}]`, insert)}
}

func (w *diskWriter) write(insert string) *answer {
	w.tb.Helper()
	a := w.me.post(w.changes, w.edit(insert).String())
	if a.status == 200 {
		w.seq++
		a.has("seq", w.seq)
	}
	return a
}

// wantTold reads what the line has of the changes that are acknowledged.
func (w *diskWriter) wantTold() {
	w.tb.Helper()
	w.line.wantChanges(w.page, w.heard+1, w.seq)
	w.heard = w.seq
}

// writeUntilFull writes, less and less at a time, until nothing goes any more.
func (w *diskWriter) writeUntilFull() {
	w.tb.Helper()
	size := 64 << 10
	for range 1000 {
		a := w.write(strings.Repeat("x", size))
		if a.status != 200 {
			a.refused(507, "disk-full")
			if detail := a.text("detail"); !strings.HasPrefix(detail, "The disk is full") || a.header.Get("Retry-After") == "" {
				w.tb.Errorf("the refusal says %q, and Retry-After %q", detail, a.header.Get("Retry-After"))
			}
			size = max(size/2, 1)
		}
		if ready := w.me.get("/readyz"); ready.status != 200 {
			if said := string(ready.body); ready.status != 503 || !strings.HasPrefix(said, "takes no edits: the disk is full") {
				w.tb.Errorf("/readyz answers %d %q", ready.status, said)
			}
			return
		}
	}
	w.tb.Fatal("the disk does not get full")
}

// wantGoesOn fails unless all that needs no room goes on.
func (w *diskWriter) wantGoesOn() {
	w.tb.Helper()
	w.wantTold()
	w.me.get("/healthz").ok(200)
	w.me.get("/api/pages/"+w.page).ok(200).has("seq", w.seq)
	w.me.get("/api/pages").ok(200)
	w.me.get(w.changes+"?limit=1").ok(200).has("head", w.seq)
	w.me.post("/api/pages/"+w.page+"/presence", here(clientA, w.seq, 1, "typing")).ok(204)
	for e := w.line.next("presence"); !strings.Contains(string(e.Data), clientA); {
		e = w.line.next("presence")
	}
	// One that is committed already is answered, though it cannot be written.
	resend := w.me.get(w.changes + "?after=" + strconv.Itoa(w.seq-1)).ok(200).value()["changes"].([]any)[0].(map[string]any)
	body := fmt.Sprintf(`{"client":%q,"n":%d,"base":%d,"delta":%s}`, clientA, w.seq, w.seq-1, canonical(resend["delta"]))
	w.me.post(w.changes, body).ok(200).has("seq", w.seq)
}

// wantCalm sends many edits, none of which can be stored: all are refused, and
// neither the memory nor the log grows.
func (w *diskWriter) wantCalm() {
	w.tb.Helper()
	const callers, each, most = 16, 25, 48 << 20
	logged, memory := len(w.s.log.String()), w.s.memory()
	body := w.edit(strings.Repeat("y", 64<<10)).String()
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if a, err := w.me.try(to("POST", w.changes).json(body)); err != nil || a.status != 507 {
					w.tb.Errorf("an edit on a full disk is answered %v, %v", a, err)
					return
				}
			}
		})
	}
	all.Wait()
	if grown := w.s.memory() - memory; grown > most {
		w.tb.Errorf("while %d edits are refused the server grows by %d bytes", callers*each, grown)
	}
	if said := w.s.log.String()[logged:]; strings.Count(said, "\n") > 3 {
		w.tb.Errorf("while %d edits are refused the server logs %q", callers*each, short([]byte(said)))
	}
}

// memory is how many bytes the process holds.
func (s *server) memory() int {
	s.tb.Helper()
	status := read(s.tb, fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	_, rest, _ := strings.Cut(status, "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.tb.Fatal(err)
	}
	return kilobytes << 10
}

// awaitReady waits until /readyz answers so.
func (w *diskWriter) awaitReady(status int, says string) {
	w.tb.Helper()
	end := time.Now().Add(patience)
	for {
		a := w.me.get("/readyz")
		if a.status == status && strings.HasPrefix(string(a.body), says) {
			return
		}
		if time.Now().After(end) {
			w.tb.Fatalf("/readyz still answers %d %q", a.status, a.body)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
