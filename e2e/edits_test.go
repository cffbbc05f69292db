package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const (
	clientA = "client-A1"
	clientB = "client-B1"
)

// TestRefusedEdits goes through everything that can be wrong with an edit. Each is refused with its type, and changes nothing.
func TestRefusedEdits(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	page := me.newPage(`[{"insert":"ab😀\n"}]`)
	changes := "/api/pages/" + page + "/changes"
	me.submit(page, edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"x"}]`}, 2)
	content := `[{"insert":"xab😀\n"}]`
	good := edit{client: clientA, n: 2, base: 2, delta: `[{"insert":"y"}]`}

	for name, body := range map[string]string{
		"no JSON":                  `{`,
		"nothing":                  ``,
		"an array":                 `[]`,
		"more than one value":      good.String() + `{}`,
		"no client":                `{"n":2,"base":2,"delta":[]}`,
		"no n":                     `{"client":"client-A1","base":2,"delta":[]}`,
		"no base":                  `{"client":"client-A1","n":2,"delta":[]}`,
		"no delta":                 `{"client":"client-A1","n":2,"base":2}`,
		"delta null":               `{"client":"client-A1","n":2,"base":2,"delta":null}`,
		"delta an object":          `{"client":"client-A1","n":2,"base":2,"delta":{"ops":[]}}`,
		"n a string":               `{"client":"client-A1","n":"2","base":2,"delta":[]}`,
		"n a fraction":             `{"client":"client-A1","n":1.5,"base":2,"delta":[]}`,
		"n zero":                   `{"client":"client-A1","n":0,"base":2,"delta":[]}`,
		"n beyond 2^53-1":          `{"client":"client-A1","n":9007199254740992,"base":2,"delta":[]}`,
		"base negative":            `{"client":"client-A1","n":2,"base":-1,"delta":[]}`,
		"base beyond 2^53-1":       `{"client":"client-A1","n":2,"base":9007199254740992,"delta":[]}`,
		"client a number":          `{"client":12345678,"n":2,"base":2,"delta":[]}`,
		"client too short":         `{"client":"seven77","n":2,"base":2,"delta":[]}`,
		"client too long":          `{"client":"` + strings.Repeat("x", 65) + `","n":2,"base":2,"delta":[]}`,
		"client of another letter": `{"client":"client.A1","n":2,"base":2,"delta":[]}`,
		"epoch a number":           `{"client":"client-A1","n":2,"base":2,"delta":[],"epoch":1}`,
	} {
		t.Run(name, func(t *testing.T) { me.in(t).post(changes, body).refused(400, "bad-request") })
	}

	t.Run("Content-Type", func(t *testing.T) {
		me := me.in(t)
		me.send(to("POST", changes).text("text/plain", good.String())).refused(415, "unsupported-format")
		me.send(to("POST", changes).text("", good.String())).refused(415, "unsupported-format")
	})
	t.Run("nobody is signed in", func(t *testing.T) { s.stranger().in(t).post(changes, good.String()).refused(401, "signed-out") })
	t.Run("an unknown token", func(t *testing.T) {
		me := me.in(t)
		me.send(to("POST", changes).json(good.String()).with("Authorization", "Bearer none")).refused(401, "signed-out")
	})
	t.Run("a cross-site request", func(t *testing.T) {
		me := me.in(t)
		me.send(to("POST", changes).json(good.String()).with("Sec-Fetch-Site", "cross-site")).refused(403, "cross-site")
		me.send(to("POST", changes).json(good.String()).with("Origin", "http://elsewhere.example")).refused(403, "cross-site")
	})
	t.Run("no such page", func(t *testing.T) {
		me := me.in(t)
		me.post("/api/pages/AAAAAAAAAAAAAAAAAAAAAA/changes", good.String()).refused(404, "not-found")
	})
	t.Run("epoch", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.epoch = "another"
		me.post(changes, e.String()).refused(409, "epoch-changed")
	})
	t.Run("base ahead", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.base = 3
		me.post(changes, e.String()).refused(409, "base-ahead").has("head", 2)
	})
	t.Run("n skips ahead", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.n = 3
		me.post(changes, e.String()).refused(409, "n-gap").has("next", 2)
		e.client = "client-of-no-edit"
		e.n = 2
		me.post(changes, e.String()).refused(409, "n-gap").has("next", 1)
	})
	t.Run("n reused", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.n = 1
		me.post(changes, e.String()).refused(409, "n-reused").has("seq", 2)
	})
	t.Run("client of somebody else", func(t *testing.T) {
		other := other.in(t)
		other.post(changes, good.String()).refused(409, "client-taken")
		e := edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"x"}]`}
		other.post(changes, e.String()).refused(409, "client-taken") // a resend of it, too
	})

	for _, c := range invalidDeltas {
		t.Run("invalid: "+c.name, func(t *testing.T) {
			me := me.in(t)
			e := good
			e.delta = c.delta
			a := me.post(changes, e.String()).refused(422, "invalid-edit")
			if c.op >= 0 {
				a.has("op", c.op)
			}
		})
	}
	t.Run("too many operations", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.delta = "[" + strings.Repeat(`{"retain":1},`, 100_000) + `{"insert":"x"}]`
		me.post(changes, e.String()).refused(413, "too-large").has("limit", 100_000)
	})
	t.Run("too large", func(t *testing.T) {
		me := me.in(t)
		e := good
		e.delta = `[{"insert":"` + strings.Repeat("x", 16<<20) + `"}]`
		me.send(to("POST", changes).json(e.String())).refused(413, "too-large").has("limit", 16<<20)
		me.send(to("POST", changes).json(e.String()).chunked()).refused(413, "too-large").has("limit", 16<<20)
	})

	me.wantPage(page, 2, content)
	me.submit(page, good, 3) // no refusal took the n
}

