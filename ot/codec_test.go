package ot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"halley/ot"
)

func TestParseNormalises(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", `[]`, `[]`},
		{"white space", " [ { \"insert\" :\t\"a\" }\r\n] ", `[{"insert":"a"}]`},
		{"neighbours", `[{"insert":"a"},{"insert":"b"},{"retain":1},{"retain":2},{"delete":3},{"delete":4}]`,
			`[{"insert":"ab"},{"retain":3},{"delete":7}]`},
		{"neighbours with other attributes", `[{"insert":"a"},{"insert":"b","attributes":{"x":1}}]`,
			`[{"insert":"a"},{"insert":"b","attributes":{"x":1}}]`},
		{"embeds are not joined", `[{"insert":{"a":1}},{"insert":{"a":1}}]`, `[{"insert":{"a":1}},{"insert":{"a":1}}]`},
		{"an insert after a delete", `[{"delete":1},{"insert":"a"},{"delete":1},{"insert":"b"}]`, `[{"insert":"ab"},{"delete":2}]`},
		{"no length", `[{"retain":0},{"insert":""},{"delete":0},{"retain":0,"attributes":{"x":1}},{"insert":"a"}]`, `[{"insert":"a"}]`},
		{"negative zero", `[{"delete":-0}]`, `[]`},
		{"empty attributes", `[{"insert":"a","attributes":{}},{"delete":1,"attributes":{}}]`, `[{"insert":"a"},{"delete":1}]`},
		{"a null attribute", `[{"insert":"a","attributes":{"x":null,"y":1}},{"retain":1,"attributes":{"x":null}}]`,
			`[{"insert":"a","attributes":{"y":1}},{"retain":1,"attributes":{"x":null}}]`},
		{"a plain retain at the end", `[{"insert":"a"},{"retain":5}]`, `[{"insert":"a"},{"retain":5}]`},
		{"sorted attributes", `[{"attributes":{"b":1,"a":2},"insert":"x"}]`, `[{"insert":"x","attributes":{"a":2,"b":1}}]`},
		{"escapes", `[{"insert":"\u0041\/\"\\\b\f\n\r\t\u001F\u2028\uD83C\uDF89"}]`,
			`[{"insert":"A/\"\\\b\f\n\r\t\u001f` + "\u2028🎉" + `"}]`},
		{"the first and the last pair", `[{"insert":"\ud800\udc00\udbff\udfff"}]`, "[{\"insert\":\"\U00010000\U0010ffff\"}]"},
		{"an escaped name", `[{"ins\u0065rt":"a"}]`, `[{"insert":"a"}]`},
		{"whole numbers", `[{"retain":3.0},{"delete":1e2}]`, `[{"retain":3},{"delete":100}]`},
		{"the greatest length", `[{"retain":9007199254740991}]`, `[{"retain":9007199254740991}]`},
		{"a canonical embed", `[{"insert":{"t":{"b":[1.0,1E2, -0],"a":"\u0041"}}}]`, `[{"insert":{"t":{"a":"A","b":[1,100,0]}}}]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := js(parse(t, test.in)); got != test.want {
				t.Errorf("Parse(%s) = %s, want %s", test.in, got, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	tests := []struct {
		name, in string
		op       int
		want     string
	}{
		{"nothing at all", ``, -1, "the delta is not a JSON array"},
		{"null", `null`, -1, "the delta is not a JSON array"},
		{"an object", `{"ops":[]}`, -1, "the delta is not a JSON array"},
		{"cut off", `[{"insert":"a"}`, -1, "the delta is cut off: ',' or ']' is missing"},
		{"cut off in a text", `[{"insert":"a`, 0, "op 0 is cut off: the end of a string is missing"},
		{"more behind", `[] []`, -1, "the delta ends before byte 3, but more follows"},
		{"a comma too many", `[{"retain":1},]`, 1, "op 1 is not an object"},
		{"no object", `[{"retain":1},5]`, 1, "op 1 is not an object"},
		{"no action", `[{}]`, 0, "op 0 has none of insert, retain and delete"},
		{"only attributes", `[{"attributes":{"a":1}}]`, 0, "op 0 has none of insert, retain and delete"},
		{"two actions", `[{"retain":1},{"insert":"a","delete":1}]`, 1, "op 1 has both insert and delete"},
		{"two actions of no length", `[{"retain":0,"delete":0}]`, 0, "op 0 has both retain and delete"},
		{"an action twice", `[{"insert":"a","insert":"b"}]`, 0, "op 0 has insert twice"},
		{"attributes twice", `[{"insert":"a","attributes":{},"attributes":{}}]`, 0, "op 0 has attributes twice"},
		{"an unknown member", `[{"insert":"a","author":"b"}]`, 0, `op 0 has an unknown member "author"`},
		{"negative", `[{"retain":1},{"delete":-1}]`, 1, "op 1 has a negative delete"},
		{"fractional", `[{"retain":1.5}]`, 0, "op 0 has a retain that is no whole number"},
		{"too great", `[{"retain":9007199254740992}]`, 0, "op 0 has a retain greater than 2^53-1"},
		{"infinite", `[{"retain":1e999}]`, 0, "op 0 has a retain greater than 2^53-1"},
		{"too great a sum", `[{"retain":9007199254740990},{"insert":"a"},{"delete":1}]`, 2, "op 2 brings the sum of lengths over 2^53-1"},
		{"a length as text", `[{"retain":"1"}]`, 0, "op 0 has a retain that is no number"},
		{"a leading zero", `[{"retain":01}]`, 0, "op 0 is not JSON: byte 11 should be a number without a leading zero"},
		{"an insert of null", `[{"insert":null}]`, 0, "op 0 inserts neither text nor an embed"},
		{"an insert of a number", `[{"insert":1}]`, 0, "op 0 inserts neither text nor an embed"},
		{"an insert of an array", `[{"insert":["a"]}]`, 0, "op 0 inserts neither text nor an embed"},
		{"an empty embed", `[{"insert":{}}]`, 0, "op 0 inserts an empty embed"},
		{"an embed of two", `[{"insert":{"a":1,"b":2}}]`, 0, "op 0 inserts an embed with more than one member"},
		{"an embed twice", `[{"insert":{"a":1,"a":2}}]`, 0, "op 0 inserts an embed with more than one member"},
		{"an embed without a name", `[{"insert":{"":1}}]`, 0, "op 0 inserts an embed without a name"},
		{"a retained embed", `[{"retain":{"table":{}}}]`, 0, "op 0 retains an embed to change it, which is not supported"},
		{"attributes of null", `[{"insert":"a","attributes":null}]`, 0, "op 0 has attributes that are no object"},
		{"an attribute twice", `[{"retain":1,"attributes":{"b":1,"a":1,"b":2}}]`, 0, `op 0 has the attribute "b" twice`},
		{"attributes on a delete", `[{"delete":1,"attributes":{"a":1}}]`, 0, "op 0 has attributes on a delete"},
		{"a member twice in a value", `[{"insert":{"a":{"x":1,"x":1}}}]`, 0, `op 0 has a value that names "x" twice`},
		{"a deep value", `[{"insert":{"a":` + deep + `}}]`, 0, "op 0 has a value nested more than 32 deep"},
		{"a number without end", `[{"insert":{"a":1e999}}]`, 0, "op 0 has a number that is too great"},
		{"a large value", `[{"insert":{"a":"` + strings.Repeat("x", 1<<20) + `"}}]`, 0, "op 0 has a value of more than 1048576 bytes"},
		{"half a pair", `[{"insert":"\ud83c"}]`, 0, "op 0 has half of a surrogate pair at byte 12"},
		{"the other half", `[{"insert":"a\udf89"}]`, 0, "op 0 has half of a surrogate pair at byte 13"},
		{"halves in the wrong order", `[{"insert":"\udf89\ud83c"}]`, 0, "op 0 has half of a surrogate pair at byte 12"},
		{"two first halves", `[{"insert":"\ud83c\ud83c\udf89"}]`, 0, "op 0 has half of a surrogate pair at byte 12"},
		{"the last first half for a second", `[{"insert":"\ud83c\udbff"}]`, 0, "op 0 has half of a surrogate pair at byte 12"},
		{"no half for a second", `[{"insert":"\ud83c\ue000"}]`, 0, "op 0 has half of a surrogate pair at byte 12"},
		{"half a pair in an attribute", `[{"retain":1,"attributes":{"a":"\ud83c!"}}]`, 0, "op 0 has half of a surrogate pair at byte 32"},
		{"half a pair in a name", `[{"retain":1,"attributes":{"\ud83c":1}}]`, 0, "op 0 has half of a surrogate pair at byte 28"},
		{"half a pair in an embed", `[{"insert":{"\ud83c":1}}]`, 0, "op 0 has half of a surrogate pair at byte 13"},
		{"half a pair as UTF-8", "[{\"insert\":\"\xed\xa0\xbc\"}]", 0, "op 0 has text that is not UTF-8, before byte 16"},
		{"no UTF-8", "[{\"insert\":\"\xff\"}]", 0, "op 0 has text that is not UTF-8, before byte 14"},
		{"no UTF-8 behind an escape", "[{\"insert\":\"\\n\xff\"}]", 0, "op 0 has text that is not UTF-8, before byte 16"},
		{"no escape", `[{"insert":"\x41"}]`, 0, "op 0 is not JSON: byte 12 is no escape"},
		{"no hexadecimal", `[{"insert":"\u00g1"}]`, 0, "op 0 is not JSON: byte 12 is no escape"},
		{"a bare newline", "[{\"insert\":\"a\n\"}]", 0, "op 0 is not JSON: byte 13 is a control character inside a string"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ot.Parse([]byte(test.in))
			wantInvalid(t, err, test.op, test.want)
		})
	}
}

// The JSON of others may hold a Delta as a member.
func TestDeltaInsideJSON(t *testing.T) {
	type edit struct {
		Delta ot.Delta `json:"delta"`
	}
	var e edit
	if err := json.Unmarshal([]byte(`{"delta": [ {"insert":"<é>"}, {"retain":1} ]}`), &e); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(e)
	if want := `{"delta":[{"insert":"\u003cé\u003e"},{"retain":1}]}`; err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	if got, err := json.Marshal(edit{}); err != nil || string(got) != `{"delta":[]}` {
		t.Errorf("Marshal of no Delta = %s, %v", got, err)
	}
	err = json.Unmarshal([]byte(`{"delta": [{"insert":"\ud800"}]}`), &e)
	wantInvalid(t, err, 0, "op 0 has half of a surrogate pair at byte 12")
}

func TestValues(t *testing.T) {
	tests := []struct{ in, want string }{
		{`true`, `true`}, {` null `, `null`}, {`"a\u0062"`, `"ab"`}, {`[ 1 , [ ] , { } ]`, `[1,[],{}]`},
		{`{"b":{"d":1,"c":2},"a":3}`, `{"a":3,"b":{"c":2,"d":1}}`},
		{`{"é":1,"z":2,"🎉":3,"":4}`, `{"":4,"z":2,"é":1,"🎉":3}`},
		{`1`, `1`}, {`-1`, `-1`}, {`-0`, `0`}, {`0.0`, `0`}, {`1.50`, `1.5`}, {`1e3`, `1000`},
		{`123456789012345678`, `123456789012345680`}, {`1e20`, `100000000000000000000`}, {`1e21`, `1e+21`},
		{`0.000001`, `0.000001`}, {`0.0000001`, `1e-7`}, {`1e-400`, `0`}, {`5e-324`, `5e-324`},
		{`1.7976931348623157e308`, `1.7976931348623157e+308`},
	}
	for _, test := range tests {
		if got, err := ot.ParseValue([]byte(test.in)); err != nil || string(got) != test.want {
			t.Errorf("ParseValue(%s) = %s, %v, want %s", test.in, got, err, test.want)
		}
	}
}

func TestValueKinds(t *testing.T) {
	for _, s := range []string{"", "a", "\"\\\n\u0001é🎉", "</script>"} {
		v := ot.StringValue(s)
		if got, ok := v.Text(); !ok || got != s {
			t.Errorf("StringValue(%q).Text() = %q, %v", s, got, ok)
		}
		if canonical, err := ot.ParseValue([]byte(v)); err != nil || canonical != v {
			t.Errorf("StringValue(%q) = %s, which is canonically %s, %v", s, v, canonical, err)
		}
	}
	for _, n := range []int{0, 1, -1, 1<<53 - 1} {
		v := ot.IntValue(n)
		if got, ok := v.Int(); !ok || got != n || string(v) != fmt.Sprint(n) {
			t.Errorf("IntValue(%d) = %s, Int() = %d, %v", n, v, got, ok)
		}
	}
	for _, v := range []ot.Value{"", "true", "null", "1.5", "1e+21", `"1"`, "[1]"} {
		if n, ok := v.Int(); ok {
			t.Errorf("Value(%s).Int() = %d", v, n)
		}
	}
	for _, v := range []ot.Value{"", "true", "1", `["a"]`} {
		if s, ok := v.Text(); ok {
			t.Errorf("Value(%s).Text() = %q", v, s)
		}
	}
}

func TestValidate(t *testing.T) {
	attr := func(name string, v ot.Value) ot.Attributes { return ot.Attributes{{Name: name, Value: v}} }
	tests := []struct {
		in   ot.Op
		want string
	}{
		{ot.Op{}, "op 0 does nothing"},
		{ot.Op{Retain: 1, Delete: 1}, "op 0 has more than one action"},
		{ot.Op{Retain: -1}, "op 0 has a negative length"},
		{ot.Op{Delete: 1 << 53}, "op 0 has a length greater than 2^53-1"},
		{ot.Op{Insert: "\xff"}, "op 0 has text that is not UTF-8"},
		{ot.Op{Embed: ot.Embed{Type: "a"}}, "op 0 inserts an embed whose value is not canonical JSON"},
		{ot.Op{Embed: ot.Embed{Type: "a", Value: "1.0"}}, "op 0 inserts an embed whose value is not canonical JSON"},
		{ot.Op{Embed: ot.Embed{Type: "\xff", Value: "1"}}, "op 0 inserts an embed whose name is not UTF-8"},
		{ot.Op{Delete: 1, Attributes: attr("a", ot.True)}, "op 0 has attributes on a delete"},
		{ot.Op{Insert: "a", Attributes: attr("a", ot.Null)}, `op 0 sets the attribute "a" of an insert to null`},
		{ot.Op{Retain: 1, Attributes: attr("a", " true")}, `op 0 has the attribute "a" with a value that is not canonical JSON`},
		{ot.Op{Retain: 1, Attributes: append(attr("b", "1"), attr("a", "1")...)}, "op 0 has attributes that are not sorted, each once"},
	}
	for _, test := range tests {
		wantInvalid(t, ot.Delta{test.in}.Validate(), 0, test.want)
	}
	err := ot.Delta{{Retain: 1<<53 - 1}, {Delete: 1}}.Validate()
	wantInvalid(t, err, 1, "op 1 brings the sum of lengths over 2^53-1")
	if err := parse(t, `[{"insert":"a","attributes":{"b":{"c":[1]}}},{"retain":1,"attributes":{"a":null}}]`).Validate(); err != nil {
		t.Error(err)
	}
}
