package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"halley/editor/client"
	"halley/ot"
)

// TestNothingIsSaidBeforeItIsSynced watches the program from outside, by its
// system calls: an edit's bytes are written to the store's file and synced, then
// what makes them its newest state is, and only then does anybody hear of the
// edit, be it the answer or an event.
func TestNothingIsSaidBeforeItIsSynced(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which sees a process's system calls, is not installed: apt-get install strace")
	}
	if err := exec.Command(strace, "-D", "-f", "--seccomp-bpf", "-y", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace is refused here, probably for want of the right to trace: %v", err)
	}
	record := filepath.Join(t.TempDir(), "record")
	s := newServer(t, t.TempDir())
	// -D: the tracer is nobody's parent, and ends with the server.
	s.wrap = []string{
		strace, "-D", "-f", "--seccomp-bpf", "-y", "-s", "100000", "-e", "signal=none", "-o", record,
		"-e", "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg",
	}
	s.start()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := s.program("Writer")
	page, err := c.Create(ctx, "Watched", ot.Delta{{Insert: "Begin.\n"}}, client.NewID())
	if err != nil {
		t.Fatal(err)
	}
	reader := follow(ctx, t, s.program("Reader"), page.ID)
	const edits = 30
	id := client.NewID()
	for n := range uint64(edits) {
		e := client.Edit{Client: id, N: n + 1, Base: page.Seq + n, Delta: ot.Delta{{Insert: mark(n + 1)}}}
		if _, err := c.Submit(ctx, page.ID, e); err != nil {
			t.Fatal(err)
		}
	}
	for seq := uint64(0); seq < page.Seq+edits; {
		seq = reader.next().Seq
	}
	if status := s.stop(); status != 0 {
		t.Fatalf("the server ends with status %d", status)
	}
	text, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	lines, found := strings.Split(string(text), "\n"), 0
	for n := range uint64(edits) {
		answer := fmt.Sprintf(`{\"seq\":%d}`, page.Seq+n+1)
		if err := saidAfterSync(lines, mark(n+1), answer); err != nil {
			t.Errorf("edit %d: %v", n+1, err)
		}
		if saidAfterSync(withoutASync(lines, mark(n+1)), mark(n+1), answer) != nil {
			found++
		}
	}
	if found < edits/2 { // other writes may have synced beside some
		t.Errorf("where a sync is taken out of the record, %d of %d edits are found to be said too early", found, edits)
	}
}

// mark is a text that no other edit, and nothing else, has in it.
func mark(n uint64) string { return "mark-" + strconv.FormatUint(1_000_000+n, 10) + "." }

var (
	written   = regexp.MustCompile(`^\d+ +pwrite64\(\d+<[^>]*halley\.db>`)
	syncEnds  = regexp.MustCompile(`^(\d+) +(?:fdatasync\(.*|<\.\.\. fdatasync resumed>.*)= 0$`)
	syncBegin = regexp.MustCompile(`^(\d+) +fdatasync\(`)
	said      = regexp.MustCompile(`^\d+ +(?:write|writev|sendto|sendmsg)\(\d+<(?:TCP|socket)`)
)

// saidAfterSync returns an error unless the record writes mark to the store's
// file, then begins and ends two syncs, and only then writes mark, or answer, to
// any socket; and it must write both.
func saidAfterSync(lines []string, mark, answer string) error {
	stored, syncs, heard := false, 0, map[string]bool{}
	began := map[string]bool{} // syncs under way that began after mark was written, by thread
	for i, line := range lines {
		switch {
		case written.MatchString(line):
			stored = stored || strings.Contains(line, mark)
		case said.MatchString(line):
			for what, text := range map[string]string{"event": mark, "answer": answer} {
				if !strings.Contains(line, text) {
					continue
				}
				if heard[what] = true; syncs < 2 {
					return fmt.Errorf("line %d of the record says its %s after %d syncs, want 2", i+1, what, syncs)
				}
			}
		case stored:
			if m := syncBegin.FindStringSubmatch(line); m != nil {
				began[m[1]] = true
			}
			if m := syncEnds.FindStringSubmatch(line); m != nil && began[m[1]] {
				syncs++
				delete(began, m[1])
			}
		}
	}
	if len(heard) < 2 {
		return fmt.Errorf("the record says only %v of it", heard)
	}
	return nil
}

// withoutASync drops the first sync that ends after mark is written.
func withoutASync(lines []string, mark string) (rest []string) {
	stored, dropped := false, false
	for _, line := range lines {
		stored = stored || written.MatchString(line) && strings.Contains(line, mark)
		if stored && !dropped && syncEnds.MatchString(line) {
			dropped = true
			continue
		}
		rest = append(rest, line)
	}
	return rest
}
