package httpapi

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"halley/editor"
	"halley/editor/convert"
	"halley/editor/exchange"
	"halley/ot"
	"halley/storage"
)

// released holds every type that was ever given for an error. No row of it
// changes: programs go by it.
var released = []struct {
	err    error
	status int
	name   string
}{
	{editor.ErrSignedOut, 401, "signed-out"},
	{editor.ErrForbidden, 403, "forbidden"},
	{editor.ErrNotFound, 404, "not-found"},
	{editor.ErrNoSuchSeq, 404, "not-found"},
	{editor.ErrNoSuchFile, 404, "not-found"},
	{&editor.NoSuchPageError{}, 404, "not-found"},
	{&editor.FileTooLargeError{}, 413, "too-large"},
	{editor.ErrTrashed, 410, "trashed"},
	{editor.ErrEpochChanged, 409, "epoch-changed"},
	{&editor.BaseAheadError{}, 409, "base-ahead"},
	{&editor.BaseTooOldError{}, 409, "base-too-old"},
	{&editor.NGapError{}, 409, "n-gap"},
	{&editor.NReusedError{}, 409, "n-reused"},
	{editor.ErrClientTaken, 409, "client-taken"},
	{editor.ErrMoved, 412, "moved-on"},
	{&ot.InvalidError{Op: 3}, 422, "invalid-edit"},
	{editor.ErrPageFull, 422, "page-full"},
	{&convert.SyntaxError{}, 422, "unreadable-file"},
	{&editor.QuotaError{}, 422, "quota-full"},
	{&convert.LimitError{What: convert.Lines, Limit: 500_000}, 422, "page-full"},
	{&convert.LimitError{What: convert.TableCells, Limit: 1000}, 413, "too-large"},
	{&editor.TooManyError{}, 429, "too-many"},
	{editor.ErrDraining, 503, "draining"},
	{storage.ErrUnknown, 503, "disk-failing"},
	{storage.ErrDiskFull, 507, "disk-full"},
	{&editor.BadValueError{}, 400, "bad-request"},
	{&exchange.UnknownFormatError{}, 415, "unsupported-format"},
	{exchange.ErrTooMany, 503, "busy"},
	{&storage.ConflictError{}, 503, "conflict"},
	{&storage.CorruptError{}, 500, "damaged"},
}

func TestReleasedProblems(t *testing.T) {
	for _, c := range released {
		p := toProblem(fmt.Errorf("while doing something: %w", c.err))
		if p.status != c.status || p.name != c.name {
			t.Errorf("%v is %d %s, want %d %s", c.err, p.status, p.name, c.status, c.name)
		}
		if p.title == "" {
			t.Errorf("%v has no title", c.err)
		}
	}
}

func TestUnknownErrorShowsNothing(t *testing.T) {
	p := toProblem(errors.New("secret path /var/lib"))
	if p.status != 500 || strings.Contains(p.detail+p.title, "secret") {
		t.Errorf("an unknown error is answered with %d %q %q", p.status, p.title, p.detail)
	}
}

// Every error that the packages below export has a row.
func TestEveryExportedErrorHasARow(t *testing.T) {
	source := readSource(t, "problems.go") + readSource(t, "idempotency.go") + readSource(t, "session.go")
	for _, dir := range []string{"..", "../account", "../convert", "../exchange", "../../storage"} {
		for _, name := range exportedErrors(t, dir) {
			if !strings.Contains(source, "."+name) {
				t.Errorf("%s of %s has no row in problems.go", name, dir)
			}
		}
	}
}

// exportedErrors lists a package's ErrX variables and XError types.
func exportedErrors(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, object := range parsed.Scope.Objects {
			isVar := object.Kind == ast.Var && strings.HasPrefix(name, "Err")
			isType := object.Kind == ast.Typ && strings.HasSuffix(name, "Error") && ast.IsExported(name)
			if isVar || isType {
				names = append(names, name)
			}
		}
	}
	return names
}

// TestAnswersNameNoFolder: what storage says names the data folder and what the
// system said. Nobody reads that in an answer.
func TestAnswersNameNoFolder(t *testing.T) {
	system := &fs.PathError{Op: "write", Path: "/srv/secret/halley.db", Err: syscall.EROFS}
	for _, err := range []error{
		system, storage.ErrDiskFull, storage.ErrUnknown, storage.ErrClosed, storage.ErrInvalid, storage.ErrNotFound,
		&storage.CorruptError{Key: "/srv/secret/halley.db", Reason: "the file is damaged"},
		&storage.CorruptError{Page: "page", Seq: 3, Reason: "/srv/secret"}, &storage.ConflictError{Expected: 1, Actual: 2},
	} {
		p := toProblem(fmt.Errorf("read the store /srv/secret/halley.db: %w: %w", err, system))
		if said := p.title + p.detail + fmt.Sprint(p.extra); strings.Contains(said, "secret") || strings.Contains(said, syscall.EROFS.Error()) {
			t.Errorf("%v is answered with %q", err, said)
		}
	}
}

// failingStore is a store whose disk takes no writes.
type failingStore struct{ storage.Store }

func (failingStore) Healthy() error {
	return fmt.Errorf("%w: write /srv/secret/halley.db: %w", storage.ErrDiskFull, syscall.EROFS)
}

func TestReadinessNamesNoFolder(t *testing.T) {
	s := newServer(t, Config{AnyHost: true})
	s.store = failingStore{s.store}
	for name, c := range map[string]struct {
		from, host string
		header     string
		details    bool
	}{
		"the machine itself":   {from: "127.0.0.1:5000", host: "localhost", details: true},
		"another":              {from: "192.0.2.7:5000", host: "halley.example"},
		"another by that name": {from: "192.0.2.7:5000", host: "localhost"},
		"a proxy here":         {from: "127.0.0.1:5000", host: "localhost", header: "X-Forwarded-For"},
	} {
		r := httptest.NewRequest("GET", "/readyz", nil)
		r.RemoteAddr, r.Host = c.from, c.host
		if c.header != "" {
			r.Header.Set(c.header, "192.0.2.7")
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		said := w.Body.String()
		if w.Code != 503 || !strings.HasPrefix(said, "takes no edits: ") || strings.Contains(said, "secret") != c.details {
			t.Errorf("%s is answered with %d %q", name, w.Code, said)
		}
	}
}

// TestOneWrapperAnswersErrors: handlers return their errors. Besides the wrapper
// only the recovery from a panic and the writer under http.ServeContent refuse.
func TestOneWrapperAnswersErrors(t *testing.T) {
	calls := 0
	for _, file := range sourceFiles(t, ".") {
		ast.Inspect(file, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == "fail" {
				calls++
			}
			return true
		})
	}
	if calls != 3 {
		t.Errorf("fail is called in %d places, want 3", calls)
	}
}
