package convert

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGolden reads testdata/NAME.EXT.in and compares what it gives with
// NAME.EXT.want; what a page of JSON is written as, with NAME.json.EXT.want.
func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.in")
	if err != nil || len(names) == 0 {
		t.Fatalf("no testdata/*.in: %v", err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".in")
		t.Run(filepath.Base(base), func(t *testing.T) {
			f, ok := Detect(base, "", nil)
			if !ok {
				t.Fatalf("Detect(%q): unknown", base)
			}
			doc := mustRead(t, f, readFile(t, name))
			checkContent(t, doc.Content)
			compareGolden(t, base+".want", showDocument(doc))
			if f.Name != "json" {
				return
			}
			for _, to := range []string{"md", "html", "txt"} {
				var file bytes.Buffer
				ns, err := mustFormat(t, to).Write(t.Context(), &file, doc.Title, 9, doc.Content, nil, pageSchema{}, Limits{})
				if err != nil {
					t.Fatal(err)
				}
				compareGolden(t, base+"."+to+".want", append(file.Bytes(), showNotes(ns)...))
			}
		})
	}
}

func showDocument(doc Document) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "title: %s\n", doc.Title)
	lines, _ := splitLines(doc.Content, pageSchema{}, &notes{})
	for _, l := range lines {
		fmt.Fprintf(&out, "%s %s\n", l.attrs.AppendJSON(nil), show(l.ops))
	}
	out.WriteString(showNotes(doc.Notes))
	return out.Bytes()
}

func showNotes(ns []Note) string {
	var out strings.Builder
	out.WriteString("----- notes\n")
	for _, n := range ns {
		fmt.Fprintf(&out, "%d× %s (line %d): %s\n", n.Count, n.What, n.Where, n.Note)
	}
	return out.String()
}

func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, name); !bytes.Equal(got, want) {
		t.Errorf("%s: %s", name, diffLines(string(want), string(got)))
	}
}
