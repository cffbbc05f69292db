package convert

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// declarations are the properties of a style attribute, names and values in
// lower case.
type declarations map[string]string

func parseStyle(text string) declarations {
	if text == "" {
		return nil
	}
	css := declarations{}
	for part := range strings.SplitSeq(text, ";") {
		name, value, ok := strings.Cut(part, ":")
		if ok {
			value = strings.TrimSuffix(strings.TrimSpace(strings.ToLower(value)), "!important")
			css[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	return css
}

// bold returns what font-weight says, and whether it says anything.
func (css declarations) bold() (on, said bool) {
	switch weight := css["font-weight"]; weight {
	case "":
		return false, false
	case "bold", "bolder":
		return true, true
	default:
		n, _ := strconv.Atoi(weight)
		return n >= 600, true
	}
}

func (css declarations) italic() (on, said bool) {
	value := css["font-style"]
	return value == "italic" || strings.HasPrefix(value, "oblique"), value != ""
}

func (css declarations) decoration() (value string, said bool) {
	value = css["text-decoration-line"]
	if value == "" {
		value = css["text-decoration"]
	}
	return value, value != ""
}

// preserves reports whether white space stays as written, and whether the
// style says anything of it.
func (css declarations) preserves() (on, said bool) {
	value := css["white-space"]
	return strings.HasPrefix(value, "pre") || value == "break-spaces", value != ""
}

func (css declarations) hidden() bool {
	return css["display"] == "none" || css["mso-hide"] == "all"
}

func (css declarations) background() string {
	if value := css["background-color"]; value != "" {
		return value
	}
	return css["background"]
}

var (
	shortHex  = regexp.MustCompile(`^#[0-9a-f]{3}$`)
	longHex   = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	rgbValue  = regexp.MustCompile(`^rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*(?:[,/]\s*([\d.]+)\s*)?\)$`)
	colorName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
)

var namedColors = map[string]string{
	"black": "#000000", "silver": "#c0c0c0", "gray": "#808080", "grey": "#808080",
	"white": "#ffffff", "maroon": "#800000", "red": "#ff0000", "purple": "#800080",
	"fuchsia": "#ff00ff", "green": "#008000", "lime": "#00ff00", "olive": "#808000",
	"yellow": "#ffff00", "navy": "#000080", "blue": "#0000ff", "teal": "#008080",
	"aqua": "#00ffff", "orange": "#ffa500",
}

// parseColor returns a CSS color as #rrggbb; "" where it is none, is
// transparent, or is left to the surroundings.
func parseColor(value string) string {
	switch {
	case value == "":
		return ""
	case longHex.MatchString(value):
		return value
	case shortHex.MatchString(value):
		return fmt.Sprintf("#%c%c%c%c%c%c", value[1], value[1], value[2], value[2], value[3], value[3])
	case namedColors[value] != "":
		return namedColors[value]
	}
	m := rgbValue.FindStringSubmatch(value)
	if m == nil || m[4] != "" && strings.Trim(m[4], "0.") == "" {
		return ""
	}
	var rgb [3]int
	for i := range rgb {
		rgb[i], _ = strconv.Atoi(m[i+1])
		rgb[i] = min(rgb[i], 255)
	}
	return fmt.Sprintf("#%02x%02x%02x", rgb[0], rgb[1], rgb[2])
}
