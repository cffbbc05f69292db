package ot

import (
	"slices"
	"strings"
)

// An Attr is one named format.
type Attr struct {
	Name  string
	Value Value
}

// Attributes are the formats on an op, sorted by name (by UTF-8 bytes), each
// name once. They are immutable: a caller that wants others makes a new slice.
// Nil and empty mean the same.
type Attributes []Attr

// MakeAttributes returns attrs as Attributes. If a name occurs twice, the later
// value wins.
func MakeAttributes(attrs ...Attr) Attributes {
	if len(attrs) == 0 {
		return nil
	}
	sorted := Attributes(slices.Clone(attrs))
	slices.SortStableFunc(sorted, compareNames)
	kept := sorted[:0]
	for i, attr := range sorted {
		if i+1 < len(sorted) && sorted[i+1].Name == attr.Name {
			continue
		}
		kept = append(kept, attr)
	}
	return kept
}

func compareNames(a, b Attr) int { return strings.Compare(a.Name, b.Name) }

// Get returns the value of the attribute called name, and whether there is one.
func (a Attributes) Get(name string) (Value, bool) {
	i, found := slices.BinarySearchFunc(a, name, func(attr Attr, name string) int {
		return strings.Compare(attr.Name, name)
	})
	if !found {
		return "", false
	}
	return a[i].Value, true
}

// Equal reports whether a and b hold the same names with the same values.
func (a Attributes) Equal(b Attributes) bool { return slices.Equal(a, b) }

// withoutNulls returns a without the attributes whose value is Null, or a itself
// if it has no such attribute.
func (a Attributes) withoutNulls() Attributes {
	isNull := func(attr Attr) bool { return attr.Value == Null }
	if !slices.ContainsFunc(a, isNull) {
		return a
	}
	return slices.DeleteFunc(slices.Clone(a), isNull)
}

// composeAttributes returns the formats of an op that had a and then got b. A
// null in b removes the attribute. The null stays in the result only if keepNull
// is true, as it must for a retain: the retain still has to remove the attribute
// from the content.
func composeAttributes(a, b Attributes, keepNull bool) Attributes {
	if len(b) == 0 {
		return a
	}
	if !keepNull {
		return mergeAttributes(a, b).withoutNulls()
	}
	return mergeAttributes(a, b)
}

// mergeAttributes returns the union of a and b; b's value wins for a name in both.
func mergeAttributes(a, b Attributes) Attributes {
	if len(a) == 0 {
		return b
	}
	merged := make(Attributes, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch order := strings.Compare(a[0].Name, b[0].Name); {
		case order < 0:
			merged, a = append(merged, a[0]), a[1:]
		case order > 0:
			merged, b = append(merged, b[0]), b[1:]
		default:
			merged, a, b = append(merged, b[0]), a[1:], b[1:]
		}
	}
	return append(append(merged, a...), b...)
}

// transformAttributes returns b, made at the same time as a, as it applies
// after a. With priority a's values stay; otherwise b's overwrite them.
func transformAttributes(a, b Attributes, priority bool) Attributes {
	if !priority || len(a) == 0 || len(b) == 0 {
		return b
	}
	var kept Attributes
	for _, attr := range b {
		if _, taken := a.Get(attr.Name); !taken {
			kept = append(kept, attr)
		}
	}
	return kept
}

// invertAttributes returns the attributes that restore base after attrs was
// applied to it. quill-delta compares objects by identity, so, like quill-delta,
// it also sets an object again that attrs left equal.
func invertAttributes(attrs, base Attributes) Attributes {
	var inverse Attributes
	for _, attr := range attrs {
		was, had := base.Get(attr.Name)
		switch {
		case !had:
			inverse = append(inverse, Attr{attr.Name, Null})
		case was != attr.Value || was.isCompound():
			inverse = append(inverse, Attr{attr.Name, was})
		}
	}
	return inverse
}
