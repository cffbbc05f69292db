package ot_test

import (
	"fmt"

	"halley/ot"
)

// Two people type into the same page at the same time. The server has taken
// one edit already; the other is carried over it.
func ExampleTransform() {
	page := ot.Delta{}.Insert("Hello world\n", nil)
	first := ot.Delta{}.Retain(5, nil).Insert(",", nil)
	second := ot.Delta{}.Retain(11, nil).Insert("!", nil)

	second = ot.Transform(first, second, false)
	content, err := ot.NewContent(page)
	if err != nil {
		fmt.Println(err)
	}
	for _, change := range []ot.Delta{first, second} {
		if err := content.Apply(change); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Print(content.Text())
	// Output: Hello, world!
}

func ExampleInvert() {
	page := ot.Delta{}.Insert("Halley\n", nil)
	bold := ot.Delta{}.Retain(6, ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True}))
	undo := ot.Invert(bold, page)
	fmt.Printf("%s\n%s\n", bold.AppendJSON(nil), undo.AppendJSON(nil))
	// Output:
	// [{"retain":6,"attributes":{"bold":true}}]
	// [{"retain":6,"attributes":{"bold":null}}]
}

func ExampleParse() {
	_, err := ot.Parse([]byte(`[{"retain":3},{"insert":"a","delete":1}]`))
	fmt.Println(err)
	// Output: op 1 has both insert and delete
}

func ExampleContent_Snapshot() {
	content, err := ot.NewContent(ot.Delta{}.Insert("before\n", nil))
	if err != nil {
		fmt.Println(err)
	}
	reader := content.Snapshot()
	if err := content.Apply(ot.Delta{}.Insert("after", nil).Delete(6)); err != nil {
		fmt.Println(err)
	}
	fmt.Print(reader.Text(), content.Text())
	// Output:
	// before
	// after
}

func ExampleContent_Authors() {
	content, err := ot.NewContent(ot.Delta{}.Insert("\n", nil))
	if err != nil {
		fmt.Println(err)
	}
	for _, edit := range []struct {
		author string
		change ot.Delta
	}{
		{"Edmond", ot.Delta{}.Insert("every years", nil)},
		{"Nicole", ot.Delta{}.Retain(6, nil).Insert("76 ", nil)},
		{"Edmond", ot.Delta{}.Retain(14, ot.MakeAttributes(ot.Attr{Name: "bold", Value: ot.True}))},
	} {
		if err := content.ApplyBy(edit.author, edit.change); err != nil {
			fmt.Println(err)
		}
	}
	for author, length := range content.Authors(0, content.Len()-1) {
		fmt.Println(author, length)
	}
	// Output:
	// Edmond 6
	// Nicole 3
	// Edmond 5
}
