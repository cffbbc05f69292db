package diff_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"halley/ot"
	"halley/ot/diff"
)

// Each case reads as history would show it: [-deleted-], {+inserted+}, and
// <format:text> where only formats change. A ¶ marks a newline that is deleted,
// inserted or formatted.
func TestReadsWell(t *testing.T) {
	cases := []struct{ name, before, after, want string }{
		{"nothing", "Hello.\n", "Hello.\n", "Hello.\n"},
		{"first text", "\n", "Hello.\n", "{+Hello.+}\n"},
		{"everything goes", "Hello.\nWorld.\n", "\n", "[-Hello.¶World.-]\n"},

		{"a word more", "the cat\n", "the big cat\n", "the {+big +}cat\n"},
		{"a sentence more", "One thing. Another.\n", "One thing. And so on. Another.\n", "One thing. {+And so on. +}Another.\n"},
		{"a word replaced", "the quick brown fox\n", "the quick red fox\n", "the quick [-brown-]{+red+} fox\n"},
		{"another word, though letters agree", "a fat cat sat\n", "a fat bat sat\n", "a fat [-cat-]{+bat+} sat\n"},
		{"a typing error", "I beleive you\n", "I believe you\n", "I bel[-ei-]{+ie+}ve you\n"},
		{"a letter more", "the color of it\n", "the colour of it\n", "the colo{+u+}r of it\n"},
		{"two words joined", "some thing else\n", "something else\n", "some[- -]thing else\n"},
		{"a sentence written anew", "We saw the old house by the sea.\n", "Nobody ever told me why.\n",
			"[-We saw the old house by the sea-]{+Nobody ever told me why+}.\n"},
		{"blanks alone do not hold a sentence together", "aa bb cc dd\n", "ee ff gg hh\n", "[-aa bb cc dd-]{+ee ff gg hh+}\n"},

		{"a paragraph more at the end", "A.\nB.\n", "A.\nB.\nC.\n", "A.\nB.{+¶C.+}\n"},
		{"a paragraph more in the middle", "A.\nB.\n", "A.\nX.\nB.\n", "A.\n{+X.¶+}B.\n"},
		{"a paragraph more at the start", "A.\nB.\n", "X.\nA.\nB.\n", "{+X.¶+}A.\nB.\n"},
		{"the last paragraph goes", "A.\nB.\nC.\n", "A.\nB.\n", "A.\nB.[-¶C.-]\n"},
		{"the first paragraph goes", "A.\nB.\nC.\n", "B.\nC.\n", "[-A.¶-]B.\nC.\n"},
		{"a paragraph is split", "One two. Three four.\n", "One two.\nThree four.\n", "One two.[- -]{+¶+}Three four.\n"},
		{"paragraphs are joined", "One two.\nThree four.\n", "One two. Three four.\n", "One two.[-¶-]{+ +}Three four.\n"},
		{"a paragraph moves", "Long first one.\nSecond.\nThird.\nFourth.\n", "Second.\nThird.\nLong first one.\nFourth.\n",
			"[-Long first one.¶-]Second.\nThird.\n{+Long first one.¶+}Fourth.\n"},
		{"a sentence moves", "This was here first of all. Then came more of it. The end.\n",
			"Then came more of it. This was here first of all. The end.\n",
			"{+Then came more of it. +}This was here first of all. [-Then came more of it. -]The end.\n"},
		{"a paragraph is written anew between others", "Keep me.\nWe saw the old house by the sea.\nKeep me too.\n",
			"Keep me.\nNobody ever told me why it burnt.\nKeep me too.\n",
			"Keep me.\n[-We saw the old house by the sea-]{+Nobody ever told me why it burnt+}.\nKeep me too.\n"},
		{"empty lines do not hold on to others", "One.\n\nTwo here.\nThree.\n\nEnd.\n", "One.\nTwo there.\n\nThree!\nEnd\n",
			"One.\n[-¶-]Two [-here.-]{+there.¶+}\nThree[-.¶-]{+!+}\nEnd[-.-]\n"},
		{"two neighbours are edited, and stay two", "The first line ends here.\nThe second line begins so.\n",
			"The first line ends there.\nA second line begins so.\n",
			"The first line ends {+t+}here.\n[-The-]{+A+} second line begins so.\n"},

		{"a grapheme cluster is one", `[{"insert":"e\n"}]`, `[{"insert":"e\u0301\n"}]`, "[-e-]{+e\u0301+}\n"},
		{"a family with one child more", "👨‍👩‍👧\n", "👨‍👩‍👧‍👦\n", "[-👨‍👩‍👧-]{+👨‍👩‍👧‍👦+}\n"},
		{"halves of pairs that agree", "x🌀\n", "x🏆🌀\n", "x{+🏆+}🌀\n"},
		{"flags", "🇩🇪🇫🇷\n", "🇩🇰🇫🇷\n", "[-🇩🇪-]{+🇩🇰+}🇫🇷\n"},
		{"Chinese has no blanks", "我喜欢喝茶。\n", "我很喜欢喝咖啡。\n", "我{+很+}喜欢喝[-茶-]{+咖啡+}。\n"},

		{"bold", `[{"insert":"a bold word\n"}]`, `[{"insert":"a "},{"attributes":{"bold":true},"insert":"bold"},{"insert":" word\n"}]`,
			"a <bold=true:bold> word\n"},
		{"no longer bold", `[{"insert":"a "},{"attributes":{"bold":true},"insert":"bold"},{"insert":" word\n"}]`, `[{"insert":"a bold word\n"}]`,
			"a <bold=null:bold> word\n"},
		{"a paragraph becomes a heading", `[{"insert":"Title\nText\n"}]`, `[{"insert":"Title"},{"attributes":{"header":1},"insert":"\n"},{"insert":"Text\n"}]`,
			"Title<header=1:¶>Text\n"},
		{"a heading of another kind, and edited", `[{"insert":"Old title"},{"attributes":{"header":1},"insert":"\n"}]`,
			`[{"insert":"New title"},{"attributes":{"header":2},"insert":"\n"}]`, "[-Old-]{+New+} title<header=2:¶>"},
		{"an item more at the end of a list", `[{"insert":"a"},{"attributes":{"list":"bullet"},"insert":"\n"}]`,
			`[{"insert":"a"},{"attributes":{"list":"bullet"},"insert":"\n"},{"insert":"b"},{"attributes":{"list":"bullet"},"insert":"\n"}]`,
			"a{+¶b+}\n"},
		{"a plain line after the last heading", `[{"insert":"a"},{"attributes":{"header":1},"insert":"\n"}]`,
			`[{"insert":"a"},{"attributes":{"header":1},"insert":"\n"},{"insert":"b\n"}]`,
			"a{+¶b+}<header=null:¶>"},
		{"equal lines with other formats are other lines",
			`[{"insert":"x"},{"attributes":{"list":"bullet"},"insert":"\n"},{"insert":"x"},{"attributes":{"header":1},"insert":"\n"},{"insert":"end\n"}]`,
			`[{"insert":"x"},{"attributes":{"header":1},"insert":"\n"},{"insert":"end\n"}]`,
			"[-x¶-]x\nend\n"},
		{"lines that lost their formats keep their places",
			`[{"insert":"x"},{"attributes":{"header":1},"insert":"\n"},{"insert":"one\nx\ntwo"},{"attributes":{"list":"bullet"},"insert":"\n"},{"insert":"end\n"}]`,
			`[{"insert":"x\none!\nx\ntwo\nend\n"}]`,
			"x<header=null:¶>one{+!+}\nx\ntwo<list=null:¶>end\n"},
		{"one picture for another", `[{"insert":"see "},{"insert":{"image":"/files/a"}},{"insert":"\n"}]`, `[{"insert":"see "},{"insert":{"image":"/files/b"}},{"insert":"\n"}]`,
			"see [-(image)-]{+(image)+}\n"},
		{"a picture stays in a paragraph written anew", `[{"insert":"We saw the house "},{"insert":{"image":"/files/a"}},{"insert":" by the sea\n"}]`,
			`[{"insert":"Nobody ever "},{"insert":{"image":"/files/a"}},{"insert":" told me\n"}]`,
			"[-We saw the house-]{+Nobody ever+} (image) [-by the sea-]{+told me+}\n"},
		{"the mark of an embed as text is no embed", `[{"insert":"\ufffc\n"}]`, `[{"insert":{"image":"/files/a"}},{"insert":"\n"}]`,
			"[-\ufffc-]{+(image)+}\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before, after := content(t, c.before), content(t, c.after)
			change := diff.Contents(before, after)
			checkLaws(t, c.name, before, after, change)
			if got := show(before, change); got != c.want {
				t.Errorf("Contents reads\n%s\nwant\n%s\ndelta %s", got, c.want, change.AppendJSON(nil))
			}
		})
	}
}

