package exchange

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/convert"
	"halley/storage/bolt"
)

// A desk is an Exchange over an empty workspace, and a guest there.
type desk struct {
	*Exchange
	t    *testing.T
	p    editor.Principal
	rest *editor.Pages
}

func newDesk(t *testing.T) desk {
	t.Helper()
	store, err := bolt.Open(t.TempDir(), bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts := account.New(store, time.Now)
	pages, err := editor.Open(t.Context(), editor.Config{}, store, editor.OpenWorkspace{}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pages.Close()
		store.Close()
	})
	p, _, err := accounts.SignInGuest(t.Context(), "Ann")
	if err != nil {
		t.Fatal(err)
	}
	return desk{New(pages, nil, func([]byte) string { return "image/png" }), t, p, pages}
}

func (d desk) exports(id editor.PageID, folder string) string {
	d.t.Helper()
	page, text, err := d.rest.Read(d.t.Context(), d.p, id)
	if err != nil {
		d.t.Fatal(err)
	}
	format, _ := convert.ByName("md")
	var out bytes.Buffer
	if _, err := d.Export(d.t.Context(), d.p, page, text, format, folder, &out); err != nil {
		d.t.Fatal(err)
	}
	return out.String()
}

// TestDocumentGoesInAndOut imports a document with a picture, exports it, edits the
// file and merges it, all without HTTP.
func TestDocumentGoesInAndOut(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	along := Along{ID: d.rest.NewID(d.p, ""), Files: map[string]LocalFile{}}
	blob, err := d.rest.UploadAhead(ctx, d.p, along.ID, strings.NewReader("a picture"))
	if err != nil {
		t.Fatal(err)
	}
	along.Files["Plan.files/cat.png"] = LocalFile{Path: editor.FilePath(blob.Hash), Size: blob.Size}
	source := "One\n\n![cat](Plan.files/cat.png) ![gone](Plan.files/gone.png)\n"
	if names := References(ctx, "Plan.md", []byte(source)); len(names) != 2 {
		t.Errorf("References = %q, want two names", names)
	}
	id, notes, err := d.Import(ctx, d.p, File{Name: "Plan.md", Data: []byte(source)}, along)
	if err != nil || id != along.ID || len(notes) != 1 || !strings.Contains(notes[0].Note, "gone.png") {
		t.Fatalf("Import = %s, %v, %v; want %s and a note about gone.png", id, notes, err, along.ID)
	}
	text := d.exports(id, "Plan.files")
	if text != source {
		t.Errorf("Export = %q, want what was imported: %q", text, source)
	}
	if inside := d.exports(id, ""); !strings.Contains(inside, editor.FilePath(blob.Hash)) {
		t.Errorf("Export without a folder = %q, want the path in the workspace", inside)
	}
	format, _ := convert.ByName("md")
	edited := strings.Replace(d.exports(id, ""), "One", "One and two", 1)
	merged, err := d.Merge(ctx, d.p, id, format, []byte(edited), Base{Seq: 1}, "client-1")
	if err != nil || merged.Seq != 2 || merged.Met != 0 {
		t.Errorf("Merge = %+v, %v; want seq 2 that met nothing", merged, err)
	}
	if got := d.exports(id, "Plan.files"); !strings.HasPrefix(got, "One and two\n\n![cat](Plan.files/cat.png)") {
		t.Errorf("after the merge: %q", got)
	}
	if _, err := d.Merge(ctx, d.p, id, format, []byte(edited), Base{Seq: 1, Exact: true}, "client-2"); !errors.Is(err, editor.ErrMoved) {
		t.Errorf("an exact merge at an old seq: %v, want ErrMoved", err)
	}
}

func TestImportOfUnknownFormat(t *testing.T) {
	d := newDesk(t)
	var unknown *UnknownFormatError
	if _, _, err := d.Import(t.Context(), d.p, File{Name: "a.bin", Data: []byte("\x00\x01\x02")}, Along{}); !errors.As(err, &unknown) {
		t.Errorf("Import = %v, want an *UnknownFormatError", err)
	}
}