// invalidDeltas do not fit the content "xab😀\n" or may be on no page. op is
// the index that the refusal names; -1: any or none.
var invalidDeltas = []struct {
	name, delta string
	op          int
}{
	{"no action", `[{"retain":1},{}]`, 1},
	{"two actions", `[{"insert":"a","delete":1}]`, 0},
	{"an op that is no object", `[{"insert":"a"},7]`, 1},
	{"a fraction", `[{"retain":1.5}]`, 0},
	{"a negative length", `[{"insert":"a"},{"delete":-1}]`, 1},
	{"a length as text", `[{"retain":"1"}]`, 0},
	{"a retain beyond 2^53", `[{"retain":9007199254740993}]`, 0},
	{"insert of a number", `[{"insert":1}]`, 0},
	{"insert of null", `[{"insert":null}]`, 0},
	{"an embed of two", `[{"insert":{"divider":true,"formula":"x"}}]`, 0},
	{"an edit inside an embed", `[{"retain":{"table":{}}}]`, 0},
	{"attributes on a delete", `[{"delete":1,"attributes":{"bold":true}}]`, 0},
	{"past the end", `[{"retain":2},{"retain":5,"attributes":{"bold":true}}]`, 1},
	{"a plain retain past the end", `[{"insert":"a"},{"retain":7}]`, 1},
	{"the last newline deleted", `[{"retain":4},{"delete":2}]`, 1},
	{"an insert after the last newline", `[{"retain":6},{"insert":"z"}]`, 1},
	{"a pair cut by a delete", `[{"retain":3},{"delete":1}]`, 1},
	{"a pair cut by a retain", `[{"retain":4},{"insert":"-"}]`, 1},
	{"half of a pair", `[{"insert":"\ud83d"}]`, 0},
	{"U+0000", `[{"insert":"a\u0000"}]`, 0},
	{"a carriage return", `[{"insert":"a\r\n"}]`, 0},
	{"an unknown attribute", `[{"insert":"a"},{"insert":"b","attributes":{"size":"huge"}}]`, 1},
	{"bold false", `[{"insert":"b","attributes":{"bold":false}}]`, 0},
	{"an unsafe link", `[{"insert":"b","attributes":{"link":"javascript:alert(1)"}}]`, 0},
	{"an unsafe link with a tab", `[{"insert":"b","attributes":{"link":"java\tscript:alert(1)"}}]`, 0},
	{"a data link", `[{"insert":"b","attributes":{"link":"data:text/html,x"}}]`, 0},
	{"a link that is too long", `[{"insert":"b","attributes":{"link":"https://example.org/` + strings.Repeat("x", 2048) + `"}}]`, 0},
	{"header 7", `[{"retain":5},{"retain":1,"attributes":{"header":7}}]`, 1},
	{"indent 0", `[{"insert":"\n","attributes":{"indent":0}}]`, 0},
	{"a list of another kind", `[{"insert":"\n","attributes":{"list":"roman"}}]`, 0},
	{"a color that is none", `[{"insert":"b","attributes":{"color":"url(x)"}}]`, 0},
	{"a code block of a strange language", `[{"insert":"\n","attributes":{"code-block":"a b"}}]`, 0},
	{"an unknown embed", `[{"insert":{"video":"https://example.org/"}}]`, 0},
	{"an image by http", `[{"insert":{"image":"http://example.org/x.png"}}]`, 0},
	{"an image as data", `[{"insert":{"image":"data:image/png;base64,x"}}]`, 0},
	{"a date that is none", `[{"insert":{"date":"2024-02-30"}}]`, 0},
	{"divider false", `[{"insert":{"divider":false}}]`, 0},
}

