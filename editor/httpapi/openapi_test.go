package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"mime"
	"mime/multipart"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"halley/editor"
	"halley/ot"
)

// walk calls visit with every object of the document and its place.
func walk(place string, node any, visit func(place string, object map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		visit(place, node)
		for _, name := range slices.Sorted(maps.Keys(node)) {
			walk(place+"/"+strings.ReplaceAll(name, "/", "~1"), node[name], visit)
		}
	case []any:
		for _, item := range node {
			walk(place, item, visit)
		}
	}
}

func TestOpenAPIReferences(t *testing.T) {
	d := readDocument(t)
	used := map[string]bool{"#/components/examples/no-such-method": true} // of what is no operation
	walk("#", map[string]any(d), func(place string, object map[string]any) {
		if ref, ok := object["$ref"].(string); ok {
			used[ref] = true
			if d.at(ref) == nil {
				t.Errorf("%s refers to %s, which is not there", place, ref)
			}
		}
	})
	for kind, parts := range d["components"].(map[string]any) {
		for name := range parts.(map[string]any) {
			if ref := "#/components/" + kind + "/" + name; !used[ref] && kind != "securitySchemes" {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}

func TestOpenAPIExamples(t *testing.T) {
	d := readDocument(t)
	checked := 0
	walk("#", map[string]any(d), func(place string, object map[string]any) {
		schema, ok := object["schema"]
		if !ok {
			return
		}
		examples := []any{}
		if example, there := object["example"]; there {
			examples = append(examples, example)
		}
		named, _ := object["examples"].(map[string]any)
		for _, example := range named {
			examples = append(examples, d.resolve(example)["value"])
		}
		for _, example := range examples {
			checked++
			if err := d.check(schema, example); err != nil {
				t.Errorf("an example at %s: %v", place, err)
			}
		}
		if text, ok := object["example"].(string); ok && object["x-itemSchema"] != nil {
			checkStream(t, d, text)
		}
	})
	if checked < 50 {
		t.Errorf("only %d examples were found", checked)
	}
}

// checkStream checks each event of an example stream of either kind.
func checkStream(t *testing.T, d document, text string) {
	t.Helper()
	events := 0
	for block := range strings.SplitSeq(text, "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(lines[0], "{") {
			lines = []string{sseAsJSON(lines)}
		}
		for _, line := range lines {
			if line == "" {
				continue // a heartbeat
			}
			events++
			var v any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Errorf("%q in an example is no JSON: %v", line, err)
			} else if err := d.check(d.at("#/components/schemas/Event"), v); err != nil {
				t.Errorf("an event in an example: %v", err)
			}
		}
	}
	if events < 2 {
		t.Errorf("the example %q has %d events", text, events)
	}
}

// sseAsJSON is a server-sent event as the other transports have it; "" for a
// comment.
func sseAsJSON(lines []string) string {
	var members []string
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			members = append(members, `"id":`+strconv.Quote(value))
		case "event":
			members = append(members, `"type":`+strconv.Quote(value))
		case "data":
			members = append(members, `"data":`+value)
		}
	}
	if members == nil {
		return ""
	}
	return "{" + strings.Join(members, ",") + "}"
}

