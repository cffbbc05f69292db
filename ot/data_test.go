package ot_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"halley/ot"
)

// dataDir is where the shared test data lies, seen from this package.
const dataDir = "../../shared/data"

// openData opens a gzip file of the shared test data, or skips the test.
func openData(tb testing.TB, name string) *bufio.Reader {
	tb.Helper()
	f, err := os.Open(filepath.Join(dataDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		tb.Skipf("the shared test data is not there: %v", err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	return bufio.NewReader(z)
}

// eachLine decodes every line of a gzip JSON-lines file into a T.
func eachLine[T any](tb testing.TB, name string, do func(line int, v T)) {
	tb.Helper()
	lines := json.NewDecoder(openData(tb, name))
	for i := 0; lines.More(); i++ {
		var v T
		if err := lines.Decode(&v); err != nil {
			tb.Fatalf("%s, line %d: %v", name, i, err)
		}
		do(i, v)
	}
}

// parse reads a delta that must be valid.
func parse(tb testing.TB, data string) ot.Delta {
	tb.Helper()
	d, err := ot.Parse([]byte(data))
	if err != nil {
		tb.Fatalf("Parse(%s): %v", data, err)
	}
	return d
}

// js shows a delta in a message.
func js(d ot.Delta) string { return string(d.AppendJSON(nil)) }

// wantDelta fails unless got is want, op for op.
func wantDelta(tb testing.TB, what string, got, want ot.Delta) {
	tb.Helper()
	if !got.Equal(want) {
		tb.Errorf("%s =\n%s, want\n%s", what, js(got), js(want))
	}
}
