package editor

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"halley/ot"
)

// A Schema decides which attributes and embeds a page may hold. It checks names and
// values, not where they stand. It has no state; the zero value is ready.
type Schema struct{}

const (
	maxLinkChars  = 2048
	maxLabelChars = 1024
	maxTeXChars   = 16 << 10

	// maxAttributes bounds one op of an edit. A run may gather more over time:
	// each comment on it is one.
	maxAttributes = 64
)

// A check returns what a value must be where it is not, and "" where it is.
type check func(v ot.Value) string

var attributeChecks = map[string]check{
	"bold": isTrue, "italic": isTrue, "underline": isTrue, "strike": isTrue, "code": isTrue,
	"link":       isLink,
	"script":     oneOf("sub", "super"),
	"color":      isColor,
	"background": isColor,
	"header":     wholeNumber(1, 6),
	"list":       oneOf("bullet", "ordered", "checked", "unchecked"),
	"indent":     wholeNumber(1, 8),
	"blockquote": isTrue,
	"code-block": isCodeBlock,
	"align":      oneOf("center", "right", "justify"),
	"direction":  oneOf("rtl"),
	"callout":    oneOf("info", "tip", "warning"),
	"alt":        text(maxLabelChars),
	"width":      wholeNumber(1, 10000),
}

var embedChecks = map[string]check{
	"image":   isImage,
	"file":    object(map[string]check{"path": isBlobPath, "name": text(maxLabelChars), "size": wholeNumber(0, 1<<53-1)}),
	"mention": object(map[string]check{"id": text(maxLabelChars), "label": text(maxLabelChars)}),
	"page":    object(map[string]check{"id": matches(pageIDForm, "a page's id")}),
	"date":    isDate,
	"formula": text(maxTeXChars),
	"divider": isTrue,
}

var (
	pageIDForm      = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)
	colorForm       = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	languageForm    = regexp.MustCompile(`^[A-Za-z0-9+#._-]{1,32}$`)
	commentNameForm = regexp.MustCompile(`^comment:[A-Za-z0-9_-]{1,64}$`)
	blobPathForm    = regexp.MustCompile(`^/files/[A-Za-z0-9_-]{16,128}$`)
	pagePathForm    = regexp.MustCompile(`^/p/[A-Za-z0-9_-]{16,64}(#[A-Za-z0-9._~-]*)?$`)
	palette         = []string{"gray", "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown"}
	linkSchemes     = []string{"http", "https", "mailto", "tel"}
)

// Attributes lists the names of the attributes that a page may hold, sorted.
// Besides these it may hold comment:ID for every ID of up to 64 characters
// from A-Za-z0-9_-.
func (Schema) Attributes() []string { return slices.Sorted(maps.Keys(attributeChecks)) }

// Embeds lists the types of the embeds that a page may hold, sorted.
func (Schema) Embeds() []string { return slices.Sorted(maps.Keys(embedChecks)) }

// CheckAttribute returns nil if a page may hold the attribute, else what is
// wrong with it as an error for a person.
func (Schema) CheckAttribute(name string, v ot.Value) error {
	chk, ok := attributeChecks[name]
	if !ok && commentNameForm.MatchString(name) {
		chk, ok = isTrue, true
	}
	if !ok {
		return fmt.Errorf("the attribute %s is not one that a page can hold", quote(name))
	}
	if want := chk(v); want != "" {
		return fmt.Errorf("the attribute %s must be %s, not %s", quote(name), want, clip(string(v)))
	}
	return nil
}

// CheckEmbed returns nil if a page may hold the embed, else what is wrong.
func (Schema) CheckEmbed(e ot.Embed) error {
	chk, ok := embedChecks[e.Type]
	if !ok {
		return fmt.Errorf("the embed %s is not one that a page can hold", quote(e.Type))
	}
	if want := chk(e.Value); want != "" {
		return fmt.Errorf("the embed %s must be %s, not %s", quote(e.Type), want, clip(string(e.Value)))
	}
	return nil
}

// CheckText returns nil unless s holds a character that no page may hold.
func (Schema) CheckText(s string) error {
	if strings.IndexByte(s, 0) >= 0 {
		return fmt.Errorf("text may not hold the character U+0000")
	}
	if strings.IndexByte(s, '\r') >= 0 {
		return fmt.Errorf(`text may not hold a carriage return; write line ends as \n`)
	}
	return nil
}

