package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"halley/editor"
)

// invalidTexts are strings in JSON that are not Unicode text.
var invalidTexts = []string{"a\xff", "\xed\xa0\x80", "\xc3", `\ud83d`, `\ude00`, `\ude00\ud83d`, `\ud83dx`, `\ud83d\n`, `\\\ud83d`}

// TestInvalidTextIsRefused walks every operation of openapi.json, and makes each
// string that it takes invalid.
func TestInvalidTextIsRefused(t *testing.T) {
	d := readDocument(t)
	s := newServer(t, Config{})
	b := signIn(t, s)
	page := b.makes("Minutes")
	before := b.do("GET", "/api/pages", "").Body.String()
	w := textWalk{b: b, d: d, page: page}
	for path, methods := range d["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			if method != "parameters" {
				shared, _ := methods.(map[string]any)["parameters"].([]any)
				w.operation(strings.ToUpper(method), path, operation.(map[string]any), shared)
			}
		}
	}
	if w.requests < 300 {
		t.Errorf("only %d requests were made", w.requests)
	}
	if after := b.do("GET", "/api/pages", "").Body.String(); after != before {
		t.Errorf("refused requests have changed the pages from\n%s to\n%s", before, after)
	}
	if me := b.do("GET", "/api/session", ""); !strings.Contains(me.Body.String(), `"name":"Ann"`) {
		t.Errorf("a refused name was stored: %s", me.Body)
	}
}

type textWalk struct {
	b        *browser
	d        document
	page     editor.PageID
	requests int
}

// at puts valid values into a path's parameters.
func (w *textWalk) at(path string) string {
	path = strings.ReplaceAll(path, "{id}", string(w.page))
	path = strings.ReplaceAll(path, "{hash}", strings.Repeat("0", 64))
	return strings.ReplaceAll(path, "{name}", "too-large")
}

func (w *textWalk) operation(method, path string, operation map[string]any, shared []any) {
	own, _ := operation["parameters"].([]any)
	for _, node := range append(slices.Clone(shared), own...) {
		parameter := w.d.resolve(node)
		name := parameter["name"].(string)
		switch parameter["in"] {
		case "path":
			w.refused(method, strings.Replace(path, "{"+name+"}", "%FF", 1), "")
		case "query":
			w.refused(method, path+"?"+name+"=a%FF", "")
			w.refused(method, path+"?"+name+"=%C3&"+name+"=%A9", "")
			w.refused(method, path+"?"+name+"=a\xff", "")
		case "header":
			w.refused(method, path, "", name, "a\xff")
		}
	}
	w.refused(method, path+"?not-a-parameter=%FF", "")
	w.refused(method, path+"?%FF=1", "")
	w.refused(method, path+"?q=%zz", "")
	w.refused(method, path, "", "Accept", "text/\xff")
	body := w.d.resolve(operation["requestBody"])
	content, _ := body["content"].(map[string]any)
	if media, ok := content["application/json"].(map[string]any); ok && !strings.HasSuffix(path, "/content") {
		w.json(method, path, media["schema"])
	}
	if _, ok := content["multipart/form-data"]; ok {
		w.form(method, path)
	}
}

// json sends bodies in which one member, or a name, is invalid.
func (w *textWalk) json(method, path string, schema any) {
	properties, _ := w.d.resolve(schema)["properties"].(map[string]any)
	if len(properties) == 0 {
		w.b.t.Errorf("%s %s takes JSON without members", method, path)
	}
	for _, invalid := range invalidTexts {
		w.refused(method, path, `{"`+invalid+`":1}`)
		w.refused(method, path, `{"unheard-of":{"deep":["`+invalid+`"]}}`)
		for name := range properties {
			w.refused(method, path, w.complete(name, `"`+invalid+`"`))
		}
		if _, ok := properties["delta"]; ok {
			w.refused(method, path, w.complete("delta", `[{"insert":"`+invalid+`\n"}]`))
			w.refused(method, path, w.complete("delta", `[{"insert":"x\n","attributes":{"link":"/x`+invalid+`"}}]`))
			w.refused(method, path, w.complete("delta", `[{"insert":{"formula":"`+invalid+`"}},{"insert":"\n"}]`))
		}
	}
}

// complete is a body with the members that edits and positions must have, and one
// of another value.
func (w *textWalk) complete(name, value string) string {
	members := map[string]string{"client": `"client-1"`, "n": "1", "base": "0", "delta": `[]`, "cursor": "null", "state": `"idle"`}
	members[name] = value
	var out []string
	for name, value := range members {
		out = append(out, strconv.Quote(name)+":"+value)
	}
	return "{" + strings.Join(out, ",") + "}"
}

// form sends forms in which a name is invalid.
func (w *textWalk) form(method, path string) {
	for _, disposition := range []string{
		"form-data; name=\"file\"; filename=\"a\xff.md\"", `form-data; name="file"; filename*=UTF-8''a%FF.md`,
		"form-data; name=\"\xff\"; filename=\"a.md\"", "form-data; name=\"files\"; filename=\"a\xff.png\"",
	} {
		for _, query := range []string{"", "?files=1"} {
			body, kind := formWith(w.b.t, disposition, "text/markdown")
			w.refused(method, path+query, body, "Content-Type", kind)
		}
	}
	body, kind := formWith(w.b.t, `form-data; name="file"; filename="a.md"`, "text/\xff")
	w.refused(method, path, body, "Content-Type", kind)
}

