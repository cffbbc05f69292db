package convert

import "strings"

// safeLink reports whether an address may become a link at all, whatever the
// schema says: one of four schemes, or no scheme. White space and control
// characters inside a scheme are what browsers ignore and attackers use.
func safeLink(address string) bool {
	scheme, ok := schemeOf(address)
	if !ok {
		return true
	}
	switch scheme {
	case "http", "https", "mailto", "tel":
		return true
	}
	return false
}

// safeImage is safeLink for what a browser loads by itself.
func safeImage(address string) bool {
	scheme, ok := schemeOf(address)
	return !ok || scheme == "https" || scheme == "http"
}

// schemeOf returns the scheme of an address in lower case, as a browser would
// see it, and whether it has one.
func schemeOf(address string) (string, bool) {
	var scheme strings.Builder
	for _, r := range address {
		switch {
		case r == ':':
			return scheme.String(), true
		case r == '/' || r == '?' || r == '#':
			return "", false
		case r > ' ' && r != 0x7f:
			scheme.WriteString(strings.ToLower(string(r)))
		}
	}
	return "", false
}

// cleanAddress strips the white space around an address and the line breaks
// in it, as a browser does.
func cleanAddress(address string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' || r == 0 {
			return -1
		}
		return r
	}, strings.TrimSpace(address))
}
