package httpapi

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// A lockedBuffer is a log that several goroutines write to.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// take returns what was written since the last call.
func (b *lockedBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

// TestWhatMattersIsLogged: at level info the log has one line for each thing that
// an administrator looks for, with who did it and to which page; edits, reads and
// refusals have none.
func TestWhatMattersIsLogged(t *testing.T) {
	var log lockedBuffer
	s := newServer(t, Config{AnyHost: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	b := from(t, s, "192.0.2.7", "")
	want := func(parts ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSuffix(log.take(), "\n"), "\n")
		if len(lines) != 1 || (len(parts) == 0) != (lines[0] == "") {
			t.Fatalf("%d lines are logged: %q, want one with %q", len(lines), lines, parts)
		}
		for _, part := range parts {
			if !strings.Contains(lines[0], part) {
				t.Errorf("the log says %q, want %q in it", lines[0], part)
			}
		}
	}
	log.take()
	b.enter("Ann Example")
	want("level=INFO", `msg="signed in"`, "from=192.0.2.7", `name="Ann Example"`, "request=", "took=")
	page := newPageOf(t, b)
	want(`msg="page created"`, "made=/api/pages/"+page, `name="Ann Example"`)
	b.do("POST", "/api/pages/"+page+"/changes", `{"client":"client-1","n":1,"base":0,"delta":[{"insert":"x"}]}`)
	b.do("GET", "/api/pages/"+page+"/content?format=md", "")
	b.do("GET", "/api/pages", "")
	b.do("DELETE", "/api/pages/nowhere", "")
	want()
	form := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"plan.md\"\r\n\r\n# A plan\n\r\n--x--\r\n"
	b.do("POST", "/api/import", form, "Content-Type", "multipart/form-data; boundary=x")
	want(`msg="page imported"`, "made=/api/pages/")
	b.do("DELETE", "/api/pages/"+page, "")
	want(`msg="page moved to the trash"`, "page="+page)
	b.do("POST", "/api/pages/"+page+"/untrash", "")
	want(`msg="page taken out of the trash"`, "page="+page)
	b.do("DELETE", "/api/session", "")
	want(`msg="signed out"`, `name="Ann Example"`)
}
