package httpapi

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"halley/editor"
)

const typing = `{"client":"Zk3bq1pXw0aaT-yR","n":1412,"base":20741,"delta":[{"retain":1000},{"insert":"e"}]}`

// TestEditsAsSent: each of them is read the fast way, and as encoding/json reads
// it.
func TestEditsAsSent(t *testing.T) {
	for _, body := range []string{
		typing,
		`{"client":"","n":0,"base":9007199254740991,"delta":[],"epoch":"e1"}`,
		` { "delta" : [ { "insert" : "\u00e9\n\ud83c\udf89" , "attributes" : { "b" : null , "a" : [ 1e2 , "x" ] } } ] , "base" : 7 , "n" : 8 , "client" : "c" } ` + "\n",
		`{"client":"client-a","n":1,"base":1,"delta":[{"insert":{"mention":{"label":"Edmond","id":"p1"}}},{"delete":3.0},{"retain":0},{"retain":2,"attributes":{"bold":null}}],"epoch":""}`,
		"{\"client\":\"client-\u00e9\",\"n\":1,\"base\":1,\"delta\":[{\"insert\":\"\u5f57\u661f\"}]}",
	} {
		if _, ok := editor.ParseEdit([]byte(body)); !ok {
			t.Errorf("%s is not read the fast way", body)
		}
		checkAsExplained(t, body)
	}
}

func TestEditsExplained(t *testing.T) {
	const rest = `"n":1,"base":1,"delta":[]`
	for _, c := range []struct{ name, body, want string }{
		{"nothing", ``, "The body is no JSON: it ends early."},
		{"cut off", `{"client":"c"`, "The body is no JSON: it ends early."},
		{"a comma too many", `{"client":"c",}`, "The body is no JSON: invalid character '}' looking for beginning of object key string at byte 15."},
		{"broken inside of the delta", `{"client":"c","n":1,"base":1,"delta":[{"insert":}]}`, "The body is no JSON: invalid character '}' looking for beginning of value at byte 49."},
		{"an array", `[]`, "The body must be a JSON object, not a JSON array."},
		{"two values", `{"client":"c",` + rest + `} {}`, "The body holds more than one JSON value."},
		{"no client", `{` + rest + `}`, `The member "client" is missing.`},
		{"client null", `{"client":null,` + rest + `}`, `The member "client" is missing.`},
		{"client a number", `{"client":1,` + rest + `}`, `The member "client" cannot be a JSON number.`},
		{"epoch a number", `{"client":"c",` + rest + `,"epoch":1}`, `The member "epoch" cannot be a JSON number.`},
		{"no n", `{"client":"c","base":1,"delta":[]}`, `The member "n" is missing.`},
		{"n a string", `{"client":"c","n":"1","base":1,"delta":[]}`, `The member "n" must be a whole number from 0 to 2^53-1.`},
		{"n negative", `{"client":"c","n":-1,"base":1,"delta":[]}`, `The member "n" must be a whole number from 0 to 2^53-1.`},
		{"n with a fraction", `{"client":"c","n":1.0,"base":1,"delta":[]}`, `The member "n" must be a whole number from 0 to 2^53-1.`},
		{"base too great", `{"client":"c","n":1,"base":9007199254740992,"delta":[]}`, `The member "base" must be a whole number from 0 to 2^53-1.`},
		{"base beyond 64 bits", `{"client":"c","n":1,"base":18446744073709551616,"delta":[]}`, `The member "base" must be a whole number from 0 to 2^53-1.`},
		{"no delta", `{"client":"c","n":1,"base":1}`, `The member "delta" is missing.`},
		{"delta null", `{"client":"c","n":1,"base":1,"delta":null}`, `The member "delta" must be an array of operations.`},
		{"delta an object", `{"client":"c","n":1,"base":1,"delta":{"ops":[]}}`, `The member "delta" must be an array of operations.`},
		{"too many ops", `{"client":"c","n":1,"base":1,"delta":[` + strings.Repeat(`{"retain":1},`, maxEditOps) + `{"retain":1}]}`, "The number of operations is over the limit of 100000."},
		{"too many ops of none", `{"client":"c","n":1,"base":1,"delta":[` + strings.Repeat(`{},`, maxEditOps) + `{}]}`, "The number of operations is over the limit of 100000."},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := decodeEdit([]byte(c.body))
			var p *problem
			if !errors.As(err, &p) || !strings.Contains(p.Error(), c.want) {
				t.Errorf("%.100s gives %+v, %v, want %s", c.body, e, err, c.want)
			}
		})
	}
}

// TestUnusualEdits are taken, if not the fast way.
func TestUnusualEdits(t *testing.T) {
	want, err := decodeEdit([]byte(typing))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"an unknown member":     strings.Replace(typing, `"n"`, `"sent":{"n":[7]},"n"`, 1),
		"a member twice":        strings.Replace(typing, `"n"`, `"n":7,"n"`, 1),
		"the delta twice":       strings.Replace(typing, `"n"`, `"delta":[{}],"n"`, 1),
		"a name in upper case":  strings.Replace(typing, `"n"`, `"N"`, 1),
		"an epoch that is null": strings.Replace(typing, `"n"`, `"epoch":null,"n"`, 1),
	} {
		got, err := decodeEdit([]byte(body))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s gives %+v, %v", name, body, got, err)
		}
	}
	invalid, err := decodeEdit([]byte(strings.Replace(typing, `"e"`, `"e\ud800"`, 1)))
	if err != nil || invalid.Invalid == nil || !strings.HasPrefix(invalid.Invalid.Error(), "op 1 has half of a surrogate pair at byte 29") {
		t.Errorf("half a pair gives %v, %v, want an edit that is invalid", invalid.Invalid, err)
	}
}

// checkAsExplained compares an edit read the fast way with encoding/json's.
func checkAsExplained(t *testing.T, body string) {
	t.Helper()
	got, ok := editor.ParseEdit([]byte(body))
	if !ok {
		return
	}
	want, err := explainEdit([]byte(body))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%q is read as\n%+v, but explained as\n%+v, %v", body, got, want, err)
	}
}

// FuzzDecodeEdit: whatever is read the fast way, encoding/json reads as the same.
func FuzzDecodeEdit(f *testing.F) {
	f.Add(typing)
	f.Add(`{"client":"c","n":1,"base":1,"delta":[{"insert":"\ud83c\udf89"},{"retain":1,"attributes":{"a":null}},{"delete":1e0}],"epoch":"e"}`)
	f.Add(`{"n":01,"N":1,"base":-0,"client":"\u0000","delta":[{}]} {}`)
	f.Fuzz(func(t *testing.T, body string) {
		checkAsExplained(t, body)
		if e, err := decodeEdit([]byte(body)); err == nil && e.Invalid == nil && len(e.Delta) > 0 {
			if again, err := decodeEdit(bytes.Clone([]byte(body))); err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%q is read twice as\n%+v and\n%+v, %v", body, e, again, err)
			}
		}
	})
}

func BenchmarkDecodeEdit(b *testing.B) {
	for _, c := range []struct{ name, body string }{
		{"typed", typing},
		{"typed é", strings.Replace(typing, `"e"`, `"é"`, 1)},
		{"formatted", strings.Replace(typing, `"e"`, `"halley","attributes":{"bold":true,"color":"#aa0000"}`, 1)},
	} {
		b.Run(c.name, func(b *testing.B) {
			body := []byte(c.body)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decodeEdit(body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+", by encoding/json", func(b *testing.B) {
			body := []byte(c.body)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := explainEdit(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