// content makes a content from JSON, or from plain text.
func content(t testing.TB, s string) ot.Delta {
	t.Helper()
	if !strings.HasPrefix(s, "[{") {
		return ot.Delta{{Insert: s}}
	}
	d, err := ot.Parse([]byte(s))
	if err != nil {
		t.Fatalf("content %s: %v", s, err)
	}
	return d
}

// show writes a change as a person would read it.
func show(before, change ot.Delta) string {
	var out strings.Builder
	rest := before
	for _, op := range change {
		switch {
		case op.Retain > 0 && len(op.Attributes) == 0:
			out.WriteString(plainly(take(&rest, op.Retain), "\n"))
		case op.Retain > 0:
			out.WriteString("<")
			for i, a := range op.Attributes {
				if i > 0 {
					out.WriteString(",")
				}
				fmt.Fprintf(&out, "%s=%s", a.Name, a.Value)
			}
			fmt.Fprintf(&out, ":%s>", plainly(take(&rest, op.Retain), "¶"))
		case op.Delete > 0:
			out.WriteString("[-" + plainly(take(&rest, op.Delete), "¶") + "-]")
		default:
			out.WriteString("{+" + plainly(ot.Delta{op}, "¶") + "+}")
		}
	}
	// People write what is deleted first; a delta has it after what is inserted.
	text := strings.ReplaceAll(out.String()+plainly(rest, "\n"), "+}{+", "")
	return swapped.ReplaceAllString(text, "[-$2-]{+$1+}")
}

var swapped = regexp.MustCompile(`\{\+([^{}]*)\+\}\[-([^\[\]]*)-\]`)

// plainly writes inserts as text, embeds by their type.
func plainly(inserts ot.Delta, newline string) string {
	var out strings.Builder
	for _, op := range inserts {
		if op.Embed.Type != "" {
			out.WriteString("(" + op.Embed.Type + ")")
		}
		out.WriteString(strings.ReplaceAll(op.Insert, "\n", newline))
	}
	return out.String()
}

// take cuts the first n units off a content and returns them.
func take(content *ot.Delta, n int) ot.Delta {
	head := ot.Compose(*content, ot.Delta{{Retain: n}, {Delete: length(*content) - n}}.Normalize())
	*content = ot.Compose(*content, ot.Delta{{Delete: n}})
	return head
}

// length is the length of a content in UTF-16 units.
func length(content ot.Delta) int {
	n := 0
	for _, op := range content {
		n += ot.LenUTF16(op.Insert)
		if op.Embed.Type != "" {
			n++
		}
	}
	return n
}