// samples are values that some attribute or embed takes, and close to those.
var samples = []string{
	`true`, `false`, `null`, `0`, `1`, `6`, `7`, `8`, `9`, `1.5`, `-1`, `10000`, `10001`, `1e3`, `""`, `"true"`, `"1"`, `[]`, `{}`,
	`"sub"`, `"super"`, `"up"`, `"bullet"`, `"ordered"`, `"checked"`, `"unchecked"`, `"check"`, `"center"`, `"right"`, `"justify"`, `"left"`,
	`"rtl"`, `"ltr"`, `"info"`, `"tip"`, `"warning"`, `"danger"`, `"c++"`, `"a b"`, `"<script>"`, `"objective-c"`, `"red"`, `"gray"`, `"Red"`, `"mauve"`,
	`"#aAbB09"`, `"#abc"`, `"#aabbccdd"`, `"# abcde"`, `"x^2\n"`, `"a\u0000b"`,
	`"https://example.org"`, `"HTTP://example.org:80/a/b?c#d"`, `"https://a:b@example.org/%20?%zz#x"`, `"https://[::1]/"`, `"https://example.org/%zz"`,
	`"https:"`, `"https://"`, `"https:///x"`, `"https:example.org"`, `"https://example.org/a b"`, `"https://example.org\n"`, `"https://a|b"`, `"https://a:b"`,
	`"https://przyk\u0142ad.example/\u00e9"`, `"//example.org"`, `"example.org"`, `"ftp://example.org"`,
	`"mailto:a@example.org"`, `"MailTo:a@example.org"`, `"mailto:"`, `"tel:+3612345"`, `"tel:1 2"`,
	`"javascript:alert(1)"`, `"java\nscript:alert(1)"`, `" javascript:x"`, `"data:image/png;base64,x"`, `"blob:x"`,
	`"/p/AAAAAAAAAAAAAAAAAAAAAA"`, `"/p/AAAAAAAAAAAAAAAAAAAAAA#h-1.2~_"`, `"/p/AAAAAAAAAAAAAAAAAAAAAA#a b"`, `"/p/../x"`, `"/p/short"`,
	`"/files/0123456789abcdef"`, `"/files/../x"`, `"/files/0123456789abcde"`,
	`"2026-02-28"`, `"2026-02-30"`, `"2026-2-28"`, `"28.02.2026"`,
	`{"path":"/files/0123456789abcdef","name":"a.pdf","size":12}`, `{"path":"/files/0123456789abcdef","name":"a.pdf","size":-1}`,
	`{"path":"/files/0123456789abcdef","name":"a.pdf","size":1.5}`, `{"path":"/files/0123456789abcdef","name":"a.pdf"}`,
	`{"path":"/files/0123456789abcdef","name":"a.pdf","size":12,"x":1}`, `{"path":"/etc/passwd","name":"a","size":1}`,
	`{"id":"ann","label":"Ann"}`, `{"id":"ann"}`, `{"id":1,"label":"Ann"}`, `{"id":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"id":"../x"}`,
	`"` + strings.Repeat("x", 32) + `"`, `"` + strings.Repeat("x", 33) + `"`,
	`"` + strings.Repeat("\u00e9", 1024) + `"`, `"` + strings.Repeat("\u00e9", 1025) + `"`,
	`"https://example.org/` + strings.Repeat("x", 2028) + `"`, `"https://example.org/` + strings.Repeat("x", 2029) + `"`,
	`"` + strings.Repeat("x", 16<<10) + `"`, `"` + strings.Repeat("x", 16<<10+1) + `"`,
}

// agree holds a schema of the document against a check of editor.Schema.
func agree(t *testing.T, d document, what string, schema any, check func(ot.Value) error) {
	t.Helper()
	taken := 0
	for _, sample := range samples {
		value, err := ot.ParseValue([]byte(sample))
		if err != nil {
			t.Fatalf("sample %s: %v", sample, err)
		}
		var v any
		if err := json.Unmarshal([]byte(sample), &v); err != nil {
			t.Fatal(err)
		}
		ours, theirs := check(value), d.check(schema, v)
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s with %.100s: the server says %v, the document %v", what, sample, ours, theirs)
		}
		if ours == nil {
			taken++
		}
	}
	if taken == 0 {
		t.Errorf("%s takes none of the samples", what)
	}
}

func TestOpenAPIAttributes(t *testing.T) {
	d := readDocument(t)
	attributes := d.resolve(d.at("#/components/schemas/Attributes"))
	changes := d.resolve(d.at("#/components/schemas/AttributeChanges"))
	for _, schema := range []map[string]any{attributes, changes} {
		listed := slices.Sorted(maps.Keys(schema["properties"].(map[string]any)))
		if want := (editor.Schema{}).Attributes(); !slices.Equal(listed, want) {
			t.Fatalf("the document lists the attributes %v, want %v", listed, want)
		}
	}
	names := append(editor.Schema{}.Attributes(), "comment:abc-1", "comment:"+strings.Repeat("x", 64))
	for _, name := range names {
		agree(t, d, "attribute "+name, memberSchema(attributes, name), func(v ot.Value) error {
			return editor.Schema{}.CheckAttribute(name, v)
		})
		agree(t, d, "retain with attribute "+name, memberSchema(changes, name), func(v ot.Value) error {
			return editor.Schema{}.CheckOp(ot.Op{Retain: 1, Attributes: ot.MakeAttributes(ot.Attr{Name: name, Value: v})})
		})
	}
	for _, name := range []string{"comment:", "comment:a b", "comment:" + strings.Repeat("x", 65), "onclick", "style", "Bold", ""} {
		if memberSchema(attributes, name) != nil {
			t.Errorf("the document lets an insert have the attribute %q", name)
		}
		if d.check(memberSchema(changes, name), nil) != nil || d.check(memberSchema(changes, name), true) == nil {
			t.Errorf("by the document a retain may not take away the attribute %q, or may set it", name)
		}
	}
}

