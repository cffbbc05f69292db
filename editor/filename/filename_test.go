package filename_test

import (
	"strings"
	"testing"

	"halley/editor/filename"
)

func TestSafe(t *testing.T) {
	for title, want := range map[string]string{
		"":                       "Untitled",
		" . ":                    "Untitled",
		"A plan":                 "A plan",
		"a/b\\c":                 "a-b-c",
		"..":                     "Untitled",
		"../etc/passwd":          "-etc-passwd",
		"Ünïcödé 😀":              "Ünïcödé 😀",
		"nul":                    "_nul",
		"NUL .txt":               "_NUL .txt",
		"Lpt¹":                   "_Lpt¹",
		"COM10":                  "COM10",
		"console":                "console",
		"why?":                   "why-",
		"tab\there":              "tab-here",
		"\x1b[31m\u009b31m\x7f":  "-[31m-31m-",
		"\u202egpj.exe":          "-gpj.exe",
		"\u2066a\u2069\u200f":    "-a--",
		"two\u2028lines":         "two-lines",
		"\xff":                   "-",
		strings.Repeat("ü", 150): strings.Repeat("ü", 100),
	} {
		if got := filename.Safe(title); got != want {
			t.Errorf("Safe(%q) = %q, want %q", title, got, want)
		}
	}
}

func TestNext(t *testing.T) {
	names := filename.Set{}
	for _, c := range []struct{ title, want string }{
		{"Plan", "Plan.md"}, {"plan", "plan (2).md"}, {"Plan (2)", "Plan (2) (2).md"}, {"PLAN", "PLAN (3).md"},
	} {
		if got := names.Next(c.title, ".md"); got != c.want {
			t.Errorf("the file of %q is %q, want %q", c.title, got, c.want)
		}
	}
}

func TestNextFile(t *testing.T) {
	names := filename.Set{}
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ name, ext, want string }{
		{"a cat", ".png", "a cat.png"}, {"A Cat.PNG", ".png", "A Cat-2.PNG"}, {"photo.jpeg", ".jpg", "photo.jpeg"},
		{"photo.gif", ".png", "photo.gif.png"}, {"list.csv", "", "list.csv"}, {"README", "", "README"}, {"", ".png", "Untitled.png"},
		{"../.ssh/id", "", "-.ssh-id"}, {".png", ".png", "png.png"}, {long, ".png", long[:196] + ".png"}, {"evil\u202egpj.exe", "", "evil-gpj.exe"},
		{"nul.png", ".png", "_nul.png"},
	} {
		if got := names.NextFile(c.name, c.ext); got != c.want {
			t.Errorf("the file %q of type %q is %q, want %q", c.name, c.ext, got, c.want)
		}
	}
}
