package convert

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	"golang.org/x/net/html"
)

// holdsUnsafe reports whether the source of n holds what never goes out again,
// not even as it came in: programs, event handlers, links that run one, and
// HTML that would swallow what stands behind it.
func (r *markdownReader) holdsUnsafe(n ast.Node) bool {
	unsafe := false
	// The walker's function gives no error, so neither does the walk.
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering && r.isUnsafe(n) {
			unsafe = true
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
	return unsafe
}

func (r *markdownReader) isUnsafe(n ast.Node) bool {
	address := func(destination []byte) string { return cleanAddress(unescapeMarkdown(string(destination))) }
	switch n := n.(type) {
	case *ast.RawHTML:
		return isUnsafeHTML(string(n.Segments.Value(r.source)))
	case *ast.HTMLBlock:
		return isUnsafeHTML(r.htmlSource(n))
	case *ast.Link:
		return !safeLink(address(n.Destination))
	case *ast.Image:
		return !safeImage(address(n.Destination))
	case *ast.AutoLink:
		return !safeLink(autoAddress(n, r.source))
	case *ast.LinkReferenceDefinition:
		return !safeLink(address(n.Destination))
	}
	return false
}

// isActive holds the elements that run, load or swallow something.
var isActive = map[string]bool{
	"applet": true, "audio": true, "base": true, "button": true, "canvas": true, "embed": true, "form": true,
	"frame": true, "frameset": true, "iframe": true, "input": true, "link": true, "math": true, "meta": true,
	"noembed": true, "noframes": true, "noscript": true, "object": true, "plaintext": true, "script": true,
	"select": true, "style": true, "svg": true, "template": true, "textarea": true, "title": true, "video": true,
	"xmp": true,
}

func isUnsafeHTML(source string) bool {
	if strings.LastIndexByte(source, '<') > strings.LastIndexByte(source, '>') {
		return true // a tag that what stands behind it would complete
	}
	for t := range htmlTokens(source) {
		if t.Type != html.StartTagToken && t.Type != html.SelfClosingTagToken {
			continue
		}
		if isActive[t.Data] || newTag(t).hasHandler() || hasUnsafeAddress(t) {
			return true
		}
	}
	return false
}

func hasUnsafeAddress(t html.Token) bool {
	for _, a := range t.Attr {
		switch a.Key {
		case "srcdoc":
			return true
		case "src", "background", "poster":
			if !safeImage(cleanAddress(a.Val)) {
				return true
			}
		case "href", "action", "formaction", "data", "cite", "xlink:href", "ping":
			if !safeLink(cleanAddress(a.Val)) {
				return true
			}
		}
	}
	return false
}