func TestOpenAPIEmbeds(t *testing.T) {
	d := readDocument(t)
	embed := d.resolve(d.at("#/components/schemas/Embed"))
	listed := slices.Sorted(maps.Keys(embed["properties"].(map[string]any)))
	if want := (editor.Schema{}).Embeds(); !slices.Equal(listed, want) {
		t.Fatalf("the document lists the embeds %v, want %v", listed, want)
	}
	for _, name := range listed {
		agree(t, d, "embed "+name, memberSchema(embed, name), func(v ot.Value) error {
			return editor.Schema{}.CheckEmbed(ot.Embed{Type: name, Value: v})
		})
	}
}

// sourceFiles are a folder's parsed Go files without its tests.
func sourceFiles(t *testing.T, dirs ...string) (files []*ast.File) {
	t.Helper()
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, parsed)
		}
	}
	return files
}

// literals calls visit with the type's last name, "" where it is left out, of
// each composite literal, and with the literal.
func literals(files []*ast.File, visit func(typeName string, lit *ast.CompositeLit)) {
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			switch typ := lit.Type.(type) {
			case *ast.Ident:
				visit(typ.Name, lit)
			case *ast.SelectorExpr:
				visit(typ.Sel.Name, lit)
			case *ast.ArrayType:
				if elem, ok := typ.Elt.(*ast.Ident); ok {
					visit("[]"+elem.Name, lit)
				}
			}
			return true
		})
	}
}

// field is the basic literal that a struct's literal has under a name, else "".
func field(lit *ast.CompositeLit, name string) string {
	for _, elem := range lit.Elts {
		if pair, ok := elem.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
				return basic(pair.Value)
			}
		}
	}
	return ""
}

// basic is the text of a string or number; "" for what is neither.
func basic(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	if text, err := strconv.Unquote(lit.Value); err == nil {
		return text
	}
	return lit.Value
}

// problemsInSource are the types that the edge gives, with their status.
func problemsInSource(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	add := func(name, status string) {
		if name == "" {
			return // made of a mapping
		}
		if other := found[name]; other != "" && other != status {
			t.Errorf("the problem %s is given as %s and as %s", name, other, status)
		}
		found[name] = status
	}
	literals(sourceFiles(t, "."), func(typeName string, lit *ast.CompositeLit) {
		switch typeName {
		case "problem":
			add(field(lit, "name"), field(lit, "status"))
		case "[]mapping":
			for _, row := range lit.Elts {
				add(mapped(row.(*ast.CallExpr)))
			}
		}
	})
	return found
}

// mapped returns the type and status that a row of mappings gives: is names its
// error first.
func mapped(row *ast.CallExpr) (name, status string) {
	args := row.Args
	if fn, ok := row.Fun.(*ast.Ident); ok && fn.Name == "is" {
		args = args[1:]
	}
	return basic(args[1]), basic(args[0])
}

