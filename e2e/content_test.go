package e2e

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestGetContent(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage(`[{"insert":"Title"},{"insert":"\n","attributes":{"header":1}},{"insert":"some "},{"insert":"bold","attributes":{"bold":true}},{"insert":" <text>\n"}]`)
	at := "/api/pages/" + page + "/content"
	for _, c := range []struct{ accept, query, kind, has string }{
		{"", "", "text/markdown", "# Title"},
		{"*/*", "", "text/markdown", "**bold**"},
		{"text/markdown", "", "text/markdown", "**bold**"},
		{"text/html", "", "text/html", "<strong>bold</strong> &lt;text"},
		{"text/plain", "", "text/plain", "some bold <text>"},
		{"application/json", "", "application/json", `"bold":true`},
		{"text/html;q=0.1, text/plain", "", "text/plain", "some bold"},
		{"image/png, text/*;q=0.5", "", "text/markdown", "# Title"},
		{"image/png", "?format=html", "text/html", "<h1"},
		{"", "?format=txt", "text/plain", "some bold"},
		{"", "?format=json", "application/json", `"seq":1`},
	} {
		a := me.send(to("GET", at+c.query).with("Accept", c.accept)).ok(200)
		if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, c.kind) || !strings.Contains(string(a.body), c.has) {
			t.Errorf("Accept %q%s gives %s, want %s with %q: %s", c.accept, c.query, kind, c.kind, c.has, short(a.body))
		}
		if a.header.Get("ETag") != `"1"` {
			t.Errorf("the ETag is %s, want \"1\"", a.header.Get("ETag"))
		}
	}
	json := me.get(at + "?format=json").ok(200)
	if json.text("title") != "A page" || json.number("seq") != 1 || !sameJSON(json.raw("delta"), me.get("/api/pages/"+page).raw("delta")) {
		t.Errorf("as JSON the page is %s", json.body)
	}
	me.send(to("GET", at).with("Accept", "image/png")).refused(406, "not-acceptable")
	me.get(at+"?format=docx").refused(406, "not-acceptable")
	me.send(to("GET", at).with("If-None-Match", `"1"`)).ok(304)
	me.send(to("GET", at).with("If-None-Match", `"0"`)).ok(200)
	me.get("/api/pages/AAAAAAAAAAAAAAAAAAAAAA/content").refused(404, "not-found")
	notes := me.get(at + "?format=txt").header.Get("Halley-Notes")
	if text, _ := url.QueryUnescape(notes); !strings.Contains(text, "bold") {
		t.Errorf("plain text keeps no bold, and the notes are %q", text)
	}
	if policy := me.get(at + "?format=html").header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") {
		t.Errorf("a page's HTML comes with the policy %q", policy)
	}
}

