package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestCreatePage(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	a := me.post("/api/pages", `{"title":"Übersicht","delta":[{"insert":"a"},{"insert":"b\n","attributes":{"bold":true}}]}`).ok(201)
	page := a.text("id")
	if len(page) < 16 || strings.Trim(page, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Errorf("the page's id is %q; at least 96 random bits, URL-safe, are wanted", page)
	}
	if got := a.header.Get("Location"); got != "/api/pages/"+page {
		t.Errorf("Location is %q", got)
	}
	a.has("title", "Übersicht").has("seq", 1).has("version", 0).has("role", "own")
	object := me.get("/api/pages/" + page).ok(200)
	if !sameJSON(string(object.body), string(a.body)) {
		t.Errorf("created: %s; read: %s", a.body, object.body)
	}
	list := me.get("/api/pages/" + page + "/changes").ok(200)
	first := list.value()["changes"].([]any)[0].(map[string]any)
	if len(list.value()["changes"].([]any)) != 1 || first["seq"] != 1.0 || first["author"] != me.id {
		t.Errorf("content that is given is change 1 by its author, not %s", list.body)
	}
	me.get("/api/pages/"+page+"/authors").ok(200).has(me.id, map[string]any{"name": "First", "color": me.get("/api/session").text("color"), "kind": "guest"})

	for range 300 {
		if id := me.newPage(""); id[0] == '-' {
			t.Fatalf("the page's id is %q, which a command line takes for a flag", id)
		}
	}

	empty := me.post("/api/pages", `{}`).ok(201).has("title", "").has("seq", 0)
	me.wantPage(empty.text("id"), 0, `[{"insert":"\n"}]`)

	for name, c := range map[string]struct {
		body   string
		status int
		kind   string
	}{
		"no newline at the end": {`{"delta":[{"insert":"a"}]}`, 422, "invalid-edit"},
		"nothing at all":        {`{"delta":[]}`, 422, "invalid-edit"},
		"no content":            {`{"delta":[{"retain":1},{"insert":"\n"}]}`, 422, "invalid-edit"},
		"an unsafe link":        {`{"delta":[{"insert":"a","attributes":{"link":"javascript:x"}},{"insert":"\n"}]}`, 422, "invalid-edit"},
		"a title of two lines":  {`{"title":"a\nb"}`, 400, "bad-request"},
		"a title without end":   {`{"title":"` + strings.Repeat("x", 400) + `"}`, 400, "bad-request"},
		"a title of a number":   {`{"title":7}`, 400, "bad-request"},
		"delta of no ops":       {`{"delta":"text"}`, 400, "bad-request"},
	} {
		t.Run(name, func(t *testing.T) { me.in(t).post("/api/pages", c.body).refused(c.status, c.kind) })
	}
	if rows := me.get("/api/pages?limit=1000").ok(200).value()["pages"].([]any); len(rows) != 302 {
		t.Errorf("%d pages are there, want the 302 that were not refused", len(rows))
	}
}