func formWith(t testing.TB, disposition, kind string) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	form := multipart.NewWriter(&out)
	part, err := form.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}, "Content-Type": {kind}})
	if err == nil {
		_, err = part.Write([]byte("# Hello\n"))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), form.FormDataContentType()
}

func (w *textWalk) refused(method, path, body string, headers ...string) {
	w.b.t.Helper()
	w.requests++
	path = w.at(path)
	got := w.b.do(method, path, body, headers...)
	var answer struct{ Type string }
	_ = json.Unmarshal(got.Body.Bytes(), &answer)
	inDelta := strings.Contains(body, `"delta"`) && answer.Type == "/problems/invalid-edit"
	notArray := answer.Type == "/problems/bad-request" && got.Code == 400 && wrongTypes(body)
	if !notArray && (got.Code != http.StatusUnprocessableEntity || answer.Type != "/problems/invalid-text" && !inDelta) {
		w.b.t.Errorf("%s %q with %q %q: %d %s", method, path, body, headers, got.Code, got.Body)
	}
}

// wrongTypes reports whether a body has text where a number or an object must be.
func wrongTypes(body string) bool {
	var fields struct {
		N, Base, Cursor, Delta any
	}
	if json.Unmarshal([]byte(body), &fields) != nil {
		return false
	}
	_, n := fields.N.(string)
	_, base := fields.Base.(string)
	_, cursor := fields.Cursor.(string)
	_, delta := fields.Delta.(string)
	return n || base || cursor || delta
}

func TestInvalidTitleIsNotStored(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	page := b.makes("Same")
	for _, invalid := range invalidTexts {
		b.want(b.do("POST", "/api/pages", `{"title":"`+invalid+`"}`), 422, "invalid-text")
		b.want(b.do("PATCH", "/api/pages/"+string(page), `{"title":"`+invalid+`"}`), 422, "invalid-text")
		b.want(b.do("POST", "/api/session", `{"name":"`+invalid+`"}`), 422, "invalid-text")
		body, kind := form(t, "a.json", `{"title":"`+invalid+`","delta":[{"insert":"x\n"}]}`)
		b.want(b.do("POST", "/api/import", body, "Content-Type", kind), 422, "unreadable-file")
	}
	for valid, want := range map[string]string{
		"é": "é", "\ufffd": "\ufffd", `\ufffd`: "\ufffd", `\ud83d\ude00`: "😀", `\\ud83d`: `\ud83d`, `\"\u0041`: `"A`,
	} {
		got := b.do("PATCH", "/api/pages/"+string(page), `{"title":"`+valid+`"}`)
		var answer struct{ Title string }
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != 200 || answer.Title != want {
			t.Errorf("the title %q becomes %q, want %q: %d, %v", valid, answer.Title, want, got.Code, err)
		}
	}
}

// FuzzJSONText holds checkJSONText against encoding/json, which replaces what is
// not Unicode: text without U+FFFD gets one exactly where the check refuses it.
func FuzzJSONText(f *testing.F) {
	for _, invalid := range invalidTexts {
		f.Add([]byte(`"` + invalid + `"`))
	}
	f.Add([]byte(`{"a":["\u00e9 \\ud83d \ud83d\ude00 é"],"b":"\""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) || bytes.Contains(bytes.ToLower(body), []byte(`\ufffd`)) ||
			bytes.Contains(body, []byte("\xef\xbf\xbd")) {
			return
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Skip() // a number that is too large
		}
		replaced := strings.ContainsRune(fmt.Sprint(v), '\ufffd')
		if got := checkJSONText(body, nil) != nil; got != replaced && !hasTwice(body) {
			t.Errorf("checkJSONText(%q) refuses: %t, want %t", body, got, replaced)
		}
	})
}

// hasTwice reports whether decoding may drop text: of an object's members with one
// name the last is kept.
func hasTwice(body []byte) bool { return bytes.Count(body, []byte(`:`)) > 1 }

// TestReadHeadersAreAll finds the headers that this package reads in its source.
func TestReadHeadersAreAll(t *testing.T) {
	found := 0
	for _, file := range sourceFiles(t, ".") {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "GetHeader" {
				found++
				if name := basic(call.Args[0]); !slices.Contains(readHeaders, http.CanonicalHeaderKey(name)) {
					t.Errorf("the header %q is read, but its text is not checked", name)
				}
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("only %d calls of GetHeader were found", found)
	}
}

func BenchmarkRequestText(b *testing.B) {
	r := &http.Request{URL: &url.URL{Path: "/api/pages/3q2-7wBqkq0mH5xVt1JZ0A/changes", RawQuery: "after=12&limit=100"}, Header: http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"curl/8"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if err := checkRequestText(r); err != nil {
			b.Fatal(err)
		}
	}
}
