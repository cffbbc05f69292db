package convert

import (
	"strings"
	"testing"

	"halley/ot"
)

// What is unsafe is not even copied with the block that it came in, and takes
// only its own block's bytes with it.
func TestUnsafeSourceIsNotCopied(t *testing.T) {
	f := mustFormat(t, "md")
	for name, in := range map[string]string{
		"inline script":         "before *one*\n\nx <script>evil()</script> y\n",
		"script block":          "<script>\nevil()\n</script>\n",
		"script block alone":    "text *two*\n\n<script>evil()</script>\n\nmore\n",
		"handler":               "x <b onclick=\"evil()\">y</b>\n",
		"handler of a block":    "<div onclick=evil()>\n\ntext\n\n</div>\n",
		"unfinished tag":        "<div><img src=x onerror=evil() y=\"\n\ntext\n",
		"link":                  "x [y](javascript:evil())\n",
		"link, escaped":         "x [y](java&#115;cript:evil())\n",
		"image":                 "x ![y](javascript:evil())\n",
		"autolink":              "x <javascript:evil()>\n",
		"definition":            "x [y][z]\n\n[z]: javascript:evil()\n",
		"unused definition":     "text\n\n[z]: javascript:evil()\n",
		"iframe":                "<iframe src=\"https://example.org/evil()\"></iframe>\n",
		"svg":                   "<svg><a href=\"javascript:evil()\"></a></svg>\n",
		"href in a safe tag":    "x <a href=\"java\nscript:evil()\">y</a>\n",
		"list item":             "- a\n- x <script>evil()</script>\n- c\n",
		"quote":                 "> x <script>evil()</script>\n",
		"style":                 "<style>body{background:url(evil())}</style>\n",
		"the same link twice":   "[a](javascript:evil())\n\n[a](javascript:evil())\n",
		"entity in a handler's": "<p ONCLICK=\"&#101;vil()\" title=\"evil()\">x\n",
	} {
		t.Run(name, func(t *testing.T) {
			const kept = "* kept as it\n  was\n\n"
			for _, data := range []string{in, kept + in} {
				doc := mustRead(t, f, []byte(data))
				out, _ := mustWrite(t, f, doc.Content, &Source{"md", []byte(data)})
				// Words may stay, as words.
				for _, never := range []string{"](java", "]: java", "<java", "<script", "<iframe", "<svg", "<style", "onclick", "onerror", "href"} {
					if strings.Contains(strings.ToLower(string(out)), never) {
						t.Errorf("%q goes out as %q", data, out)
					}
				}
				if strings.HasPrefix(data, kept) && !strings.HasPrefix(string(out), strings.TrimRight(kept, "\n")) {
					t.Errorf("of %q the safe block was not kept: %q", data, out)
				}
			}
		})
	}
}

func TestUnsafeSourceOfABlankPage(t *testing.T) {
	f := mustFormat(t, "md")
	out, _ := mustWrite(t, f, ot.Delta{{Insert: "\n"}}, &Source{"md", []byte("<!-- a -->\n\n<script>evil()</script>\n")})
	if strings.Contains(string(out), "script") {
		t.Errorf("goes out as %q", out)
	}
}

func TestSafeHTMLIsCopied(t *testing.T) {
	f := mustFormat(t, "md")
	for _, in := range []string{
		"<!-- a comment -->\n\ntext\n",
		"<div align=\"center\">\n\ntext\n\n</div>\n",
		"text with `<script>` in code\n",
		"~~~html\n<script>evil()</script>\n~~~\n",
		"<details><summary>more</summary>text</details>\n",
		"![a](pictures/a.png)\n",
	} {
		doc := mustRead(t, f, []byte(in))
		if out, _ := mustWrite(t, f, doc.Content, &Source{"md", []byte(in)}); string(out) != in {
			t.Errorf("%q goes out as %q", in, out)
		}
	}
}