// TestPageFull: a page takes 10 MB, and then shrinks only.
func TestPageFull(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	changes := "/api/pages/" + page + "/changes"
	large := `[{"insert":"` + strings.Repeat("x", 9_990_000) + `"}]`
	me.submit(page, edit{client: clientA, n: 1, delta: large}, 1)
	e := edit{client: clientA, n: 2, base: 1, delta: `[{"insert":"` + strings.Repeat("y", 20_000) + `"}]`}
	me.post(changes, e.String()).refused(422, "page-full")
	me.get("/api/pages/"+page).ok(200).has("seq", 1)
	me.submit(page, edit{client: clientA, n: 2, base: 1, delta: `[{"delete":9000000}]`}, 2)
	me.submit(page, edit{client: clientA, n: 3, base: 2, delta: e.delta}, 3)
}

// TestTooMany: somebody who sends faster than any person is told when to go on.
func TestTooMany(t *testing.T) {
	s := serve(t, "--rate-limits=on")
	me := s.guest("First")
	page := me.newPage("")
	// Empty edits cost the server nothing but count all the same. After some
	// more calls than this, any call would be too many.
	const calls = 1900
	for range calls {
		a := me.post("/api/pages/"+page+"/changes", edit{client: clientA, n: 1, delta: "[]"}.String())
		if a.status == 200 {
			continue
		}
		a.refused(429, "too-many")
		if a.header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return
	}
	t.Errorf("%d edits in a row, and none was too many", calls)
}

