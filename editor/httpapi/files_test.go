package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/storage"
	"halley/storage/bolt"
)

// sends uploads a file, and returns what is answered of it.
func (b *browser) sends(page editor.PageID, name, data string) (file fileJSON, status int) {
	b.t.Helper()
	body, kind := form(b.t, name, data)
	got := b.do("POST", "/api/pages/"+string(page)+"/files", body, "Content-Type", kind)
	if got.Code == http.StatusCreated {
		if err := json.Unmarshal(got.Body.Bytes(), &file); err != nil || got.Header().Get("Location") != file.Path {
			b.t.Fatalf("an upload is answered with %s, %v", got.Body, err)
		}
	}
	return file, got.Code
}

// makes makes a page.
func (b *browser) makes(title string) editor.PageID {
	b.t.Helper()
	got := b.do("POST", "/api/pages", fmt.Sprintf(`{"title":%q}`, title))
	var page struct{ ID editor.PageID }
	if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || page.ID == "" {
		b.t.Fatalf("no page: %d %s", got.Code, got.Body)
	}
	return page.ID
}

// TestFilesRunNothing: whatever a file says it is, a browser that opens it runs
// none of it, and only pictures are shown.
func TestFilesRunNothing(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := b.makes("Files")
	const script = "<script>alert(document.cookie)</script>"
	for _, c := range []struct{ name, data, kind string }{
		{"a.png", "\x89PNG\x0D\x0A\x1A\x0A" + script, "image/png"},
		{"a.jpg", "\xFF\xD8\xFF" + script, "image/jpeg"},
		{"a.gif", "GIF89a" + script, "image/gif"},
		{"a.webp", "RIFF\x00\x00\x00\x00WEBPVP8 " + script, "image/webp"},
		{"a.avif", "\x00\x00\x00\x1cftypavif\x00\x00\x00\x00" + script, "image/avif"},
		{"page.html", "<!doctype html>" + script, anyBytes},
		{"picture.png", "<html>" + script, anyBytes},
		{"picture.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "text/plain; charset=utf-8"},
		{"picture.svg", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, anyBytes},
		{"app.js", "alert(1)", "text/plain; charset=utf-8"},
		{"style.css", "* { background: url(//example.org) }", "text/plain; charset=utf-8"},
		{"a.pdf", "%PDF-1.7", "application/pdf"},
		{"a.exe", "MZ\x00\x01\x02", anyBytes},
		{"empty", "", "text/plain; charset=utf-8"},
	} {
		file, status := b.sends(page, c.name, c.data)
		if status != http.StatusCreated || file.Name != c.name || file.Size != int64(len(c.data)) || file.Type != c.kind ||
			file.Path != fmt.Sprintf("/files/%x", sha256.Sum256([]byte(c.data))) {
			t.Errorf("the upload of %s is answered with %d %+v, want type %s", c.name, status, file, c.kind)
		}
		for _, method := range []string{"GET", "HEAD"} {
			got := b.do(method, file.Path, "")
			h := got.Header()
			if got.Code != 200 || method == "GET" && got.Body.String() != c.data {
				t.Errorf("%s of %s answers %d %q", method, c.name, got.Code, got.Body)
			}
			for name, want := range map[string]string{
				"Content-Type": c.kind, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
				"Cache-Control": "private, no-cache", "Etag": `"` + strings.TrimPrefix(file.Path, "/files/") + `"`, "Cross-Origin-Resource-Policy": "same-origin",
				"Content-Length": fmt.Sprint(len(c.data)),
			} {
				if h.Get(name) != want {
					t.Errorf("%s of %s has %s %q, want %q", method, c.name, name, h.Get(name), want)
				}
			}
			shown := slices.Contains(pictureTypes, c.kind)
			if got := h.Get("Content-Disposition"); got != "attachment" && !shown || got != "" && shown {
				t.Errorf("%s has Content-Disposition %q", c.name, got)
			}
		}
	}
}

func TestPartsOfAFile(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	file, _ := b.sends(b.makes("Files"), "a.txt", "0123456789")
	tag := `"` + strings.TrimPrefix(file.Path, "/files/") + `"`
	for _, c := range []struct {
		header, value string
		status        int
		body          string
	}{
		{"Range", "bytes=2-4", 206, "234"},
		{"Range", "bytes=-3", 206, "789"},
		{"Range", "bytes=10-", 416, "bad-range"},
		{"If-None-Match", tag, 304, ""},
		{"If-None-Match", `"other"`, 200, "0123456789"},
		{"If-Match", `"other"`, 412, "moved-on"},
		{"If-Match", tag, 200, "0123456789"},
	} {
		got := b.do("GET", file.Path, "", c.header, c.value)
		if got.Code != c.status || !strings.Contains(got.Body.String(), c.body) || c.status == 304 && got.Body.Len() > 0 {
			t.Errorf("%s: %s answers %d %q, want %d %q", c.header, c.value, got.Code, got.Body, c.status, c.body)
		}
		if kind := got.Header().Get("Content-Type"); (c.status >= 400) != (kind == "application/problem+json") {
			t.Errorf("%s: %s answers %d with %s", c.header, c.value, got.Code, kind)
		}
	}
	if got := b.do("GET", file.Path, "", "Range", "bytes=10-").Header().Get("Content-Range"); got != "bytes */10" {
		t.Errorf("Content-Range is %q", got)
	}
}

// strictly lets nobody but a page's maker see it.
type strictly struct{ editor.OpenWorkspace }

func (strictly) Role(_ context.Context, p editor.Principal, page editor.Settings) (editor.Role, error) {
	if p.ID == page.Creator {
		return editor.RoleOwn, nil
	}
	return editor.RoleNone, nil
}

// newStrictServer is a server whose files have at most limit bytes, and whose
// pages are their makers' alone.
func newStrictServer(t *testing.T, limit int64) *Server {
	t.Helper()
	store, err := bolt.Open(t.TempDir(), bolt.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts := account.New(store, time.Now)
	pages, err := editor.Open(t.Context(), editor.Config{MaxFileBytes: limit}, store, strictly{}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pages.Close()
		store.Close()
	})
	s, err := New(t.Context(), Config{}, pages, accounts, store)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFilesOfOthers: what somebody may not read they can neither fetch nor get
// into a page of theirs, whichever way they try.
func TestFilesOfOthers(t *testing.T) {
	s := newStrictServer(t, 0)
	ann, bob := signIn(t, s), signIn(t, s)
	file, _ := ann.sends(ann.makes("Hers"), "secret.txt", "secret")
	page := bob.makes("His")
	at := "/api/pages/" + string(page)
	markdown := "Look: ![x](" + file.Path + ")\n"
	imported, kind := form(t, "a.md", markdown)
	asked := map[string]func() (int, string){
		"fetch": func() (int, string) { got := bob.do("GET", file.Path, ""); return got.Code, got.Body.String() },
		"nobody": func() (int, string) {
			got := (&browser{t: t, s: s}).do("GET", file.Path, "")
			return got.Code, got.Body.String()
		},
		"edit": func() (int, string) {
			got := bob.do("POST", at+"/changes", `{"client":"client-1","n":1,"base":0,"delta":[{"insert":"x"},{"insert":{"image":"`+file.Path+`"}}]}`)
			return got.Code, got.Body.String()
		},
		"put": func() (int, string) {
			got := bob.do("PUT", at+"/content?base=0", markdown, "Content-Type", "text/markdown")
			return got.Code, got.Body.String()
		},
		"import": func() (int, string) {
			got := bob.do("POST", "/api/import", imported, "Content-Type", kind)
			return got.Code, got.Body.String()
		},
		"create": func() (int, string) {
			got := bob.do("POST", "/api/pages", `{"delta":[{"insert":{"file":{"path":"`+file.Path+`","name":"x","size":1}}},{"insert":"\n"}]}`)
			return got.Code, got.Body.String()
		},
	}
	for name, want := range map[string]string{
		"fetch": `404 /problems/not-found`, "nobody": `401 /problems/signed-out`,
		"edit": `422 /problems/invalid-edit 1`, "put": `200 `, "import": `201 `, "create": `422 /problems/invalid-edit 0`,
	} {
		status, body := asked[name]()
		var p struct {
			Type string
			Op   *int
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s answers %q", name, body)
			continue
		}
		got := fmt.Sprint(status, " ", p.Type)
		if p.Op != nil {
			got += fmt.Sprint(" ", *p.Op)
		}
		if got != want {
			t.Errorf("%s answers %s, want %s", name, body, want)
		}
	}
	if got := bob.do("GET", file.Path, ""); got.Code != http.StatusNotFound {
		t.Errorf("after an import and a put that left it out, it answers %d", got.Code)
	}
	if _, status := bob.sends(page, "a.txt", "secret"); status != http.StatusCreated {
		t.Errorf("an upload of the same bytes answers %d", status)
	}
	if got := bob.do("GET", file.Path, ""); got.Code != 200 {
		t.Errorf("what he has uploaded himself answers %d", got.Code)
	}
}

// TestUploadLimit: a file over the limit is refused with a sentence, whether
// its length is told or not, and nothing is left of it.
func TestUploadLimit(t *testing.T) {
	s := newStrictServer(t, 1<<20)
	b := signIn(t, s)
	page := b.makes("Files")
	if _, status := b.sends(page, "a", strings.Repeat("x", 1<<20)); status != http.StatusCreated {
		t.Errorf("a file of just the limit answers %d", status)
	}
	for _, size := range []int{1<<20 + 1, 1<<20 + maxOtherBytes, 5 << 20} {
		body, kind := form(t, "a", strings.Repeat("y", size))
		got := b.do("POST", "/api/pages/"+string(page)+"/files", body, "Content-Type", kind)
		if want := "The file is larger than the 1 MiB that this server takes."; got.Code != 413 || !strings.Contains(got.Body.String(), want) || !strings.Contains(got.Body.String(), `"limit":1048576`) {
			t.Errorf("a file of %d bytes answers %d %s", size, got.Code, got.Body)
		}
	}
	body, kind := form(t, "a", strings.Repeat("z", 100_000))
	if got := b.do("POST", "/api/pages/"+string(page)+"/files", body[:50_000], "Content-Type", kind); got.Code != 400 {
		t.Errorf("a form that is cut off answers %d %s", got.Code, got.Body)
	}
	kept := 0
	err := s.store.Blobs(t.Context(), func(storage.Blob) error { kept++; return nil })
	if kept != 1 || err != nil {
		t.Errorf("%d files are kept, %v, want 1", kept, err)
	}
}

// zeros is a reader of zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestUploadsTakeLittleMemory: a file is on its way to the disk as it comes in.
func TestUploadsTakeLittleMemory(t *testing.T) {
	const size = 48 << 20
	b := signIn(t, newServer(t, Config{}))
	page := b.makes("Files")
	frame, kind := form(t, "zeros", "")
	cut := strings.LastIndex(frame, "\r\n--")
	body := io.MultiReader(strings.NewReader(frame[:cut]), io.LimitReader(zeros{}, size), strings.NewReader(frame[cut:]))
	r := httptest.NewRequest("POST", "/api/pages/"+string(page)+"/files", body)
	r.Host, r.ContentLength = "localhost:8080", -1
	r.Header.Set("Content-Type", kind)
	r.AddCookie(b.cookie)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := httptest.NewRecorder()
	b.s.ServeHTTP(got, r)
	runtime.ReadMemStats(&after)
	if got.Code != http.StatusCreated || !strings.Contains(got.Body.String(), fmt.Sprintf(`"size":%d`, size)) {
		t.Fatalf("an upload of %d bytes answers %d %s", size, got.Code, got.Body)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > size/10 {
		t.Errorf("an upload of %d bytes takes %d of memory", size, took)
	}
}

// TestLongFormHeads: what stands before a file in a form is held in memory, and
// therefore short.
func TestLongFormHeads(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := newPageOf(t, b)
	for _, c := range []struct {
		name   string
		before string
		status int
	}{
		{"a short field before it", "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n", 201},
		{"a long field before it", "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n" + strings.Repeat("x", 200<<10) + "\r\n", 400},
		{"a long header", "--b\r\nX-Long: " + strings.Repeat("x", 200<<10) + "\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\r\n", 400},
	} {
		form := c.before + "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n" + strings.Repeat("y", 500<<10) + "\r\n--b--\r\n"
		w := b.do("POST", "/api/pages/"+page+"/files", form, "Content-Type", "multipart/form-data; boundary=b")
		if w.Code != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.status)
		}
	}
}
