// Package ottest makes random contents and changes from a seed, and holds the
// laws of package ot as checks. It is for tests alone.
//
// Equal seeds give equal results on every machine. The changes it makes meet
// often: they share the places where they cut, format the same text
// differently, and delete what the other formats. The texts have characters of
// one and of two UTF-16 units, sequences joined to one emoji, right-to-left
// letters and combining marks.
package ottest