// TestPutContent: a file that was edited elsewhere meets what others wrote
// meanwhile.
func TestPutContent(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage(`[{"insert":"first line\nsecond line\nthird line\n"}]`)
	at := "/api/pages/" + page + "/content"
	put := func(query, kind, body string) request { return to("PUT", at+query).text(kind, body) }

	me.submit(page, edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"very "}]`}, 2)
	me.send(put("?base=1", "text/plain", "first line\nsecond, long line\nthird line\n")).ok(200).has("seq", 3).has("met", 1)
	me.wantPage(page, 3, `[{"insert":"very first line\nsecond, long line\nthird line\n"}]`)
	last := me.get("/api/pages/" + page + "/changes?after=2").ok(200).raw("changes")
	if len(last) > 300 || strings.Contains(last, "third") {
		t.Errorf("the merged change is no small one: %s", last)
	}

	me.send(put("?base=3&format=txt", "application/x-unknown", "very first line\nsecond, long line\nthird line\n")).ok(200).has("seq", 3).has("met", 0)
	me.send(put("?format=txt", "text/plain", "x").with("If-Match", `"2"`)).refused(412, "moved-on")
	me.send(put("?format=txt", "text/plain", "x").with("If-Match", `"99"`)).refused(412, "moved-on")
	me.send(put("?format=txt", "text/plain", "x").with("If-Match", `"no-tag"`)).refused(412, "moved-on")
	me.send(put("?format=txt", "text/plain", "x")).refused(428, "base-required")
	me.send(put("?base=4", "text/plain", "x")).refused(409, "base-ahead").has("head", 3)
	me.send(put("?base=3&epoch=another", "text/plain", "x")).refused(409, "epoch-changed")
	me.send(put("?base=x", "text/plain", "x")).refused(400, "bad-request")
	me.send(put("?base=3", "image/png", "x")).refused(415, "unsupported-format")
	me.send(put("?base=3", "", "x")).refused(415, "unsupported-format")
	me.send(put("?base=3&format=docx", "text/plain", "x")).refused(415, "unsupported-format")
	me.send(put("?base=3", "application/json", "{")).refused(422, "unreadable-file")
	me.wantPage(page, 3, `[{"insert":"very first line\nsecond, long line\nthird line\n"}]`)
	me.send(put("?format=txt", "text/plain", "all new\n").with("If-Match", `"3"`)).ok(200).has("seq", 4).has("met", 0)
	me.wantPage(page, 4, `[{"insert":"all new\n"}]`)

	me.send(to("DELETE", "/api/pages/"+page)).ok(204)
	me.send(put("?base=4", "text/plain", "x")).refused(410, "trashed")
}

func TestImport(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	post := func(name, content string) *answer {
		t.Helper()
		return me.send(to("POST", "/api/import").file("file", name, content))
	}
	a := post("Äpfel und Birnen.md", "# Obst\n\n- Äpfel\n- **Birnen**\n").ok(201).has("title", "Obst").has("seq", 1)
	if got := a.header.Get("Location"); got != "/api/pages/"+a.text("id") {
		t.Errorf("Location is %q", got)
	}
	if !sameJSON(a.raw("delta"), me.get("/api/pages/"+a.text("id")).raw("delta")) || !strings.Contains(a.raw("delta"), `"list":"bullet"`) {
		t.Errorf("the page is %s", short(a.body))
	}
	post("Äpfel und Birnen.txt", "text").ok(201).has("title", "Äpfel und Birnen")
	post("page.json", `{"title":"From JSON","delta":[{"insert":"a\n"}]}`).ok(201).has("title", "From JSON")

	post("picture.png", "\x89PNG\r\n\x1a\n\x00\x00\x00").refused(415, "unsupported-format")
	post("broken.json", "{").refused(422, "unreadable-file")
	me.send(to("POST", "/api/import").file("other", "a.md", "x")).refused(400, "bad-request")
	me.send(to("POST", "/api/import").text("text/plain", "x")).refused(415, "unsupported-format")
	me.send(to("POST", "/api/import").text("multipart/form-data; boundary=x", "--x\r\nbroken")).refused(400, "bad-request")
	s.stranger().send(to("POST", "/api/import").file("file", "a.md", "x")).refused(401, "signed-out")
	large := strings.Repeat("x", 64<<20+1)
	me.send(to("POST", "/api/import").file("file", "large.txt", large).chunked()).refused(413, "too-large")
}

// TestUnsafeContent: what could run in somebody's browser gets neither in nor
// out, in whatever format it comes, and is noted.
func TestUnsafeContent(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	unsafe := []struct{ name, content string }{
		{"a.html", `<p>safe</p><script>alert(1)</script><p onclick="alert(1)">b</p><a href="javascript:alert(1)">c</a><img src=x onerror=alert(1)><iframe src="https://example.org"></iframe>`},
		{"b.md", "safe <script>alert(1)</script> [c](javascript:alert(1)) ![d](data:text/html,alert(1)) <b onmouseover=alert(1)>e</b>"},
		{"c.json", `[{"insert":"safe"},{"insert":"c","attributes":{"link":"javascript:alert(1)"}},{"insert":{"image":"data:text/html,alert(1)"}},{"insert":"\n"}]`},
	}
	for _, file := range unsafe {
		t.Run(file.name, func(t *testing.T) {
			me := me.in(t)
			a := me.send(to("POST", "/api/import").file("file", file.name, file.content)).ok(201)
			wantNoted(t, a)
			page := a.text("id")
			wantHarmless(t, a.raw("delta"))
			for _, format := range []string{"html", "md", "json"} {
				out := string(me.get("/api/pages/" + page + "/content?format=" + format).ok(200).body)
				if !strings.Contains(out, "safe") {
					t.Errorf("as %s the page has lost its text: %s", format, out)
				}
				wantHarmless(t, out)
			}
			empty := me.newPage("")
			kind := map[string]string{"a.html": "html", "b.md": "md", "c.json": "json"}[file.name]
			merged := me.send(to("PUT", "/api/pages/"+empty+"/content?base=0&format="+kind).text("text/plain", file.content)).ok(200)
			wantNoted(t, merged)
			wantHarmless(t, me.get("/api/pages/"+empty).raw("delta"))
		})
	}
}

func wantNoted(t *testing.T, a *answer) {
	t.Helper()
	notes, _ := a.value()["notes"].([]any)
	if len(notes) == 0 {
		t.Errorf("nothing is noted of what was left out: %s", short(a.body))
	}
	for _, n := range notes {
		if n, _ := n.(map[string]any); n["what"] == "" || n["note"] == "" || n["count"] == nil {
			t.Errorf("a note that says nothing: %v", n)
		}
	}
}

// wantHarmless fails where text has a link, tag or attribute that runs.
func wantHarmless(t *testing.T, text string) {
	t.Helper()
	var delta []struct {
		Attributes map[string]any `json:"attributes"`
	}
	if json.Unmarshal([]byte(text), &delta) == nil {
		for _, op := range delta {
			if link, _ := op.Attributes["link"].(string); strings.HasPrefix(link, "javascript") {
				t.Errorf("an unsafe link got in: %s", text)
			}
		}
		if strings.Contains(text, `"image":"data:`) {
			t.Errorf("an unsafe image got in: %s", text)
		}
		return
	}
	for _, bad := range []string{"<script", "<iframe", " onclick=", " onerror=", " onmouseover=", `href="javascript`, `src="data:text`} {
		if strings.Contains(strings.ToLower(text), bad) {
			t.Errorf("%s got out: %s", bad, text)
		}
	}
}