func TestReadPage(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.threeChanges()
	at := "/api/pages/" + page
	for seq, want := range []string{`[{"insert":"\n"}]`, `[{"insert":"a\n"}]`, `[{"insert":"xa\n"}]`, `[{"insert":"xxa\n"}]`, `[{"insert":"xxxa\n"}]`} {
		a := me.get(fmt.Sprintf("%s?seq=%d", at, seq)).ok(200).has("seq", seq)
		if got := a.raw("delta"); !sameJSON(got, want) {
			t.Errorf("at seq %d the page was %s, want %s", seq, got, want)
		}
	}
	me.get(at+"?seq=5").refused(404, "not-found")
	me.get(at+"?seq=x").refused(400, "bad-request")
	me.get("/api/pages/AAAAAAAAAAAAAAAAAAAAAA").refused(404, "not-found")
	me.get("/api/pages/..%2f..%2fetc").refused(404, "not-found")
	s.stranger().get(at).refused(401, "signed-out")

	tag := me.get(at).header.Get("ETag")
	conditional := func() *answer { return me.send(to("GET", at).with("If-None-Match", tag)) }
	if a := conditional().ok(304); len(a.body) != 0 || tag == "" {
		t.Errorf("304 for the ETag %q has a body: %s", tag, a.body)
	}
	me.submit(page, edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"x"}]`}, 5)
	tag = conditional().ok(200).header.Get("ETag")
	me.send(to("PATCH", at).json(`{"title":"Another"}`)).ok(200).has("version", 1)
	conditional().ok(200)
}

func TestChangeSettings(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	patch := func(body string) *answer { return me.send(to("PATCH", "/api/pages/"+page).json(body)) }
	a := patch(`{"title":"One"}`).ok(200).has("title", "One").has("version", 1)
	if _, there := a.value()["delta"]; there {
		t.Error("PATCH answers the page object without delta")
	}
	patch(`{"title":"Two"}`).ok(200).has("version", 2)
	patch(`{"title":"Two"}`).ok(200).has("version", 2)
	patch(`{}`).refused(400, "bad-request")
	patch(`{"title":"a\u2028b"}`).refused(400, "bad-request")
	s.restart()
	me.get("/api/pages/"+page).ok(200).has("title", "Two").has("version", 2)
}

func TestListPages(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	var made []string
	for i := range 7 {
		made = append(made, me.post("/api/pages", map[string]any{
			"title": fmt.Sprintf("Page %d", i), "delta": []any{map[string]any{"insert": fmt.Sprintf("Sternenstaub number%d\n", i)}},
		}).ok(201).text("id"))
	}
	me.submit(made[2], edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"new "}]`}, 2)

	titles := func(a *answer) (titles []string) {
		for _, row := range a.ok(200).value()["pages"].([]any) {
			row := row.(map[string]any)
			if _, there := row["delta"]; there {
				t.Error("a row of the list has a delta")
			}
			titles = append(titles, row["title"].(string))
		}
		return titles
	}
	all := titles(me.get("/api/pages"))
	if len(all) != 7 || all[0] != "Page 2" {
		t.Errorf("the list is %v, want all 7, the newest change first", all)
	}
	var paged []string
	cursor := ""
	for range 4 {
		a := me.get("/api/pages?limit=3&cursor=" + escaped(cursor))
		paged = append(paged, titles(a)...)
		if a.value()["cursor"] == nil {
			break
		}
		cursor = a.text("cursor")
	}
	if fmt.Sprint(paged) != fmt.Sprint(all) {
		t.Errorf("paged by 3 the list is %v, want %v", paged, all)
	}
	if got := titles(me.get("/api/pages?q=NUMBER4+stern")); fmt.Sprint(got) != "[Page 4]" {
		t.Errorf("searched in texts: %v, want Page 4", got)
	}
	if got := titles(me.get("/api/pages?q=page+5")); fmt.Sprint(got) != "[Page 5]" {
		t.Errorf("searched in titles: %v, want Page 5", got)
	}
	if a := me.get("/api/pages?q=nowhere").ok(200); a.raw("pages") != "[]" || a.raw("cursor") != "null" {
		t.Errorf("nothing found is %s", a.body)
	}
	me.get("/api/pages?cursor=what").refused(400, "bad-request")
	me.get("/api/pages?limit=many").refused(400, "bad-request")
	s.restart()
	if got := titles(me.get("/api/pages")); fmt.Sprint(got) != fmt.Sprint(all) {
		t.Errorf("after a restart the list is %v, want %v", got, all)
	}
}

