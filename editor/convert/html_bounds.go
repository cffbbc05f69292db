package convert

import "strings"

// bytesPerAttribute is what the tokenizer and the map of a tag allocate for an
// attribute, which may have two bytes in the file.
const bytesPerAttribute = 160

// countAttributes spends what the attributes of each tag of text will take while
// it is read. It takes a "<" for a tag's beginning wherever it stands, and what
// is between quotes for one attribute; so it may count words of a comment or a
// script too, up to their next ">".
func (w *work) countAttributes(text string) {
	var unclosed [len(skippedTags)]bool
	for i := 0; w != nil && i < len(text); {
		start := strings.IndexByte(text[i:], '<')
		if start < 0 {
			return
		}
		w.tick()
		held := w.mark()
		size, attributes := tagSize(text[i+start:], &unclosed)
		w.spend(attributes * bytesPerAttribute)
		w.release(held)
		i += start + size
	}
}

// skippedTags have no attributes up to where they close.
var skippedTags = [...]struct{ open, close string }{{"<!--", "-->"}, {"<script", "</script"}, {"<style", "</style"}}

// tagSize returns the size of what begins with "<" at the start of text, and the
// most attributes that are in it. unclosed are those of skippedTags that do not
// close any more: each is searched for to the end of the text once.
func tagSize(text string, unclosed *[len(skippedTags)]bool) (size, attributes int) {
	for i, skipped := range skippedTags {
		if unclosed[i] || len(text) < len(skipped.open) || !strings.EqualFold(text[:len(skipped.open)], skipped.open) {
			continue
		}
		if end := strings.Index(text, skipped.close); end >= 0 {
			return max(end, 1), 0
		}
		unclosed[i] = true
	}
	if len(text) < 2 || !isLetter(text[1]) && text[1] != '/' {
		return 1, 0
	}
	between := true // two attributes
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '>':
			return i + 1, attributes
		case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '/':
			between = true
			continue
		case (c == '"' || c == '\'') && text[i-1] == '=':
			end := strings.IndexByte(text[i+1:], c)
			if end < 0 {
				return len(text), attributes
			}
			i += end + 1
			between = true
			continue
		}
		if between {
			attributes++
			between = false
		}
	}
	return len(text), attributes
}
