package editor

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"halley/ot"
	"halley/ot/diff"
)

const maxTitleChars = 300

// CheckTitle returns a *BadValueError for what cannot be a title.
func CheckTitle(title string) error { return checkTitle("title", title) }

// checkTitle is CheckTitle for the member with that name.
func checkTitle(member, title string) error {
	if n := len([]rune(title)); n > maxTitleChars {
		return &BadValueError{member, fmt.Sprintf("has %d characters; at most %d are allowed", n, maxTitleChars)}
	}
	if strings.ContainsFunc(title, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }) {
		return &BadValueError{member, "holds a line break or control character"}
	}
	return nil
}

// mergeTitle carries the change from base to title over what has turned base into
// current, and returns the title with both. As on pages, of two texts inserted
// at the same position the later one goes to the left. A nil base means that
// title replaces current. The result may be too long: a *BadValueError.
func mergeTitle(base *string, title, current string) (string, error) {
	if base == nil || *base == current {
		return title, nil
	}
	theirs := titleChange(*base, current)
	ours := titleChange(*base, title)
	var merged strings.Builder
	for _, op := range ot.Compose(titleContent(current), ot.Transform(theirs, ours, false)) {
		merged.WriteString(op.Insert)
	}
	text := strings.TrimSuffix(merged.String(), "\n")
	return text, CheckTitle(text)
}

func titleContent(title string) ot.Delta { return ot.Delta{}.Insert(title+"\n", nil) }

// titleChange returns the change from before to after. What they have in common at
// both ends stays, to the character: most edits of a title are in one place. If the
// middle of after only adds to that of before, or the other way round, every
// character that is left stays: a change that only inserts never deletes and inserts
// again what others may change. Otherwise ot/diff replaces whole words, so that two
// rewritten titles do not become a mixture of their letters.
func titleChange(before, after string) ot.Delta {
	prefix := commonPrefix(before, after)
	suffix := commonSuffix(before[prefix:], after[prefix:])
	change := ot.Delta{}.Retain(ot.LenUTF16(before[:prefix]), nil)
	before, after = before[prefix:len(before)-suffix], after[prefix:len(after)-suffix]
	middle, ok := insertsInto(before, after, func(d ot.Delta, s string) ot.Delta { return d.Insert(s, nil) })
	if !ok {
		middle, ok = insertsInto(after, before, func(d ot.Delta, s string) ot.Delta { return d.Delete(ot.LenUTF16(s)) })
	}
	if !ok {
		middle = diff.Contents(titleContent(before), titleContent(after))
	}
	for _, op := range middle {
		change = change.Push(op)
	}
	return change.Chop()
}

// insertsInto goes through more, which has all characters of some in their order, and
// calls extra for each character that some does not have. It returns false if some is
// no subsequence of more.
func insertsInto(some, more string, extra func(d ot.Delta, s string) ot.Delta) (d ot.Delta, ok bool) {
	for _, r := range more {
		char := string(r)
		if rest, ok := strings.CutPrefix(some, char); ok {
			some = rest
			d = d.Retain(ot.LenUTF16(char), nil)
		} else {
			d = extra(d, char)
		}
	}
	return d, some == ""
}

// commonPrefix is how many bytes of whole characters a and b begin with.
func commonPrefix(a, b string) int {
	for i, r := range a {
		if other, size := utf8.DecodeRuneInString(b[min(i, len(b)):]); size == 0 || other != r {
			return i
		}
	}
	return len(a)
}

// commonSuffix is how many bytes of whole characters a and b end with.
func commonSuffix(a, b string) int {
	n := 0
	for n < len(a) {
		r, size := utf8.DecodeLastRuneInString(a[:len(a)-n])
		other, otherSize := utf8.DecodeLastRuneInString(b[:len(b)-n])
		if otherSize == 0 || r != other {
			break
		}
		n += size
	}
	return n
}

// titleEdits are the names of a page's last title edits that were sent under a
// key, oldest first, with a space after each. They are stored with the title, in
// one write, so that an edit that is sent again is recognized after a crash too.
type titleEdits string

const (
	maxTitleEdits      = 128
	titleEditNameBytes = 12 // in characters of base64: 72 bits
)

// titleEditName names an edit for titleEdits; "" for one without a key.
func titleEditName(principal, key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(principal + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:titleEditNameBytes]
}

func (t titleEdits) has(name string) bool {
	return name != "" && strings.Contains(string(t), name+" ")
}

func (t titleEdits) add(name string) titleEdits {
	if name == "" {
		return t
	}
	const each = titleEditNameBytes + 1
	if most := (maxTitleEdits - 1) * each; len(t) > most {
		t = t[len(t)-most:]
	}
	return t + titleEdits(name) + " "
}