func TestTrash(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page, other := me.threeChanges(), me.newPage("")
	at := "/api/pages/" + page
	ids := func(query string) string {
		var ids []string
		for _, row := range me.get("/api/pages" + query).ok(200).value()["pages"].([]any) {
			ids = append(ids, row.(map[string]any)["id"].(string))
		}
		return strings.Join(ids, " ")
	}
	me.send(to("DELETE", at)).ok(204)
	me.send(to("DELETE", at)).ok(204)
	if ids("") != other || ids("?trash=1") != page {
		t.Errorf("lists %q, in the trash %q", ids(""), ids("?trash=1"))
	}
	me.post(at+"/changes", edit{client: clientA, n: 4, base: 4, delta: `[{"insert":"x"}]`}.String()).refused(410, "trashed")
	me.get("/api/events?page="+page).refused(410, "trashed")
	if me.get(at).ok(200).text("trashed") == "" {
		t.Error("the page's object does not say that it is in the trash")
	}
	s.restart()
	if ids("?trash=1") != page {
		t.Error("after a restart the page is no longer in the trash")
	}
	me.post(at+"/untrash", "{}").ok(200).has("id", page)
	me.wantPage(page, 4, `[{"insert":"xxxa\n"}]`)
	if ids("?trash=1") != "" {
		t.Error("the page is out of the trash and still in its list")
	}
}

// TestListChanges: the log is given in pieces, none too large, without a gap.
func TestListChanges(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	me.fill(page, 0, 1040)
	read := func(query string) (first, last, count int) {
		t.Helper()
		a := me.get("/api/pages/"+page+"/changes?"+query).ok(200).has("head", 1040)
		changes := a.value()["changes"].([]any)
		for i, c := range changes {
			seq := int(c.(map[string]any)["seq"].(float64))
			if i == 0 {
				first = seq
			} else if seq != last+1 {
				t.Fatalf("change %d comes after %d", seq, last)
			}
			last = seq
		}
		return first, last, len(changes)
	}
	for _, c := range []struct {
		query              string
		first, last, count int
	}{
		{"", 1, 100, 100},
		{"after=40", 41, 140, 100},
		{"after=0&limit=7", 1, 7, 7},
		{"limit=1000", 1, 1000, 1000},
		{"limit=5000", 1, 1000, 1000},
		{"after=1000&limit=1000", 1001, 1040, 40},
		{"after=1040", 0, 0, 0},
		{"after=9000", 0, 0, 0},
	} {
		if first, last, count := read(c.query); first != c.first || last != c.last || count != c.count {
			t.Errorf("?%s gives %d to %d (%d), want %d to %d (%d)", c.query, first, last, count, c.first, c.last, c.count)
		}
	}
	me.get("/api/pages/"+page+"/changes?after=-1").refused(400, "bad-request")

	large := me.newPage("")
	const edits, size = 8, 300_000
	for n := 1; n <= edits; n++ {
		me.submit(large, edit{client: clientA, n: n, base: n - 1, delta: `[{"insert":"` + strings.Repeat("x", size) + `"}]`}, n)
	}
	after := 0
	for range edits {
		a := me.get(fmt.Sprintf("/api/pages/%s/changes?after=%d", large, after)).ok(200)
		if len(a.body) > 1<<20+2*size {
			t.Errorf("one answer has %d bytes, want about 1 MiB at most", len(a.body))
		}
		after += len(a.value()["changes"].([]any))
	}
	if after != edits {
		t.Errorf("in pieces of 1 MiB there are %d changes, want %d", after, edits)
	}
}

