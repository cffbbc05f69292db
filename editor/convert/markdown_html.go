package convert

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	"golang.org/x/net/html"

	"halley/ot"
)

// maxInlineTags bounds the inline HTML elements that are open at once.
const maxInlineTags = 32

// rawHTML reads a tag within text. It opens or closes marks; the text between
// is read as Markdown.
func (r *markdownReader) rawHTML(n *ast.RawHTML, m marks, br func()) {
	source := string(n.Segments.Value(r.source))
	for t := range htmlTokens(source) {
		switch t.Type {
		case html.SelfClosingTagToken:
			if !isSkipped[t.Data] {
				r.openTag(newTag(t), m, br)
			}
		case html.StartTagToken:
			r.openTag(newTag(t), m, br)
		case html.EndTagToken:
			r.closeTag(t.Data)
		case html.CommentToken:
			r.b.note("html comment", "HTML comments are not shown on the page.")
		}
	}
}

func (r *markdownReader) openTag(t tag, m marks, br func()) {
	if t.hasHandler() {
		r.b.note("script", "Scripts and embedded programs were left out.")
	}
	m, shown := r.inTags(m)
	switch {
	case !shown && !isSkipped[t.name]:
	case t.name == "br":
		br()
	case t.name == "img":
		r.b.picture(picture{cleanAddress(t.attrs["src"]), t.attrs["alt"], t.attrs["width"]}, m)
	case t.name == "hr":
		r.b.embed(dividerEmbed, r.b.attributes(m))
	case isText[t.name] || isSkipped[t.name]:
		if isSkipped[t.name] {
			r.b.note("script", "Scripts and embedded programs were left out.")
		}
		if len(r.tags) < maxInlineTags {
			r.tags = append(r.tags, t)
		}
	default:
		r.b.note("html", "HTML that a page has no place for was left out; its text stayed.")
	}
}

func (r *markdownReader) closeTag(name string) {
	for i := len(r.tags) - 1; i >= 0; i-- {
		if r.tags[i].name == name {
			r.tags = r.tags[:i]
			return
		}
	}
}

// formula reads what GitHub writes as $`TEX`$: a dollar sign on either side of
// a code span. n is the text before or behind one; value is its text. It
// reports whether it has taken care of the text.
func (r *markdownReader) formula(n *ast.Text, value string, m marks) bool {
	opens := r.formulaAfter(n)
	closes := n.PreviousSibling() != nil && r.isFormula(n.PreviousSibling())
	if !opens && !closes {
		return false
	}
	if closes {
		value = strings.TrimPrefix(value, "$")
	}
	if opens {
		value = strings.TrimSuffix(value, "$")
	}
	r.put(unescapeMarkdown(value), m)
	return true
}

func (r *markdownReader) formulaAfter(n *ast.Text) bool {
	return n.NextSibling() != nil && r.isFormula(n.NextSibling())
}

// isFormula reports whether n is a code span between dollar signs.
func (r *markdownReader) isFormula(n ast.Node) bool {
	code, ok := n.(*ast.CodeSpan)
	if !ok || !r.b.allowsEmbed(formulaEmbed(r.rawText(code))) {
		return false
	}
	before, ok1 := n.PreviousSibling().(*ast.Text)
	after, ok2 := n.NextSibling().(*ast.Text)
	if !ok1 || !ok2 || before.SoftLineBreak() || before.HardLineBreak() {
		return false
	}
	left, right := string(before.Value(r.source)), string(after.Value(r.source))
	return strings.HasSuffix(left, "$") && !strings.HasSuffix(left, `\$`) && strings.HasPrefix(right, "$")
}

func formulaEmbed(tex string) ot.Embed {
	return ot.Embed{Type: "formula", Value: ot.StringValue(tex)}
}