// CheckOp returns nil if op brings nothing that a page may not hold. An
// attribute that a retain removes (null) may have any name.
func (s Schema) CheckOp(op ot.Op) error {
	if op.Insert != "" {
		if err := s.CheckText(op.Insert); err != nil {
			return err
		}
	}
	if op.Embed.Type != "" {
		if err := s.CheckEmbed(op.Embed); err != nil {
			return err
		}
	}
	if n := len(op.Attributes); n > maxAttributes {
		return fmt.Errorf("%d attributes on one operation; at most %d are allowed", n, maxAttributes)
	}
	for _, a := range op.Attributes {
		if op.Retain > 0 && a.Value == ot.Null {
			continue
		}
		if err := s.CheckAttribute(a.Name, a.Value); err != nil {
			return err
		}
	}
	return nil
}

func isTrue(v ot.Value) string {
	if v == ot.True {
		return ""
	}
	return "true"
}

func oneOf(words ...string) check {
	want := `"` + strings.Join(words, `", "`) + `"`
	if len(words) > 1 {
		want = "one of " + want
	}
	return func(v ot.Value) string {
		s, ok := v.Text()
		for _, w := range words {
			if ok && s == w {
				return ""
			}
		}
		return want
	}
}

func wholeNumber(lo, hi int) check {
	return func(v ot.Value) string {
		if n, ok := v.Int(); ok && lo <= n && n <= hi {
			return ""
		}
		return fmt.Sprintf("a whole number from %d to %d", lo, hi)
	}
}

func text(maxChars int) check {
	return func(v ot.Value) string {
		if s, ok := v.Text(); ok && utf8.RuneCountInString(s) <= maxChars && !strings.ContainsRune(s, 0) {
			return ""
		}
		return fmt.Sprintf("a text of at most %d characters", maxChars)
	}
}

func matches(form *regexp.Regexp, want string) check {
	return func(v ot.Value) string {
		if s, ok := v.Text(); ok && form.MatchString(s) {
			return ""
		}
		return want
	}
}

func isColor(v ot.Value) string {
	s, ok := v.Text()
	if ok && colorForm.MatchString(s) {
		return ""
	}
	return oneOf(palette...)(v)
}

func isCodeBlock(v ot.Value) string {
	if s, ok := v.Text(); v == ot.True || ok && languageForm.MatchString(s) {
		return ""
	}
	return "true or a language's name"
}

func isLink(v ot.Value) string {
	const want = "an http, https, mailto or tel address or a page's path, of at most 2,048 characters"
	s, ok := v.Text()
	if !ok || utf8.RuneCountInString(s) > maxLinkChars || !safeLink(s) {
		return want
	}
	return ""
}

// safeLink is strict about what comes before the colon: a browser skips white
// space and control characters there, so "java\nscript:" must not get through.
func safeLink(s string) bool {
	if pagePathForm.MatchString(s) {
		return true
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" {
		return false
	}
	scheme = strings.ToLower(scheme)
	for _, allowed := range linkSchemes {
		if scheme != allowed {
			continue
		}
		if scheme == "http" || scheme == "https" {
			u, err := url.Parse(s)
			return err == nil && u.Host != ""
		}
		return true
	}
	return false
}

func isBlobPath(v ot.Value) string { return matches(blobPathForm, "a file's path")(v) }

func isImage(v ot.Value) string {
	if isBlobPath(v) == "" {
		return ""
	}
	if s, ok := v.Text(); ok && strings.HasPrefix(strings.ToLower(s), "https:") && isLink(v) == "" {
		return ""
	}
	return "an uploaded picture's path or an https address"
}

func isDate(v ot.Value) string {
	if s, ok := v.Text(); ok {
		if _, err := time.Parse(time.DateOnly, s); err == nil {
			return ""
		}
	}
	return "a date as YYYY-MM-DD"
}

// object checks a JSON object that has exactly the given members.
func object(members map[string]check) check {
	return func(v ot.Value) string {
		got, ok := membersOf(v)
		if !ok || len(got) != len(members) {
			return "an object of the documented form"
		}
		for name, chk := range members {
			m, there := got[name]
			if !there {
				return "an object with " + quote(name)
			}
			if want := chk(m); want != "" {
				return "an object whose " + quote(name) + " is " + want
			}
		}
		return ""
	}
}

// membersOf splits an object; its members are canonical since the whole is.
func membersOf(v ot.Value) (map[string]ot.Value, bool) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(v), &raw); err != nil || raw == nil {
		return nil, false
	}
	members := make(map[string]ot.Value, len(raw))
	for name, m := range raw {
		members[name] = ot.Value(m)
	}
	return members, true
}

func quote(s string) string { return `"` + clip(s) + `"` }

// clip keeps a refusal's sentence short whatever was sent.
func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
