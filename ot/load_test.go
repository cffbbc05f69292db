package ot_test

import (
	"errors"
	"iter"
	"testing"

	"halley/ot"
)

type wrote struct {
	author string
	units  int
}

func by(stretches ...wrote) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for _, s := range stretches {
			if !yield(s.author, s.units) {
				return
			}
		}
	}
}

func TestNewContentBy(t *testing.T) {
	d, err := ot.Parse([]byte(`[{"insert":"ab😀"},{"insert":{"divider":true}},{"insert":"c\n","attributes":{"bold":true}}]`))
	if err != nil {
		t.Fatal(err)
	}
	whole := []wrote{{"ann", 1}, {"", 3}, {"bob", 2}, {"ann", 1}}
	c, err := ot.NewContentBy(d, by(whole...))
	if err != nil {
		t.Fatal(err)
	}
	var got []wrote
	for author, units := range c.Authors(0, c.Len()) {
		got = append(got, wrote{author, units})
	}
	if len(got) != len(whole) || !c.Delta().Equal(d) {
		t.Errorf("the content is %s by %v", c.Delta().AppendJSON(nil), got)
	}
	for i := range got {
		if got[i] != whole[i] {
			t.Errorf("stretch %d is %v, want %v", i, got[i], whole[i])
		}
	}
	if err := c.ApplyBy("eve", ot.Delta{{Retain: 1}, {Insert: "x"}}); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]wrote{
		"too short":       {{"ann", 6}},
		"too long":        {{"ann", 8}},
		"none":            nil,
		"nothing":         {{"ann", 0}, {"bob", 7}},
		"less":            {{"ann", 8}, {"bob", -1}},
		"through a pair":  {{"ann", 3}, {"bob", 4}},
		"one more at end": {{"ann", 7}, {"bob", 1}},
	} {
		var invalid *ot.InvalidError
		if _, err := ot.NewContentBy(d, by(bad...)); !errors.As(err, &invalid) {
			t.Errorf("%s: NewContentBy(%v) = %v, want an *InvalidError", name, bad, err)
		}
	}
}