// Each problem type that the server can give is in the document, and none else.
func TestOpenAPIProblems(t *testing.T) {
	d := readDocument(t)
	want := problemsInSource(t)
	if len(want) < 25 {
		t.Fatalf("only %d problems were found in the source", len(want))
	}
	examples := d.at("#/components/examples").(map[string]any)
	documented := map[string]string{}
	for name, example := range examples {
		value := d.resolve(example)["value"].(map[string]any)
		documented[name] = fmt.Sprint(value["status"])
		if value["type"] != "/problems/"+name {
			t.Errorf("the example %s is of type %v", name, value["type"])
		}
	}
	if !maps.Equal(documented, want) {
		t.Errorf("the document's examples give the problems\n%v, want\n%v", documented, want)
	}
	listed := map[string]bool{}
	for _, name := range d.at("#/components/schemas/Problem/properties/type/enum").([]any) {
		listed[strings.TrimPrefix(name.(string), "/problems/")] = true
	}
	for name := range want {
		if !listed[name] {
			t.Errorf("the schema Problem lacks the type %s", name)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("the schema Problem has the type %s, which the server never gives", name)
	}
}

// Each call lists the problems that it gives under their own status.
func TestOpenAPIProblemsStandUnderTheirStatus(t *testing.T) {
	d := readDocument(t)
	status := problemsInSource(t)
	for path, methods := range d["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for code, answer := range operation.(map[string]any)["responses"].(map[string]any) {
				for name := range problemsOf(d, answer) {
					if status[name] != code {
						t.Errorf("%s %s lists %s under %s, want %s", method, path, name, code, status[name])
					}
				}
			}
		}
	}
}

func problemsOf(d document, answer any) map[string]any {
	media := d.resolve(d.resolve(d.resolve(answer)["content"])["application/problem+json"])
	names, _ := media["examples"].(map[string]any)
	return names
}

// Each event type that the server sends is in the document, and none else.
func TestOpenAPIEventTypes(t *testing.T) {
	d := readDocument(t)
	documented := slices.Sorted(maps.Keys(d.at("#/components/schemas/Event/discriminator/mapping").(map[string]any)))
	sent := map[string]bool{}
	literals(sourceFiles(t, ".", "..", "../../push"), func(typeName string, lit *ast.CompositeLit) {
		if name := field(lit, "Type"); typeName == "Event" && name != "" {
			sent[name] = true
		}
	})
	if want := slices.Sorted(maps.Keys(sent)); !slices.Equal(documented, want) {
		t.Errorf("the document has the events %v, want %v", documented, want)
	}
}

// A witness makes calls and holds each answer against the document.
type witness struct {
	*browser
	d      document
	seen   map[string]int  // "METHOD path status", how often
	events map[string]bool // types
}

func (w *witness) call(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	got := w.do(method, path, body, headers...)
	name, operation := w.operation(method, path)
	if operation == nil {
		w.t.Fatalf("%s %s is not in the document", method, path)
	}
	w.seen[fmt.Sprintf("%s %d", name, got.Code)]++
	if err := w.checkAnswer(operation, got); err != nil {
		w.t.Errorf("%s %s answers %d %.500s\n%v", method, path, got.Code, got.Body, err)
	}
	if got.Code < 300 && strings.HasPrefix(got.Header().Get("Content-Type"), "application/json") && body != "" {
		if err := w.checkRequest(operation, body); err != nil {
			w.t.Errorf("%s %s takes %.500s, but by the document: %v", method, path, body, err)
		}
	}
	return got
}

// operation finds the call in the document, under its path there.
func (w *witness) operation(method, path string) (string, map[string]any) {
	path, _, _ = strings.Cut(path, "?")
	asked := strings.Split(path, "/")
	for template, methods := range w.d["paths"].(map[string]any) {
		same := func(a, b string) bool { return a == b || strings.HasPrefix(b, "{") }
		if slices.EqualFunc(asked, strings.Split(template, "/"), same) {
			operation, _ := methods.(map[string]any)[strings.ToLower(method)].(map[string]any)
			return method + " " + template, operation
		}
	}
	return "", nil
}

