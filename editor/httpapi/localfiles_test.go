package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"halley/editor"
)

const png = "\x89PNG\x0D\x0A\x1A\x0A"

// imports sends a document with the files that come along, and returns the page.
func (b *browser) imports(name, text string, files map[string]string) (page pageWithDelta) {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	write := func(field, name, data string) {
		part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name=%q; filename=%q`, field, name)}})
		if err == nil {
			_, err = part.Write([]byte(data))
		}
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for local, data := range files {
		write("files", local, data)
	}
	write("file", name, text)
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	query := ""
	if files != nil {
		query = "?files=1"
	}
	got := b.do("POST", "/api/import"+query, body.String(), "Content-Type", form.FormDataContentType())
	if got.Code != http.StatusCreated {
		b.t.Fatalf("the import of %s answers %d %s", name, got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil {
		b.t.Fatal(err)
	}
	return page
}

// TestExportNamesFiles: in a file that is written for a folder, pictures and
// attachments have names that people like; reading it with them gives the same.
func TestExportNamesFiles(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := b.makes("Plan")
	one, _ := b.sends(page, "x.png", png+"one")
	two, _ := b.sends(page, "x.png", png+"two")
	pdf, _ := b.sends(page, "../r (1).pdf", "%PDF-1.7")
	edit := fmt.Sprintf(`{"client":"client-1","n":1,"base":0,"delta":[
		{"insert":{"image":%q},"attributes":{"alt":"A cat: \u202e[big]"}},{"insert":"\nthen "},{"insert":{"image":%q},"attributes":{"width":100}},
		{"insert":" and "},{"insert":{"image":%[1]q}},{"insert":" and "},{"insert":{"file":{"name":"r (1).pdf","path":%[3]q,"size":8}},"attributes":{"bold":true}},
		{"insert":"\nin code "},{"insert":%[1]q,"attributes":{"code":true}}]}`, one.Path, two.Path, pdf.Path)
	if got := b.do("POST", "/api/pages/"+string(page)+"/changes", edit); got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	got := b.do("GET", "/api/pages/"+string(page)+"/files", "")
	var list struct {
		Seq   uint64
		Files []fileJSON
	}
	if err := json.Unmarshal(got.Body.Bytes(), &list); err != nil || got.Code != 200 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	want := []fileJSON{
		{one.Path, "A cat- -[big].png", one.Size, "image/png"}, {two.Path, "picture.png", two.Size, "image/png"}, {pdf.Path, "r (1).pdf", 8, "application/pdf"},
	}
	if fmt.Sprint(list.Files) != fmt.Sprint(want) || list.Seq != 1 {
		t.Errorf("the files are %+v at seq %d, want %+v", list.Files, list.Seq, want)
	}
	along := map[string]string{"Plan.files/A cat- -[big].png": png + "one", "Plan.files/picture.png": png + "two", "Plan.files/r (1).pdf": "%PDF-1.7"}
	other := signIn(t, newServer(t, Config{})) // a workspace that has none of them
	for _, format := range []string{"md", "html", "json"} {
		first := b.do("GET", "/api/pages/"+string(page)+"/content?format="+format+"&files=Plan.files", "")
		text := first.Body.String()
		if first.Code != 200 || strings.Count(text, "Plan.files/") < 4 || strings.Count(text, one.Path) != 1 {
			t.Errorf("%s: %d %s", format, first.Code, text)
		}
		again := other.imports("Plan."+format, text, along)
		for _, path := range []string{one.Path, two.Path, pdf.Path} {
			if !strings.Contains(string(again.Delta), path) {
				t.Errorf("%s: the import has lost %s: %s", format, path, again.Delta)
			}
			if got := other.do("GET", path, ""); got.Code != 200 {
				t.Errorf("%s: the file %s answers %d after the import", format, path, got.Code)
			}
		}
		if format != "html" && len(again.Notes) > 0 { // its style sheet is always noted
			t.Errorf("%s: the import notes %+v", format, again.Notes)
		}
		second := other.do("GET", "/api/pages/"+string(again.ID)+"/content?format="+format+"&files=Plan.files", "")
		if second.Body.String() != text {
			t.Errorf("%s: the second export is\n%s\nand the first was\n%s", format, second.Body, text)
		}
	}
	for _, folder := range []string{"a/b", "..", "a\\b", "\u202ex", ""} {
		got := b.do("GET", "/api/pages/"+string(page)+"/content?format=md&files="+strings.ReplaceAll(folder, "\\", "%5C"), "")
		if got.Code != 400 {
			t.Errorf("a folder %q is answered with %d", folder, got.Code)
		}
	}
}

// TestImportLeavesOutUnknownFiles: what is not here is left out by name, and
// its description stays; nothing else of the document is refused.
func TestImportLeavesOutUnknownFiles(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	unknown := editor.FilePath([32]byte{1})
	for name, text := range map[string]string{
		"a.md":   "before **![a cat](cat%20one.png)** ![](no-words.png) ![gone](" + unknown + ")\n\nafter [other](other.md)\n",
		"a.html": `<p>before <b><img src="cat%20one.png" alt="a cat"></b> <img src="no-words.png"> <img src="` + unknown + `" alt="gone"></p><p>after <a href="other.md">other</a></p>`,
		"a.json": `[{"insert":"before "},{"insert":{"image":"cat%20one.png"},"attributes":{"alt":"a cat","bold":true}},{"insert":" "},{"insert":{"image":"no-words.png"}},` +
			`{"insert":" "},{"insert":{"image":"` + unknown + `"},"attributes":{"alt":"gone","width":7}},{"insert":"\nafter other\n"}]`,
		"file.json": `[{"insert":"before "},{"insert":{"file":{"name":"a cat","path":"cat one.png","size":3}},"attributes":{"bold":true}},` +
			`{"insert":" "},{"insert":{"image":"no-words.png"}},{"insert":" "},{"insert":{"file":{"name":"gone","path":"` + unknown + `","size":3}}},{"insert":"\nafter other\n"}]`,
	} {
		for _, along := range []map[string]string{nil, {}, {"another.png": png}} {
			page := b.imports(name, text, along)
			const want = `[{"insert":"before "},{"insert":"a cat","attributes":{"bold":true}},{"insert":"  gone\nafter other\n"}]`
			if string(page.Delta) != want {
				t.Errorf("%s became %s, want %s", name, page.Delta, want)
			}
			notes := fmt.Sprint(page.Notes)
			for _, named := range []string{"cat one.png", "no-words.png", unknown} {
				if !strings.Contains(notes, named) {
					t.Errorf("%s: the notes do not name %s: %s", name, named, notes)
				}
			}
		}
	}
}

// TestPutLeavesOutUnknownFiles: as an import does, and the rest of the edit is made.
func TestPutLeavesOutUnknownFiles(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := b.makes("Page")
	unknown := editor.FilePath([32]byte{1})
	got := b.do("PUT", "/api/pages/"+string(page)+"/content?base=0", "one ![gone]("+unknown+") two ![cat](cat.png)\n", "Content-Type", "text/markdown")
	if got.Code != 200 || !strings.Contains(got.Body.String(), unknown) || !strings.Contains(got.Body.String(), "cat.png") {
		t.Errorf("put answers %d %s", got.Code, got.Body)
	}
	if got := b.do("GET", "/api/pages/"+string(page), ""); !strings.Contains(got.Body.String(), `"delta":[{"insert":"one gone two cat\n"}]`) {
		t.Errorf("the page is %s", got.Body)
	}
	// The same file again changes nothing.
	got = b.do("GET", "/api/pages/"+string(page)+"/content?format=md", "")
	again := b.do("PUT", "/api/pages/"+string(page)+"/content?base=1", got.Body.String(), "Content-Type", "text/markdown")
	if again.Code != 200 || !strings.Contains(again.Body.String(), `{"seq":1,"met":0}`) {
		t.Errorf("put of what was got answers %d %s", again.Code, again.Body)
	}
}

// TestImportLinksToFiles: a link to a file that came along becomes an attachment.
func TestImportLinksToFiles(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := b.imports("a.md", "See [the **whole** report](docs/report.pdf) and [![small](s.png)](docs/report.pdf), not [this](other.pdf).\n",
		map[string]string{"docs/report.pdf": "%PDF-1.7", "s.png": png})
	text := string(page.Delta)
	if strings.Count(text, `"name":"the whole report"`) != 1 || strings.Count(text, `"file":`) != 2 || strings.Count(text, `"image":`) != 1 || strings.Contains(text, "link") {
		t.Errorf("the page is %s", text)
	}
}

// TestImportForms: forms that are none, and files that are too large.
func TestImportForms(t *testing.T) {
	s := newStrictServer(t, 1<<20)
	b := signIn(t, s)
	page := b.imports("a.md", "![big](big.png) ![small](small.png)\n", map[string]string{"big.png": strings.Repeat("x", 2<<20), "small.png": png})
	if !strings.Contains(fmt.Sprint(page.Notes), "big.png") || strings.Contains(fmt.Sprint(page.Notes), "small.png") || !strings.Contains(string(page.Delta), `"image"`) {
		t.Errorf("the page is %s with notes %+v", page.Delta, page.Notes)
	}
	for _, c := range []struct {
		body   string
		status int
	}{
		{"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\na\r\n--x--\r\n", 400},
		{"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"/etc/passwd\"\r\n\r\na\r\n--x--\r\n", 400},
		{"--x\r\nContent-Disposition: form-data; name=\"files\"\r\n\r\na\r\n--x--\r\n", 400},
		{"--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\na", 400},
	} {
		if got := b.do("POST", "/api/import?files=1", c.body, "Content-Type", "multipart/form-data; boundary=x"); got.Code != c.status {
			t.Errorf("%q is answered with %d %s", c.body, got.Code, got.Body)
		}
	}
	long := "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"%s\"\r\nX: %s\r\n\r\na\r\n"
	for why, part := range map[string]string{
		"the headers before its file are too long": fmt.Sprintf(long, "a", strings.Repeat("x", 1<<20)),
		"must have a file name":                    fmt.Sprintf(long, strings.Repeat("x/", maxLocalPath), "x"),
	} {
		body := fmt.Sprintf(long, "a", "x") + part + "--x--\r\n"
		got := b.do("POST", "/api/import?files=1", body, "Content-Type", "multipart/form-data; boundary=x")
		if b.want(got, 400, "bad-request"); !strings.Contains(got.Body.String(), why) {
			t.Errorf("it is answered with %s, want a word that %s", got.Body, why)
		}
	}
	if got := b.do("POST", "/api/import?files=1", "x", "Content-Type", "text/plain"); got.Code != 415 {
		t.Errorf("no form is answered with %d", got.Code)
	}
}
