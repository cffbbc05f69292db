package ot_test

import (
	"errors"
	"testing"

	"halley/ot"
)

// A letter is something that holds a delta.
type letter struct {
	to   string
	page uint64
	ops  ot.Delta
}

func readLetter(data string) (letter, error) {
	r := ot.NewReader([]byte(data), "the letter")
	var l letter
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "to":
			l.to, err = r.Text()
		case "page":
			l.page, err = r.Whole()
		default:
			l.ops, err = r.Ops()
		}
		return err
	})
	if err != nil {
		return l, err
	}
	return l, r.End()
}

func TestReader(t *testing.T) {
	l, err := readLetter(` {"to" : "Edmond \u00e9\ud83c\udf89" , "ops":[ {"retain":0}, {"insert":"é"} ] , "page":9007199254740991}` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.to != "Edmond é🎉" || l.page != 9007199254740991 {
		t.Errorf("read %+v", l)
	}
	wantDelta(t, "the ops", l.ops, ot.Delta{{}, {Insert: "é"}})
}

func TestReaderRefuses(t *testing.T) {
	tests := []struct {
		name, data string
		op         int
		want       string
	}{
		{"nothing", ``, -1, "the letter is cut off: '{' is missing"},
		{"no object", `[]`, -1, "the letter is not JSON: byte 0 should be '{'"},
		{"no colon", `{"to" "x"}`, -1, "the letter is not JSON: byte 6 should be ':'"},
		{"no text", `{"to":1}`, -1, "the letter is not JSON: byte 6 should be a string"},
		{"half a pair", `{"to":"\ud800"}`, -1, "the letter has half of a surrogate pair at byte 7"},
		{"no number", `{"page":"1"}`, -1, "the letter is not JSON: byte 8 should be a number without a leading zero"},
		{"too great", `{"page":9007199254740992}`, -1, "the letter has a number that is not a whole one up to 2^53-1"},
		{"far too great", `{"page":18446744073709551617}`, -1, "the letter has a number that is not a whole one up to 2^53-1"},
		{"negative", `{"page":-1}`, -1, "the letter has a number that is not a whole one up to 2^53-1"},
		{"a fraction", `{"page":1.0}`, -1, "the letter has a number that is not a whole one up to 2^53-1"},
		{"ops that are none", `{"ops":{}}`, -1, "the letter is not a JSON array"},
		{"a bad op", `{"ops":[{"retain":1},{"insert":1}]}`, 1, "op 1 inserts neither text nor an embed"},
		{"more behind", `{} {}`, -1, "the letter ends before byte 3, but more follows"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readLetter(test.data)
			wantInvalid(t, err, test.op, test.want)
			if !errors.Is(err, ot.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
		})
	}
}