func (w *witness) checkAnswer(operation map[string]any, got *httptest.ResponseRecorder) error {
	answers := operation["responses"].(map[string]any)
	answer := w.d.resolve(answers[strconv.Itoa(got.Code)])
	if answer == nil {
		return fmt.Errorf("the document has no such status here")
	}
	if err := w.checkHeaders(answer, got); err != nil {
		return err
	}
	content, _ := answer["content"].(map[string]any)
	if content == nil {
		if got.Body.Len() > 0 {
			return fmt.Errorf("the document has no body here")
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(got.Header().Get("Content-Type"))
	if content[kind] == nil && content["*/*"] != nil && kind != "application/problem+json" {
		kind = "*/*"
	}
	if err != nil || content[kind] == nil {
		return fmt.Errorf("the document has no %q here: %v", got.Header().Get("Content-Type"), err)
	}
	schema := content[kind].(map[string]any)["schema"]
	if !strings.HasSuffix(kind, "json") {
		return w.d.check(schema, got.Body.String())
	}
	var v any
	if err := json.Unmarshal(got.Body.Bytes(), &v); err != nil {
		return err
	}
	if kind == "application/problem+json" {
		name := strings.TrimPrefix(v.(map[string]any)["type"].(string), "/problems/")
		if _, listed := problemsOf(w.d, answer)[name]; !listed {
			return fmt.Errorf("the document does not list the problem %s here", name)
		}
	}
	w.noteEvents(v)
	return w.d.check(schema, v)
}

func (w *witness) checkHeaders(answer map[string]any, got *httptest.ResponseRecorder) error {
	headers, _ := answer["headers"].(map[string]any)
	for name, node := range headers {
		header := w.d.resolve(node)
		value := got.Header().Get(name)
		if value == "" {
			if header["required"] == true {
				return fmt.Errorf("the header %s is missing", name)
			}
			continue
		}
		if err := w.d.check(header["schema"], value); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	for _, name := range []string{"ETag", "Location", "Retry-After", "Halley-Notes"} {
		if value := got.Header().Get(name); value != "" && headers[name] == nil && got.Code != 304 {
			return fmt.Errorf("the document does not have the header %s: %s", name, value)
		}
	}
	return nil
}

func (w *witness) checkRequest(operation map[string]any, body string) error {
	content := w.d.resolve(operation["requestBody"])["content"].(map[string]any)
	media, ok := content["application/json"].(map[string]any)
	if !ok || !strings.HasPrefix(body, "{") {
		return nil // a file
	}
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		return err
	}
	return w.d.check(media["schema"], v)
}

func (w *witness) noteEvents(answer any) {
	object, _ := answer.(map[string]any)
	events, _ := object["events"].([]any)
	for _, e := range events {
		w.events[fmt.Sprint(e.(map[string]any)["type"])] = true
	}
}

// poll asks a long poll, and returns its cursor.
func (w *witness) poll(query string) string {
	w.t.Helper()
	got := w.call("GET", "/api/events?"+query, "", "Accept", "application/json")
	var answer struct{ Cursor string }
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
		w.t.Fatal(err)
	}
	return answer.Cursor
}

func (w *witness) create(body string, headers ...string) editor.PageID {
	w.t.Helper()
	return w.idOf(w.call("POST", "/api/pages", body, headers...))
}

func (w *witness) idOf(got *httptest.ResponseRecorder) editor.PageID {
	w.t.Helper()
	var page struct{ ID editor.PageID }
	if err := json.Unmarshal(got.Body.Bytes(), &page); err != nil || page.ID == "" {
		w.t.Fatalf("no page in %d %s: %v", got.Code, got.Body, err)
	}
	return page.ID
}

func newWitness(t *testing.T, cfg Config) *witness {
	return &witness{signIn(t, newServer(t, cfg)), readDocument(t), map[string]int{}, map[string]bool{}}
}

// What the server answers is what the document says.
func TestOpenAPIAnswers(t *testing.T) {
	w := newWitness(t, Config{Version: "1", Licences: "Of all parts."})
	w.session()
	page := w.pages()
	w.edits(page)
	w.line(page)
	w.files(page)
	w.uploads(page)
	w.refusals(page)
	w.leaving(page)
	for _, event := range []string{"hello", "change", "presence", "page", "list", "gone", "reset", "bye"} {
		if !w.events[event] {
			t.Errorf("no %s event was seen", event)
		}
	}
	w.wantEveryCall()
}

// wantEveryCall fails where a call of the document has never succeeded here.
func (w *witness) wantEveryCall() {
	for path, methods := range w.d["paths"].(map[string]any) {
		for method, operation := range methods.(map[string]any) {
			if method == "parameters" {
				continue
			}
			for code := range operation.(map[string]any)["responses"].(map[string]any) {
				name := strings.ToUpper(method) + " " + path + " " + code
				if code < "300" && w.seen[name] == 0 {
					w.t.Errorf("%s was not seen", name)
				}
			}
		}
	}
}

func (w *witness) session() {
	w.call("GET", "/healthz", "")
	w.call("GET", "/readyz", "")
	w.call("GET", "/metrics", "")
	w.call("GET", "/metrics", "", "X-Forwarded-For", "192.0.2.7")
	w.call("GET", "/problems/too-large", "")
	w.call("GET", "/problems/too-large", "", "Accept", "application/json")
	w.call("GET", "/problems/none", "")
	w.call("GET", "/problems/none", "", "Accept", "application/problem+json")
	w.call("GET", "/licences", "")
	w.call("GET", "/api/openapi.json", "")
	w.call("GET", "/api/formats", "")
	w.call("POST", "/api/session", `{"name":"Night shift"}`)
	w.call("GET", "/api/session", "")
	w.call("POST", "/api/session", `{}`)
	other := &witness{&browser{t: w.t, s: w.s}, w.d, w.seen, w.events}
	other.call("GET", "/api/session", "")
	other.call("GET", "/api/pages", "")
	other.call("POST", "/api/session", `{"name":"Guest"}`, "Authorization", "Bearer x")
	other.call("DELETE", "/api/session", "")
}

func (w *witness) pages() editor.PageID {
	w.create(`{}`)
	page := w.create(`{"title":"Minutes","delta":[{"insert":"Minutes"},{"insert":"\n","attributes":{"header":1}},{"insert":{"divider":true}},{"insert":"\n"}]}`,
		"Idempotency-Key", "key-0001")
	at := "/api/pages/" + string(page)
	got := w.call("GET", at, "")
	w.call("GET", at, "", "If-None-Match", got.Header().Get("ETag"))
	w.call("GET", at+"?seq=0", "")
	w.call("PATCH", at, `{"title":"Minutes of March"}`)
	w.call("DELETE", at, "")
	w.call("GET", "/api/pages?trash=1", "")
	w.call("GET", at, "")
	w.call("PATCH", at, `{"title":"No"}`)
	w.call("POST", at+"/untrash", "")
	w.call("GET", at+"/authors", "")
	var list struct{ Cursor string }
	if err := json.Unmarshal(w.call("GET", "/api/pages?limit=1", "").Body.Bytes(), &list); err != nil || list.Cursor == "" {
		w.t.Errorf("a list of one page has no cursor: %v", err)
	}
	w.call("GET", "/api/pages?q=minutes&cursor="+list.Cursor, "")
	return page
}

func (w *witness) edits(page editor.PageID) {
	at := "/api/pages/" + string(page) + "/changes"
	w.call("POST", at, `{"client":"client-1","n":1,"base":1,"delta":[{"retain":8,"attributes":{"comment:c1":true,"bold":null,"unheard-of":null}},{"insert":"Agreed","attributes":{"link":"https://example.org"}},{"delete":1},{"retain":0}]}`)
	w.call("POST", at, `{"client":"client-1","n":2,"base":1,"delta":[{"delete":1}]}`)
	w.call("POST", at, `{"client":"client-1","n":3,"base":1,"delta":[{"delete":1}]}`) // becomes an empty change
	w.call("POST", at, `{"client":"client-1","n":4,"base":1,"delta":[]}`)
	w.call("GET", at+"?after=1", "")
	w.call("GET", at+"?limit=1", "")
}

// line hears of everything that a line can carry, but bye.
func (w *witness) line(page editor.PageID) {
	at := "/api/pages/" + string(page)
	w.call("POST", at+"/presence", `{"client":"client-1","base":2,"cursor":{"index":1,"length":2},"state":"typing"}`)
	w.poll(fmt.Sprintf("page=%s@0&client=client-1&wait=0", page))
	w.poll(fmt.Sprintf("page=%s@99&wait=0", page))
	w.poll(fmt.Sprintf("page=%s@1&page=0123456789abcdef0123&wait=0", page))
	gone := w.create(`{"title":"Soon gone"}`)
	w.call("POST", at+"/presence", `{"client":"client-1","state":"left"}`)
	cursor := w.poll("list=1&wait=0")
	w.call("DELETE", "/api/pages/"+string(gone), "")
	w.call("PATCH", at, `{"title":"Minutes of May"}`)
	for told := map[string]bool{}; len(told) < 2; {
		got := w.call("GET", "/api/events?list=1&cursor="+cursor, "", "Accept", "application/json")
		var answer struct {
			Cursor string
			Events []struct {
				Data struct{ Page struct{ ID string } }
			}
		}
		if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || len(answer.Events) == 0 {
			w.t.Fatalf("no list event: %s, %v", got.Body, err)
		}
		for _, e := range answer.Events {
			if id := editor.PageID(e.Data.Page.ID); id == page || id == gone {
				told[string(id)] = true
			}
		}
		cursor = answer.Cursor
	}
}

func (w *witness) files(page editor.PageID) {
	at := "/api/pages/" + string(page) + "/content"
	for _, format := range []string{"md", "html", "txt", "json"} {
		w.call("GET", at+"?format="+format+"&download=1", "")
	}
	got := w.call("GET", at, "", "Accept", "text/*")
	w.call("GET", at, "", "If-None-Match", got.Header().Get("ETag"))
	w.call("PUT", at+"?base=4", "# Minutes of May\n\nAgreed.\n", "Content-Type", "text/markdown", "Idempotency-Key", "key-0002")
	w.call("PUT", at+"?base=4&format=txt", "Agreed\x00.\n")
	w.call("PUT", at+"?base=4", `{"title":"Minutes","delta":[{"insert":"Agreed!\n"}]}`)
	w.call("GET", at, "", "Accept", "image/png")
	w.call("PUT", at, "Agreed.\n", "Content-Type", "text/plain")
	w.call("PUT", at, "Agreed.\n", "Content-Type", "text/plain", "If-Match", `"4"`)
	w.call("PUT", at+"?base=4", "Other.\n", "Content-Type", "text/markdown", "Idempotency-Key", "key-0002")
	w.call("PUT", at+"?base=999", "Other.\n", "Content-Type", "text/markdown")
	w.call("PUT", at+"?base=4&epoch=other", "Other.\n", "Content-Type", "text/markdown")
	w.call("PUT", at+"?base=4", "{\n", "Content-Type", "application/json")
	w.call("PUT", at+"?base=4", "x", "Content-Type", "image/png")

	for name, file := range map[string]string{"a.md": "# Hello\n\n<script>x</script>\n", "b.txt": "Hello\n", "c.json": "[[", "d.bin": "\x00\x01\x02"} {
		body, kind := form(w.t, name, file)
		w.call("POST", "/api/import", body, "Content-Type", kind)
	}
	w.call("POST", "/api/import", "{}")
	w.call("POST", "/api/import", "--x--\r\n", "Content-Type", "multipart/form-data; boundary=x")
}

func (w *witness) uploads(page editor.PageID) {
	at := "/api/pages/" + string(page)
	body, kind := form(w.t, "plan.txt", "A plan\n")
	var file struct{ Path string }
	if err := json.Unmarshal(w.call("POST", at+"/files", body, "Content-Type", kind).Body.Bytes(), &file); err != nil {
		w.t.Fatal(err)
	}
	etag := w.call("GET", file.Path, "").Header().Get("ETag")
	w.call("GET", file.Path, "", "If-None-Match", etag)
	w.call("GET", file.Path, "", "If-Match", `"another"`)
	w.call("GET", file.Path, "", "Range", "bytes=2-3")
	w.call("GET", file.Path, "", "Range", "bytes=99-")
	w.call("GET", "/files/"+strings.Repeat("0", 64), "")
	w.call("POST", at+"/files", "{}")
	w.call("GET", at+"/files", "")
	w.call("POST", at+"/files", "--x--\r\n", "Content-Type", "multipart/form-data; boundary=x")
	w.call("POST", at+"/changes", `{"client":"client-7","n":1,"base":1,"delta":[{"insert":{"image":"`+file.Path+`"}}]}`)
	w.call("POST", at+"/changes", `{"client":"client-7","n":2,"base":1,"delta":[{"insert":{"image":"/files/`+strings.Repeat("0", 64)+`"}}]}`)
	w.call("PUT", at+"/content?base=1", "![x](/files/"+strings.Repeat("0", 64)+")\n", "Content-Type", "text/markdown")
}

func form(t testing.TB, name, file string) (body, contentType string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(file)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), w.FormDataContentType()
}