// TestOrderOfChecks sends an edit with everything wrong and mends one thing
// after the other: each refusal names the first that is left.
func TestOrderOfChecks(t *testing.T) {
	s := serve(t)
	me, other := s.guest("First"), s.guest("Second")
	page := me.newPage(`[{"insert":"a\n"}]`)
	me.submit(page, edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"x"}]`}, 2)
	me.send(to("DELETE", "/api/pages/"+page)).ok(204)

	changes := "/api/pages/" + page + "/changes"
	bad := edit{client: clientA, n: 7, base: 99, delta: `[{"insert":"\u0000"}]`, epoch: "another"}
	unknown := strings.Replace(changes, page, "AAAAAAAAAAAAAAAAAAAAAA", 1)

	s.stranger().send(to("POST", unknown).text("text/plain", "{")).refused(401, "signed-out")
	me.send(to("POST", unknown).text("text/plain", "{")).refused(404, "not-found")
	other.post(changes, bad.String()).refused(409, "client-taken")
	me.post(changes, bad.String()).refused(410, "trashed")
	me.post("/api/pages/"+page+"/untrash", "{}").ok(200)
	me.post(changes, bad.String()).refused(409, "epoch-changed")
	bad.epoch = ""
	me.post(changes, bad.String()).refused(409, "base-ahead")
	bad.base = 2
	me.post(changes, bad.String()).refused(409, "n-gap")
	bad.n = 1
	me.post(changes, bad.String()).refused(409, "n-reused")
	bad.n = 2
	me.post(changes, bad.String()).refused(422, "invalid-edit")
	bad.delta = `[{"insert":"y"}]`
	me.submit(page, bad, 3)
}

// TestResend: an edit that is committed is recognised for as long as its page
// lives, and answered with the seq that it got.
func TestResend(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage(`[{"insert":"a\n"}]`)
	first := edit{client: clientA, n: 1, base: 1, delta: `[{"insert":"1"}]`}
	second := edit{client: clientA, n: 2, base: 2, delta: `[{"insert":"2"}]`}
	between := edit{client: clientB, n: 1, base: 2, delta: `[{"insert":"-"}]`}
	empty := edit{client: clientA, n: 9, base: 0, delta: `[]`}

	again := func(head int) {
		t.Helper()
		me.submit(page, first, 2)
		me.submit(page, second, 4)
		me.submit(page, between, 3)
		late := second
		late.base = 3 // what counts is client, n and delta
		me.submit(page, late, 4)
		me.get("/api/pages/"+page).ok(200).has("seq", head)
	}
	me.submit(page, first, 2)
	me.submit(page, between, 3)
	me.submit(page, second, 4)
	again(4)
	me.submit(page, empty, 4) // takes no n, whatever n it has
	me.submit(page, edit{client: clientA, n: 3, base: 4, delta: `[{"insert":"3"}]`}, 5)
	again3 := edit{client: clientA, n: 2, base: 2, delta: `[{"insert":"other"}]`}
	me.submit(page, again3, 4) // only the newest n is compared

	s.restart()
	me.submit(page, first, 2)
	me.submit(page, second, 4)
	me.send(to("DELETE", "/api/pages/"+page)).ok(204)
	me.submit(page, first, 2)
	me.submit(page, edit{client: clientA, n: 3, base: 4, delta: `[{"insert":"3"}]`}, 5)
	me.post("/api/pages/"+page+"/changes", edit{client: clientA, n: 4, base: 5, delta: `[{"insert":"4"}]`}.String()).refused(410, "trashed")
	s.restart()
	me.submit(page, second, 4)
	me.post("/api/pages/"+page+"/untrash", "{}").ok(200)
	me.wantPage(page, 5, `[{"insert":"32-1a\n"}]`)
}

// TestResendAtOnce: the same edit many times at the same moment is one change.
func TestResendAtOnce(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage("")
	var all sync.WaitGroup
	const times = 12
	answers := make([]*answer, times)
	for i := range times {
		all.Go(func() {
			e := edit{client: clientA, n: 1, delta: `[{"insert":"once"}]`}
			answers[i], _ = me.try(to("POST", "/api/pages/"+page+"/changes").json(e.String()))
		})
	}
	all.Wait()
	for _, a := range answers {
		if a == nil {
			t.Fatal("a request was not answered")
		}
		a.ok(200).has("seq", 1)
	}
	me.wantPage(page, 1, `[{"insert":"once\n"}]`)
}

// TestTransform: what happens where two edits meet is fixed.
func TestTransform(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	for _, c := range []struct {
		name, content, first, second, committed, want string
	}{
		{"the later insert goes to the left", `[{"insert":"ab\n"}]`,
			`[{"retain":1},{"insert":"1"}]`, `[{"retain":1},{"insert":"2"}]`,
			`[{"retain":1},{"insert":"2"}]`, `[{"insert":"a21b\n"}]`},
		{"the later value stays", `[{"insert":"ab\n"}]`,
			`[{"retain":2,"attributes":{"color":"#111111"}}]`, `[{"retain":2,"attributes":{"color":"#222222"}}]`,
			`[{"retain":2,"attributes":{"color":"#222222"}}]`, `[{"insert":"ab","attributes":{"color":"#222222"}},{"insert":"\n"}]`},
		{"what is left of an edit is nothing, and has a seq", `[{"insert":"ab\n"}]`,
			`[{"delete":2}]`, `[{"retain":1},{"delete":1}]`,
			`[]`, `[{"insert":"\n"}]`},
		{"an insert into what was deleted stays", `[{"insert":"abc\n"}]`,
			`[{"delete":3}]`, `[{"retain":2},{"insert":"x"}]`,
			`[{"insert":"x"}]`, `[{"insert":"x\n"}]`},
		{"an edit is normalised", `[{"insert":"abc\n"}]`,
			`[{"insert":"-"}]`, `[{"delete":1},{"insert":"x","attributes":{}},{"insert":"y"},{"insert":""},{"retain":2}]`,
			`[{"insert":"xy"},{"retain":1},{"delete":1}]`, `[{"insert":"xy-bc\n"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := me.in(t)
			page := me.newPage(c.content)
			me.submit(page, edit{client: clientA, n: 1, base: 1, delta: c.first}, 2)
			me.submit(page, edit{client: clientB, n: 1, base: 1, delta: c.second}, 3)
			me.wantPage(page, 3, c.want)
			list := me.get("/api/pages/" + page + "/changes?after=2").ok(200).value()["changes"].([]any)
			if got := canonical(list[0].(map[string]any)["delta"]); !sameJSON(got, c.committed) {
				t.Errorf("committed as %s, want %s", got, c.committed)
			}
		})
	}
}

