package filename_test

import (
	"testing"

	"halley/editor/filename"
)

func TestLocal(t *testing.T) {
	for address, want := range map[string]string{
		"a.png": "a.png", "./a.png": "a.png", "x/../a.png": "a.png", "../a.png": "../a.png", "a%20b.files/c%28d.png": "a b.files/c(d.png",
		"a b.png": "a b.png", "100%.png": "100%.png", "a.png?x=1": "a.png", "a.png#page=2": "a.png", "a/b:c.png": "a/b:c.png",
		"": "", "#top": "", "?q": "", ".": "", "..": "", "a/": "", "/files/0123": "", "//host/a.png": "", "https://example.org/a.png": "",
		"data:image/png;base64,AA": "", "C:a.png": "", `a\b.png`: "", "%2Fetc%2Fpasswd": "", "a%00b": "", "%5Cetc": "", "MAILTO:a@b": "",
	} {
		if got, ok := filename.Local(address); got != want || ok != (want != "") {
			t.Errorf("Local(%q) = %q, %t; want %q", address, got, ok, want)
		}
	}
	for _, name := range []string{"a.png", "ä (b) [c] & d%20e #1?.png", "<x>.png"} {
		if got, ok := filename.Local(filename.Reference("The plan (2).files", name)); !ok || got != "The plan (2).files/"+name {
			t.Errorf("the reference to %q leads to %q", name, got)
		}
	}
}