func (w *witness) refusals(page editor.PageID) {
	at := "/api/pages/" + string(page)
	for _, body := range []string{
		`{`, `[]`, `{}`, `{"client":"x","n":5,"base":1,"delta":[]}`, `{"client":"client-1","n":5,"base":1,"delta":{}}`,
		`{"client":"client-1","n":9,"base":1,"delta":[{"insert":"x"}]}`,
		`{"client":"client-1","n":3,"base":1,"delta":[{"insert":"x"}]}`,
		`{"client":"client-1","n":4,"base":99,"delta":[{"insert":"x"}]}`,
		`{"client":"client-1","n":4,"base":1,"epoch":"other","delta":[{"insert":"x"}]}`,
		`{"client":"client-1","n":4,"base":1,"delta":[{"insert":"x","attributes":{"onclick":"x"}}]}`,
		`{"client":"client-1","n":4,"base":1,"delta":[{"retain":99},{"insert":"x"}]}`,
		`{"client":"client-1","n":4,"base":1,"delta":[{"insert":"` + strings.Repeat("x", 11_000_000) + `"}]}`,
	} {
		if got := w.call("POST", at+"/changes", body); got.Code < 400 {
			w.t.Errorf("%.200s is not refused: %d %s", body, got.Code, got.Body)
		}
	}
	w.call("POST", at+"/changes", "{}", "Content-Type", "text/plain")
	w.call("POST", at+"/changes", "{}", "Sec-Fetch-Site", "cross-site")
	w.call("GET", at, "", "Host", "evil.example")
	w.call("GET", at+"?seq=99", "")
	w.call("GET", at+"?seq=x", "")
	w.call("GET", at+"/changes?limit=x", "")
	w.call("GET", "/api/pages/nowhere/changes", "")
	w.call("GET", "/api/pages?cursor=x", "")
	w.call("PATCH", at, `{"title":"`+strings.Repeat("x", 301)+`"}`)
	w.call("PATCH", at, `{"title":"`+strings.Repeat("x", maxOtherBytes)+`"}`)
	w.call("POST", "/api/pages", `{"delta":[{"insert":"no newline"}]}`)
	w.call("POST", "/api/pages", `{}`, "Idempotency-Key", "key-0001")
	w.call("GET", "/api/events", "")
	w.call("GET", "/api/events?page=nowhere", "")
	w.call("GET", "/api/events?page="+string(page)+"&client=x", "")

	other := &witness{signIn(w.t, w.s), w.d, w.seen, w.events}
	other.call("POST", at+"/changes", `{"client":"client-1","n":1,"base":1,"delta":[{"insert":"x"}]}`)
	other.call("POST", at+"/presence", `{"client":"client-1","base":1,"cursor":null,"state":"idle"}`)
	other.call("POST", at+"/presence", `{"client":"client-2","base":999,"cursor":null,"state":"idle"}`)
	other.call("GET", "/api/events?page="+string(page)+"&client=client-1", "")

	w.call("DELETE", at, "")
	w.call("POST", at+"/changes", `{"client":"client-1","n":4,"base":1,"delta":[{"insert":"x"}]}`)
	w.call("POST", at+"/presence", `{"client":"client-1","base":1,"cursor":null,"state":"idle"}`)
	w.call("GET", "/api/events?page="+string(page), "")
	w.call("PUT", at+"/content?base=1&format=txt", "x\n")
	w.call("POST", at+"/untrash", "")
}

// leaving is what is answered by a server that goes away.
func (w *witness) leaving(page editor.PageID) {
	if err := w.s.pages.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.poll(fmt.Sprintf("page=%s", page))
	w.call("GET", "/readyz", "")
	w.call("POST", "/api/pages", `{}`)
	w.call("PATCH", "/api/pages/"+string(page), `{"title":"Too late"}`)
}

func TestOpenAPITooMany(t *testing.T) {
	w := newWitness(t, Config{RateLimits: true})
	for range int(workPerPerson.burst/workCreate) + 20 {
		if w.call("POST", "/api/pages", `{}`).Code == 429 {
			return
		}
	}
	t.Error("nothing was limited")
}