// TestOldBase: an edit that lags by thousands of changes still arrives, and one
// that would cost too much is refused with the head, without taking its n.
func TestOldBase(t *testing.T) {
	s := serve(t)
	me := s.guest("First")
	page := me.newPage(`[{"insert":"end\n"}]`)
	const many = 1200 // more than a page keeps at hand
	me.fill(page, 1, many)
	for _, bad := range []string{`[{"insert":"a"},{"retain":9}]`, `[{"retain":4},{"insert":"!"}]`, `[{"retain":2},{"delete":2}]`} {
		e := edit{client: clientB, n: 1, base: 1, delta: bad}
		me.post("/api/pages/"+page+"/changes", e.String()).refused(422, "invalid-edit").has("op", 1)
	}
	me.submit(page, edit{client: clientB, n: 1, base: 1, delta: `[{"retain":3},{"insert":"!"}]`}, many+2)
	text := string(me.get("/api/pages/" + page + "/content?format=txt").ok(200).body)
	if !strings.HasSuffix(text, "end!\n") || strings.Count(text, "x") != many {
		t.Errorf("the page ends in %.20q and has %d x, want end! and %d", text[max(0, len(text)-20):], strings.Count(text, "x"), many)
	}

	costly := "[" + strings.Repeat(`{"retain":1,"attributes":{"bold":true}},{"retain":1,"attributes":{"bold":null}},`, 2000) + `{"insert":"z"}]`
	e := edit{client: clientB, n: 2, base: 2, delta: costly}
	me.post("/api/pages/"+page+"/changes", e.String()).refused(409, "base-too-old").has("head", many+2)
	me.submit(page, edit{client: clientB, n: 2, base: many + 2, delta: `[{"insert":"z"}]`}, many+3)
}

// fill commits many one-letter changes from a page's seq on, by eight clients
// at once.
func (c *caller) fill(page string, seq, many int) {
	c.tb.Helper()
	const clients = 8
	var all sync.WaitGroup
	failed := make(chan error, clients)
	for i := range clients {
		all.Go(func() {
			for n := 1; n <= many/clients; n++ {
				e := edit{client: fmt.Sprintf("filling-%s-%d", page[:8], i), n: n, base: seq, delta: `[{"insert":"x"}]`}
				a, err := c.try(to("POST", "/api/pages/"+page+"/changes").json(e.String()))
				if err == nil && a.status != 200 {
					err = fmt.Errorf("%d: %s", a.status, short(a.body))
				}
				if err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failed:
		c.tb.Fatalf("fill page %s: %v", page, err)
	default:
	}
}
