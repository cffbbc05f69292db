package main

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	catPicture = "\x89PNG\x0D\x0A\x1A\x0Aa cat"
	dogPicture = "GIF89aa dog"
	aReport    = "%PDF-1.7 a report"
)

// writeTree writes files by their slash-separated paths.
func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readTree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ran fails unless a command ended well, and returns what it said.
func ran(t *testing.T, args ...string) string {
	t.Helper()
	h := halley(t.Context(), io.Discard, nil, args...)
	if h.status != 0 {
		t.Fatalf("%q ended with %d: %s%s", args, h.status, h.stdout, h.stderr)
	}
	return h.stdout + h.stderr
}

// TestPicturesGoAlong: pages with pictures and attachments are exported with
// them, imported elsewhere with them, and exported there the same.
func TestPicturesGoAlong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	src, first, second := filepath.Join(dir, "src"), filepath.Join(dir, "data1"), filepath.Join(dir, "data2")
	writeTree(t, src, map[string]string{
		"docs/Plan.md": "# Plan\n\n* star ![a cat](../img/the%20cat.png) and ![](../img/dog.gif)\n\n" +
			"![a cat](../img/dog.gif) again, see [the report](report.pdf), and [other](Other.md).\n",
		"docs/report.pdf": aReport,
		"docs/Other.html": `<title>Other (ä?)</title><p>A picture: <img src="../img/dog.gif" width="120"></p>`,
		"img/the cat.png": catPicture,
		"img/dog.gif":     dogPicture,
		"Plain.txt":       "no pictures\n",
	})
	ran(t, "import", "--data", first, src)
	for _, format := range []string{"md", "html", "json", "txt"} {
		out, again := filepath.Join(dir, format, "1"), filepath.Join(dir, format, "2")
		ran(t, "export", "--data", first, "--format", format, "--to", out)
		tree := readTree(t, out)
		names := slices.Sorted(maps.Keys(tree))
		want := []string{
			"Other (ä-)." + format, "Other (ä-).files/picture.gif", "Plain." + format,
			"Plan." + format, "Plan.files/a cat.png", "Plan.files/picture.gif", "Plan.files/the report.pdf",
		}
		slices.Sort(want)
		if !slices.Equal(names, want) {
			t.Errorf("%s: the export has %q, want %q", format, names, want)
		}
		if tree["Plan.files/a cat.png"] != catPicture || tree["Plan.files/picture.gif"] != dogPicture || tree["Plan.files/the report.pdf"] != aReport {
			t.Errorf("%s: a file has other bytes", format)
		}
		if format == "txt" {
			continue // a text names pictures, and shows none
		}
		if strings.Contains(tree["Plan."+format], "/files/") {
			t.Errorf("%s names files of the workspace: %s", format, tree["Plan."+format])
		}
		data := second + format
		said := ran(t, "import", "--data", data, out)
		if !strings.Contains(said, "imported 3 of 3") {
			t.Errorf("%s: the import says %q", format, said)
		}
		ran(t, "export", "--data", data, "--format", format, "--to", again)
		other := readTree(t, again)
		if !maps.Equal(tree, other) {
			t.Errorf("%s: the second export has %q\n%s\nand the first had %q\n%s", format,
				slices.Sorted(maps.Keys(other)), other["Plan."+format], names, tree["Plan."+format])
		}
		halley(t.Context(), io.Discard, nil, "export", "--data", data, "--format", format, "--to", again).wantLine(t, 1, "this file is there already")
		ran(t, "export", "--data", data, "--format", format, "--to", again, "--force")
	}
}

// wantLine fails unless a command ended with status and said so.
func (h heard) wantLine(t *testing.T, status int, what string) {
	t.Helper()
	if h.status != status || !strings.Contains(h.stdout+h.stderr, what) {
		t.Errorf("ended with %d and said %q, want %d and something about %q", h.status, h.stdout+h.stderr, status, what)
	}
}

// TestImportNamesMissingPictures: a picture that is not there is left out by name.
func TestImportNamesMissingPictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unknown := "/files/" + strings.Repeat("0123456789abcdef", 4)
	writeTree(t, dir, map[string]string{"src/a.md": "![lost](lost.png) ![unknown](" + unknown + ") ![here](here.gif)\n", "src/here.gif": dogPicture})
	said := ran(t, "import", "--data", filepath.Join(dir, "data"), filepath.Join(dir, "src"))
	for _, want := range []string{"lost.png", unknown, "imported"} {
		if !strings.Contains(said, want) {
			t.Errorf("the import says %q, and nothing of %s", said, want)
		}
	}
	ran(t, "export", "--data", filepath.Join(dir, "data"), "--to", filepath.Join(dir, "out"))
	tree := readTree(t, filepath.Join(dir, "out"))
	if got, want := tree["a.md"], "lost unknown ![here](a.files/here.gif)\n"; got != want || tree["a.files/here.gif"] != dogPicture {
		t.Errorf("the page is %q, want %q", got, want)
	}
}

// TestImportStaysInItsFolder: a document of somebody else's does not bring this
// machine's own files into a workspace.
func TestImportStaysInItsFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := "GIF89aa secret"
	writeTree(t, dir, map[string]string{
		"secret.gif": secret, "src/.hidden.gif": secret, "src/.git/a.gif": secret,
		"src/a.md": "![a](../secret.gif) ![b](" + filepath.ToSlash(filepath.Join(dir, "secret.gif")) + ") ![c](.hidden.gif) ![d](.git/a.gif) ![e](link.gif)\n" +
			"![f](%2e%2e/secret.gif) [g](../secret.gif) ![h](linked/secret.gif) ![i](x/../../secret.gif)\n",
	})
	for link, to := range map[string]string{"link.gif": "../secret.gif", "linked": ".."} {
		if err := os.Symlink(to, filepath.Join(dir, "src", link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	for i, what := range []string{"src", "src/a.md"} {
		data := filepath.Join(dir, "data"+string(rune('0'+i)))
		ran(t, "import", "--data", data, filepath.Join(dir, what))
		err := fs.WalkDir(os.DirFS(data), ".", func(path string, d fs.DirEntry, err error) error {
			if strings.HasPrefix(path, "blobs/") && !d.IsDir() {
				t.Errorf("the import of %s brings %s along", what, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestExportNamesDamagedFiles: the page and the other pictures are there.
func TestExportNamesDamagedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, out := filepath.Join(dir, "data"), filepath.Join(dir, "out")
	writeTree(t, dir, map[string]string{"src/a.md": "![cat](cat.png) ![dog](dog.gif)\n", "src/cat.png": catPicture, "src/dog.gif": dogPicture})
	ran(t, "import", "--data", data, filepath.Join(dir, "src"))
	err := filepath.WalkDir(filepath.Join(data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if string(content) == catPicture {
			err = os.WriteFile(path, []byte(catPicture[:10]+"?"+catPicture[11:]), 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h := halley(t.Context(), io.Discard, nil, "export", "--data", data, "--to", out)
	h.wantLine(t, 1, "cat.png")
	h.wantLine(t, 1, "1 of 1 could not be exported")
	tree := readTree(t, out)
	if tree["a.files/dog.gif"] != dogPicture || tree["a.files/cat.png"] != "" || !strings.Contains(tree["a.md"], "a.files/dog.gif") {
		t.Errorf("the export is %q", tree)
	}
}
