package convert

import (
	"encoding/json"
	"strconv"

	"halley/ot"
)

// embedText returns words for an embed, where a format has no more than words.
func embedText(e ot.Embed, attrs ot.Attributes) string {
	text, _ := e.Value.Text()
	switch e.Type {
	case "image":
		alt, _ := attrs.Get("alt")
		if label, _ := alt.Text(); label != "" {
			return "[" + label + "] (" + text + ")"
		}
		return "[" + text + "]"
	case "file":
		return embedField(e, "name")
	case "mention":
		return "@" + embedField(e, "label")
	case "date":
		return text
	case "formula":
		return text
	case "divider":
		return "----------"
	case "page":
		return "[page " + embedField(e, "id") + "]"
	}
	return "[" + e.Type + "]"
}

// embedField returns a text member of an embed's value, "" if there is none.
func embedField(e ot.Embed, name string) string {
	var fields map[string]any
	if json.Unmarshal([]byte(e.Value), &fields) != nil {
		return ""
	}
	text, _ := fields[name].(string)
	return text
}

// A picture is an image embed with its attributes.
type picture struct {
	address, alt, width string
}

func pictureOf(op ot.Op) picture {
	var p picture
	p.address, _ = op.Embed.Value.Text()
	if v, ok := op.Attributes.Get("alt"); ok {
		p.alt, _ = v.Text()
	}
	if v, ok := op.Attributes.Get("width"); ok {
		if n, isNumber := v.Int(); isNumber {
			p.width = strconv.Itoa(n)
		} else {
			p.width, _ = v.Text()
		}
	}
	return p
}

// picture adds an image to the open line; where a page cannot hold it, a link
// to it, or at least the words that stand for it.
func (b *builder) picture(p picture, m marks) {
	attrs := b.attributes(m)
	image := ot.Embed{Type: "image", Value: ot.StringValue(p.address)}
	if b.allowsEmbed(image) {
		own := []ot.Attr(attrs)
		if p.alt != "" {
			own = b.appendChecked(own, ot.Attr{Name: "alt", Value: ot.StringValue(p.alt)})
		}
		if p.width != "" {
			own = b.appendWidth(own, p.width)
		}
		b.embed(image, ot.MakeAttributes(own...))
		return
	}
	b.note("image", "Pictures that a page cannot show became links or their description.")
	asLink := ot.Attr{Name: "link", Value: ot.StringValue(p.address)}
	label := p.alt
	if m.link == "" && p.address != "" && b.allows(asLink) {
		m.link = p.address
		attrs = b.attributes(m)
		if label == "" {
			label = p.address
		}
	}
	b.text(label, attrs)
}

func (b *builder) appendChecked(attrs []ot.Attr, a ot.Attr) []ot.Attr {
	if b.check(a) {
		return append(attrs[:len(attrs):len(attrs)], a)
	}
	return attrs
}

// appendWidth adds a width as the number that it is, else as the text.
func (b *builder) appendWidth(attrs []ot.Attr, width string) []ot.Attr {
	if n, err := strconv.Atoi(width); err == nil {
		if a := (ot.Attr{Name: "width", Value: ot.IntValue(n)}); b.allows(a) {
			return append(attrs[:len(attrs):len(attrs)], a)
		}
	}
	return b.appendChecked(attrs, ot.Attr{Name: "width", Value: ot.StringValue(width)})
}
