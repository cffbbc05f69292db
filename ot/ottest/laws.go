package ottest

import (
	"fmt"

	"halley/ot"
)

// show returns d as JSON, for messages.
func show(d ot.Delta) string { return string(d.AppendJSON(nil)) }

// same returns an error that names the law and shows both sides where they are
// not equal op for op.
func same(law string, left, right ot.Delta) error {
	if left.Equal(right) {
		return nil
	}
	return fmt.Errorf("%s:\n%s is not\n%s", law, show(left), show(right))
}

// Converges checks that a and b, both made on content, give the same in either
// order, once the second is transformed over the first, whichever comes first.
func Converges(content, a, b ot.Delta) error {
	for _, priority := range []bool{true, false} {
		left := ot.Compose(ot.Compose(content, a), ot.Transform(a, b, priority))
		right := ot.Compose(ot.Compose(content, b), ot.Transform(b, a, !priority))
		if err := same(fmt.Sprintf("convergence with priority %v", priority), left, right); err != nil {
			return fmt.Errorf("%w\nfrom %s\nby %s\nand %s", err, show(content), show(a), show(b))
		}
	}
	return nil
}

// Associates checks that a and then b, made on content∘a, do the same one by one
// as composed.
func Associates(content, a, b ot.Delta) error {
	one := ot.Compose(ot.Compose(content, a), b)
	both := ot.Compose(content, ot.Compose(a, b))
	if err := same("associativity", one, both); err != nil {
		return fmt.Errorf("%w\nfrom %s\nby %s\nand %s", err, show(content), show(a), show(b))
	}
	return nil
}

// Inverts checks that the inverse of a, made on content, restores the content.
func Inverts(content, a ot.Delta) error {
	restored := ot.Compose(ot.Compose(content, a), ot.Invert(a, content))
	if err := same("inverse", restored, content); err != nil {
		return fmt.Errorf("%w\nby %s", err, show(a))
	}
	return nil
}

// Positions checks that a position in a content of this length moves over a as
// text does that is inserted there. The two name the priority from opposite
// sides: text of a that is inserted at the position goes before it in one if it
// has priority, in the other if it has not.
func Positions(a ot.Delta, length int) error {
	for at := range length + 1 {
		for _, priority := range []bool{true, false} {
			mark := ot.Delta{}.Retain(at, nil).Insert("|", nil)
			want := 0
			for _, op := range ot.Transform(a, mark, !priority) {
				want += op.Retain
			}
			if got := ot.TransformPosition(a, at, priority); got != want {
				return fmt.Errorf("position %d over %s with priority %v goes to %d, but text inserted there to %d",
					at, show(a), priority, got, want)
			}
		}
	}
	return nil
}

// Normal checks that d is valid and in normal form, without a plain retain at
// its end, and that its JSON reads back as d.
func Normal(d ot.Delta) error {
	if err := d.Validate(); err != nil {
		return fmt.Errorf("%w in %s", err, show(d))
	}
	if err := same("normal form", d.Normalize().Chop(), d); err != nil {
		return err
	}
	return ReadsBack(d)
}

// ReadsBack checks that d, which is normalised, is what its JSON reads as.
func ReadsBack(d ot.Delta) error {
	data := d.AppendJSON(nil)
	read, err := ot.Parse(data)
	if err != nil {
		return fmt.Errorf("%w in %s", err, data)
	}
	if err := same("codec", read, d); err != nil {
		return err
	}
	if again := read.AppendJSON(nil); string(again) != string(data) {
		return fmt.Errorf("codec: %s is written as %s", data, again)
	}
	return nil
}

// Laws checks all laws for changes a and b made on content, and c made on
// content∘a; and that whatever they lead to is normal.
func Laws(content, a, b, c ot.Delta) error {
	after := ot.Compose(content, a)
	for _, d := range []ot.Delta{
		content, a, b, c, after, ot.Compose(a, c), ot.Transform(a, b, true), ot.Transform(b, a, false), ot.Invert(a, content),
	} {
		if err := Normal(d); err != nil {
			return err
		}
	}
	length := 0
	for i := range content {
		length += content[i].Len()
	}
	for _, err := range []error{
		Converges(content, a, b), Associates(content, a, c), Inverts(content, a), Positions(a, length),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}
