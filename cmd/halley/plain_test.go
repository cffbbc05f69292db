package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

func TestPlainWriter(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Plan für 😀\n\tnext\n", "Plan für 😀\n\tnext\n"},
		{"\x1b]0;pwned\x07\n", `\x1b]0;pwned\x07` + "\n"},
		{"a\rb\x00\x7f\b", `a\x0db\x00\x7f\x08`},
		{"\u009b31m\u0085", `\u009b31m\u0085`},
		{"\x9b31m and \xff", `\x9b31m and \xff`}, // no UTF-8, but a C1 control to some terminals
		{"\u202egpj.exe \u2066x\u2069\u200e\u200f\u061c", `\u202egpj.exe \u2066x\u2069\u200e\u200f\u061c`},
		{"replaced \ufffd", "replaced \ufffd"},
	} {
		for _, step := range []int{1, 2, 3, 1000} { // cut anywhere
			var out bytes.Buffer
			w := &plainWriter{to: &out}
			for rest := []byte(c.in); len(rest) > 0; {
				n := min(step, len(rest))
				if got, err := w.Write(rest[:n]); got != n || err != nil {
					t.Fatalf("Write = %d, %v", got, err)
				}
				rest = rest[n:]
			}
			if _, err := w.Write([]byte(".")); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want+"." {
				t.Errorf("%q in steps of %d comes out as %q, want %q", c.in, step, out.String(), c.want+".")
			}
		}
	}
}

// TestCommandsPrintNoControls: whatever a file holds and is called, what a
// command says of it does not steer the terminal.
func TestCommandsPrintNoControls(t *testing.T) {
	dir, data := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"a\x1b[31m.json": `[{"insert":"x","attributes":{"ev\u001b]0;pwned\u0007il":true}},{"insert":{"ty\u202epe":"v"}},{"insert":"\n"}]`,
		"b\u202e.json":   "[\"\x1b]0;p\x07\"",
		"c.html":         "<x\x1b[31m>a</x\x1b[31m><p>b<ta\x1b]0;p\x07>c<title>\u009b31m\u202egpj.exe</title>",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Skipf("this file system takes no such name: %v", err)
		}
	}
	to := t.TempDir()
	for _, args := range [][]string{
		{"import", "--data", data, dir}, {"export", "--data", data, "--to", to}, {"export", "--data", data, "--to", to},
		{"export", "--data", data, "no\x1bpage"}, {"import", "--data", data, "no\u202efile"}, {"\x1b[31m"}, {"verify", "--data", "\x1b"},
		{"version", "\x9b"}, {"export", "--format", "\x1b", "--data", data},
	} {
		h := halley(t.Context(), io.Discard, nil, args...)
		said := h.stdout + h.stderr
		if said == "" {
			t.Errorf("%q says nothing", args)
		}
		if i := strings.IndexFunc(said, func(r rune) bool { return steers(r) || r == unicode.ReplacementChar }); i >= 0 {
			t.Errorf("%q says %q", args, said)
		}
	}
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing is exported: %v", err)
	}
	for _, e := range entries {
		if strings.ContainsFunc(e.Name(), steers) {
			t.Errorf("export makes a file %q", e.Name())
		}
	}
}
