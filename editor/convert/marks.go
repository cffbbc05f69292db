package convert

import "halley/ot"

// marks are the formats of a piece of text. Strings are "" where there is none.
type marks struct {
	bold, italic, underline, strike, code bool

	link       string
	script     string // "sub" or "super"
	color      string // "#rrggbb" or a name
	background string
}

func (m marks) attributes() ot.Attributes {
	var attrs []ot.Attr
	flag := func(name string, on bool) {
		if on {
			attrs = append(attrs, ot.Attr{Name: name, Value: ot.True})
		}
	}
	text := func(name, value string) {
		if value != "" {
			attrs = append(attrs, ot.Attr{Name: name, Value: ot.StringValue(value)})
		}
	}
	flag("bold", m.bold)
	flag("italic", m.italic)
	flag("underline", m.underline)
	flag("strike", m.strike)
	flag("code", m.code)
	text("link", m.link)
	text("script", m.script)
	text("color", m.color)
	text("background", m.background)
	return ot.MakeAttributes(attrs...)
}

// marksOf returns what attrs say of text, and what of them is no mark.
func marksOf(attrs ot.Attributes) (m marks, rest ot.Attributes) {
	for _, a := range attrs {
		on := a.Value == ot.True
		text, _ := a.Value.Text()
		switch {
		case a.Name == "bold" && on:
			m.bold = true
		case a.Name == "italic" && on:
			m.italic = true
		case a.Name == "underline" && on:
			m.underline = true
		case a.Name == "strike" && on:
			m.strike = true
		case a.Name == "code" && on:
			m.code = true
		case a.Name == "link" && text != "":
			m.link = text
		case a.Name == "script" && text != "":
			m.script = text
		case a.Name == "color" && text != "":
			m.color = text
		case a.Name == "background" && text != "":
			m.background = text
		default:
			rest = append(rest, a)
		}
	}
	return m, rest
}

// A mark is one of marks by name, with its value where it has one.
type mark struct {
	name, value string
	exact       bool // the style alone would not tell a reader
}

// each lists the marks that are set, outermost first.
func (m marks) each() []mark {
	var list []mark
	text := func(name, value string) {
		if value != "" {
			list = append(list, mark{name, value, m.link != ""})
		}
	}
	flag := func(name string, on bool) {
		if on {
			list = append(list, mark{name, "", false})
		}
	}
	text("link", m.link)
	text("background", m.background)
	text("color", m.color)
	flag("bold", m.bold)
	flag("italic", m.italic)
	flag("underline", m.underline)
	flag("strike", m.strike)
	text("script", m.script)
	flag("code", m.code)
	return list
}
