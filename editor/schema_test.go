package editor

import (
	"strings"
	"testing"

	"halley/ot"
)

func value(json string) ot.Value {
	v, err := ot.ParseValue([]byte(json))
	if err != nil {
		panic(err)
	}
	return v
}

func TestSchemaAttributes(t *testing.T) {
	long := `"https://example.org/` + strings.Repeat("x", 2048) + `"`
	for _, c := range []struct {
		name      string
		good, bad []string
	}{
		{"bold", []string{`true`}, []string{`false`, `"true"`, `1`, `null`}},
		{"link", []string{`"https://example.org/a?b#c"`, `"HTTP://example.org"`, `"mailto:a@example.org"`, `"tel:+3612345"`, `"/p/AAAAAAAAAAAAAAAAAAAAAA"`},
			[]string{`"javascript:alert(1)"`, `"JaVaScRiPt:alert(1)"`, `"java\nscript:alert(1)"`, `" javascript:x"`, `"data:text/html,x"`, `"vbscript:x"`, `"//example.org"`, `"/p/../x"`, `"https:"`, `"https:///x"`, `"example.org"`, `""`, `true`, long}},
		{"script", []string{`"sub"`, `"super"`}, []string{`"up"`, `true`}},
		{"color", []string{`"#aAbB09"`, `"red"`}, []string{`"#abc"`, `"expression(1)"`, `"#aabbccdd"`}},
		{"comment:abc-1", []string{`true`}, []string{`"x"`}},
		{"comment:", nil, []string{`true`}},
		{"header", []string{`1`, `6`}, []string{`0`, `7`, `1.5`, `"1"`, `true`}},
		{"list", []string{`"bullet"`, `"ordered"`, `"checked"`, `"unchecked"`}, []string{`"check"`, `true`}},
		{"indent", []string{`1`, `8`}, []string{`0`, `9`}},
		{"code-block", []string{`true`, `"c++"`, `"objective-c"`}, []string{`false`, `"a b"`, `"<script>"`, `"` + strings.Repeat("x", 33) + `"`}},
		{"align", []string{`"center"`}, []string{`"left"`}},
		{"direction", []string{`"rtl"`}, []string{`"ltr"`}},
		{"callout", []string{`"tip"`}, []string{`"danger"`}},
		{"onclick", nil, []string{`"x"`, `true`}},
		{"style", nil, []string{`"color:red"`}},
	} {
		for _, v := range c.good {
			if err := (Schema{}).CheckAttribute(c.name, value(v)); err != nil {
				t.Errorf("%s: %s is refused: %v", c.name, v, err)
			}
		}
		for _, v := range c.bad {
			if err := (Schema{}).CheckAttribute(c.name, value(v)); err == nil {
				t.Errorf("%s: %s is allowed", c.name, v)
			}
		}
	}
}

func TestSchemaEmbeds(t *testing.T) {
	for _, c := range []struct {
		name      string
		good, bad []string
	}{
		{"image", []string{`"https://example.org/a.png"`, `"/files/0123456789abcdef"`}, []string{`"http://example.org/a.png"`, `"data:image/png;base64,x"`, `"/files/../x"`}},
		{"file", []string{`{"path":"/files/0123456789abcdef","name":"a.pdf","size":12}`}, []string{`{"path":"/etc/passwd","name":"a","size":1}`, `{"path":"/files/0123456789abcdef"}`, `"x"`, `{"path":"/files/0123456789abcdef","name":"a","size":1,"x":1}`}},
		{"mention", []string{`{"id":"ann","label":"Ann"}`}, []string{`{"id":"ann"}`}},
		{"page", []string{`{"id":"AAAAAAAAAAAAAAAAAAAAAA"}`}, []string{`{"id":"../x"}`}},
		{"date", []string{`"2026-02-28"`}, []string{`"2026-02-30"`, `"today"`}},
		{"formula", []string{`"x^2"`}, []string{`1`}},
		{"divider", []string{`true`}, []string{`false`}},
		{"script", nil, []string{`"x"`}},
		{"video", nil, []string{`"https://example.org"`}},
	} {
		for _, v := range c.good {
			if err := (Schema{}).CheckEmbed(ot.Embed{Type: c.name, Value: value(v)}); err != nil {
				t.Errorf("%s: %s is refused: %v", c.name, v, err)
			}
		}
		for _, v := range c.bad {
			if err := (Schema{}).CheckEmbed(ot.Embed{Type: c.name, Value: value(v)}); err == nil {
				t.Errorf("%s: %s is allowed", c.name, v)
			}
		}
	}
}
