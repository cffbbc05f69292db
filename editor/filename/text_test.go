package filename_test

import (
	"strings"
	"testing"

	"halley/editor/filename"
)

func TestDisplay(t *testing.T) {
	long := strings.Repeat("é", 300)
	for name, want := range map[string]string{
		"plan.pdf": "plan.pdf", " a b ": "a b", "": "Untitled", " ": "Untitled", "a/b": "a/b", "a\x00b\n": "a-b-",
		"evil\u202egpj.exe": "evil-gpj.exe", "\ufffd": "-",
		"\xff.png": "-.png", "Ünïcödé 😀.png": "Ünïcödé 😀.png", long: long[:2*255],
	} {
		if got := filename.Display(name); got != want {
			t.Errorf("Display(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestTitle(t *testing.T) {
	long := strings.Repeat("é", 300)
	for _, c := range []struct{ title, file, want string }{
		{"Plan", "a.md", "Plan"}, {"", "notes/a.b.md", "a.b"}, {"", "README", "README"}, {" two\n\tlines\u2028", "a.md", "two lines"},
		{"", ".md", ""}, {long, "", long[:2*200] + "…"},
	} {
		if got := filename.Title(c.title, c.file); got != c.want {
			t.Errorf("Title(%q, %q) = %q, want %q", c.title, c.file, got, c.want)
		}
	}
}
