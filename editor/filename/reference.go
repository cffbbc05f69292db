package filename

import (
	"net/url"
	"path"
	"strings"
)

// Reference returns the relative URL by which a document refers to a file in a
// folder beside it.
func Reference(folder, name string) string {
	return url.PathEscape(folder) + "/" + url.PathEscape(name)
}

// Local returns the file that a document refers to by a relative address, as a
// clean slash-separated path from the document's folder. The path may leave that
// folder ("../a.png"). ok is false if the address has a scheme or a host, begins
// at a root, or names no file.
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
