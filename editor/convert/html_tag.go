package convert

import (
	"iter"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A tag is a start tag with its attributes, names in lower case.
type tag struct {
	name  string
	attrs map[string]string
	css   declarations
}

func newTag(t html.Token) tag {
	attrs := make(map[string]string, len(t.Attr))
	for _, a := range t.Attr {
		if _, repeated := attrs[a.Key]; !repeated {
			attrs[a.Key] = a.Val
		}
	}
	return tag{name: t.Data, attrs: attrs, css: parseStyle(attrs["style"])}
}

// htmlTokens goes through the tokens of source. A single tag without attributes,
// which is most of the HTML in Markdown, does without the tokenizer's buffer of
// some kilobytes.
func htmlTokens(source string) iter.Seq[html.Token] {
	return func(yield func(html.Token) bool) {
		if t, ok := plainTag(source); ok {
			yield(t)
			return
		}
		z := html.NewTokenizer(strings.NewReader(source))
		for z.Next() != html.ErrorToken && yield(z.Token()) {
		}
	}
}

// plainTag returns the token of source if that is a tag and nothing else.
func plainTag(source string) (html.Token, bool) {
	name, ok := strings.CutPrefix(source, "<")
	name, closed := strings.CutSuffix(name, ">")
	if !ok || !closed {
		return html.Token{}, false
	}
	t := html.Token{Type: html.StartTagToken}
	if end, ok := strings.CutPrefix(name, "/"); ok {
		t.Type, name = html.EndTagToken, end
	} else if void, ok := strings.CutSuffix(name, "/"); ok {
		t.Type, name = html.SelfClosingTagToken, strings.TrimRight(void, " ")
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && (i == 0 || c < '0' || c > '9') {
			return html.Token{}, false
		}
	}
	t.Data = strings.ToLower(name)
	t.DataAtom = atom.Lookup([]byte(t.Data))
	return t, name != ""
}

// hasHandler reports whether t carries an event handler.
func (t tag) hasHandler() bool {
	for name := range t.attrs {
		if strings.HasPrefix(name, "on") {
			return true
		}
	}
	return false
}

// apply returns m as it is inside t: what the element means, then its style.
func (m marks) apply(t tag) marks {
	switch t.name {
	case "b", "strong":
		m.bold = true
	case "i", "em", "cite", "dfn", "var":
		m.italic = true
	case "u", "ins":
		m.underline = true
	case "s", "strike", "del":
		m.strike = true
	case "code", "kbd", "samp", "tt":
		m.code = true
	case "sub":
		m.script = "sub"
	case "sup":
		m.script = "super"
	case "mark":
		m.background = namedColors["yellow"]
	case "font":
		if color := parseColor(strings.ToLower(t.attrs["color"])); color != defaultInk {
			m.color = color
		}
	case "a":
		if address := cleanAddress(t.attrs["href"]); address != "" {
			m.link = address
		}
	}
	if isText[t.name] {
		return m.applyStyle(t)
	}
	return m
}

// Word processors set these on all text. They say nothing, and would make it
// unreadable on a dark page.
const (
	defaultInk   = "#000000"
	defaultPaper = "#ffffff"
)

func (m marks) applyStyle(t tag) marks {
	if on, said := t.css.bold(); said {
		m.bold = on
	}
	if on, said := t.css.italic(); said {
		m.italic = on
	}
	if align := t.css["vertical-align"]; align == "super" || align == "sub" {
		m.script = align
	}
	// Links are underlined and coloured anyway.
	if value, said := t.css.decoration(); said {
		m.strike = strings.Contains(value, "line-through")
		if m.link == "" {
			m.underline = strings.Contains(value, "underline")
		}
	}
	if color := parseColor(t.css["color"]); color != "" && color != defaultInk && m.link == "" {
		m.color = color
	}
	if color := parseColor(t.css.background()); color != "" && color != defaultPaper {
		m.background = color
	}
	// Our own files say exactly what the page said.
	if color := t.attrs["data-color"]; color != "" {
		m.color = color
	}
	if color := t.attrs["data-background"]; color != "" {
		m.background = color
	}
	return m
}

func set(names string) map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		m[name] = true
	}
	return m
}

var (
	// isText are the elements whose style is a format of text; on blocks it is
	// the look of the page.
	isText = set("a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s " +
		"samp small span strike strong sub sup time tt u var")

	isBlock = set("address article aside blockquote body caption center dd details dialog dir div dl dt " +
		"fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main " +
		"menu nav ol optgroup option p pre search section summary table tbody td tfoot th thead tr ul")

	isVoid = set("area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr")

	// isSkipped are the elements whose content is no text of the page.
	isSkipped = set("applet audio canvas datalist iframe math noembed noframes noscript object " +
		"script select style svg template textarea title video xml")
)
