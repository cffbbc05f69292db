package filename

import (
	"net/url"
	"path"
	"strings"
)

// Reference is how a document refers to a file in a folder beside it: relative,
// and escaped as a URL is.
func Reference(folder, name string) string {
	return url.PathEscape(folder) + "/" + url.PathEscape(name)
}

// Local is the file that a document refers to by a relative address, as a clean
// slash-separated path from the document's folder; it may lead out of that one
// ("../a.png"). It reports false where the address leads elsewhere: it has a
// scheme or a host, begins at a root, or names no file.
func Local(address string) (name string, ok bool) {
	if end := strings.IndexAny(address, "?#"); end >= 0 {
		address = address[:end]
	}
	first, _, _ := strings.Cut(address, "/")
	if address == "" || strings.Contains(first, ":") || strings.HasPrefix(address, "/") || strings.ContainsAny(address, "\\\x00") {
		return "", false
	}
	if plain, err := url.PathUnescape(address); err == nil { // else people wrote a plain name
		address = plain
	}
	name = path.Clean(address)
	if name == "." || name == ".." || strings.HasPrefix(name, "/") || strings.HasSuffix(address, "/") ||
		strings.ContainsAny(name, "\\\x00") {
		return "", false
	}
	return name, true
}