// TestIdempotencyKey: what makes something is done once under one key.
func TestIdempotencyKey(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	create := func(c *caller, key, body string) *answer {
		t.Helper()
		return c.send(to("POST", "/api/pages").json(body).with("Idempotency-Key", key))
	}
	one := create(me, "key-number-1", `{"title":"One"}`).ok(201)
	me.submit(one.text("id"), edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}, 1)
	again := create(me, "key-number-1", `{"title":"One"}`).ok(201)
	if string(again.body) != string(one.body) || again.header.Get("Location") != one.header.Get("Location") {
		t.Errorf("the same key gives %s, want the first answer %s", again.body, one.body)
	}
	create(me, "key-number-1", `{"title":"Two"}`).refused(409, "key-reused")
	create(me, "short", `{"title":"Two"}`).refused(400, "bad-request")
	if theirs := create(other, "key-number-1", `{"title":"One"}`).ok(201); theirs.text("id") == one.text("id") {
		t.Error("somebody else's key gives my page")
	}
	create(me, "key-number-2", `{"title":"x\ny"}`).refused(400, "bad-request")
	create(me, "key-number-2", `{"title":"x y"}`).ok(201) // a refusal takes no key

	var all sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		all.Go(func() {
			if a, err := me.try(to("POST", "/api/pages").json(`{"title":"At once"}`).with("Idempotency-Key", "key-at-once")); err == nil {
				ids[i] = a.text("id")
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("one key at the same moment made the pages %v", ids)
		}
	}

	imported := func() *answer {
		return me.send(to("POST", "/api/import").file("file", "notes.txt", "some text").with("Idempotency-Key", "key-import")).ok(201)
	}
	file := imported()
	put := func(body string) *answer {
		return me.send(to("PUT", "/api/pages/"+file.text("id")+"/content?base=1&format=txt").text("text/plain", body).with("Idempotency-Key", "key-of-the-put"))
	}
	merged := put("some more text").ok(200).has("seq", 2)

	s.restart()
	if id := create(me, "key-number-1", `{"title":"One"}`).ok(201).text("id"); id != one.text("id") {
		t.Errorf("after a restart the key gives page %s, want %s", id, one.text("id"))
	}
	if id := imported().text("id"); id != file.text("id") {
		t.Errorf("imported again under its key the file is page %s, want %s", id, file.text("id"))
	}
	if got := put("some more text").ok(200); string(got.body) != string(merged.body) {
		t.Errorf("put again under its key: %s, want %s", got.body, merged.body)
	}
	put("other text").refused(409, "key-reused")
	me.get("/api/pages/"+file.text("id")).ok(200).has("seq", 2)
}

func TestSession(t *testing.T) {
	s := serve(t)
	somebody := s.stranger()
	somebody.get("/api/session").refused(401, "signed-out")
	for _, body := range []string{`{}`, `{"name":""}`, `{"name":"  "}`, `{"name":7}`, `{"name":"` + strings.Repeat("x", 61) + `"}`, `{"name":"a\u202eb"}`} {
		somebody.post("/api/session", body).refused(400, "bad-request")
	}
	a := somebody.post("/api/session", `{"name":"  First  one "}`).ok(200).has("name", "First one").has("kind", "guest")
	cookie := http.Header{"Cookie": a.header["Set-Cookie"]}.Get("Cookie")
	for _, part := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the session's cookie is %q, want %s", cookie, part)
		}
	}
	id := a.text("id")
	if strings.Contains(cookie, id) {
		t.Error("the session's cookie shows who somebody is")
	}
	somebody.get("/api/session").ok(200).has("id", id)
	page := somebody.newPage(`[{"insert":"a\n"}]`)
	somebody.post("/api/session", `{"name":"Renamed"}`).ok(200).has("id", id).has("name", "Renamed")
	if authors := somebody.get("/api/pages/" + page + "/authors").ok(200); !strings.Contains(string(authors.body), "Renamed") {
		t.Errorf("after a change of name the authors are %s", authors.body)
	}
	s.restart()
	somebody.get("/api/session").ok(200).has("id", id)
	somebody.send(to("DELETE", "/api/session")).ok(204)
	somebody.get("/api/session").refused(401, "signed-out")
	somebody.send(to("GET", "/api/session").with("Cookie", strings.SplitN(cookie, ";", 2)[0])).refused(401, "signed-out")
	somebody.send(to("GET", "/api/session").with("Cookie", "halley=forged")).refused(401, "signed-out")
}
