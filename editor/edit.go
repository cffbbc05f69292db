package editor

import (
	"crypto/sha256"
	"fmt"
	"time"

	"halley/ot"
	"halley/storage"
)

// PageID names a page: URL-safe, unguessable.
type PageID = storage.PageID

// MaxWhole is the highest n, base or seq: what a JSON number holds exactly.
const MaxWhole = 1<<53 - 1

// An Edit is what a client submits.
type Edit struct {
	Client string   // the open editor, 8–64 characters of A-Za-z0-9_-
	N      uint64   // that client's own count of its edits, from 1
	Base   uint64   // the seq that Delta was made against
	Epoch  string   // the store's, as the client knows it; "" says nothing
	Delta  ot.Delta // as sent (ot.ParseOps): it need not be normalised

	// Exact refuses the edit with ErrMoved where the page is no longer at Base.
	Exact bool

	// Invalid is set where what came as delta is none. Submit answers with it
	// in its turn: a resend or a wrong base is said first.
	Invalid error
}

// A Change is one committed edit.
type Change struct {
	Seq    uint64
	Delta  ot.Delta
	Author string
	Client string
	N      uint64
	Time   time.Time // UTC, whole milliseconds
}

// CheckClient returns a *BadValueError unless id has a client id's form.
func CheckClient(id string) error {
	bad := len(id) < 8 || len(id) > 64
	for i := 0; i < len(id) && !bad; i++ {
		b := id[i]
		bad = !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '_' || b == '-')
	}
	if bad {
		return &BadValueError{"client", "must be 8 to 64 characters from A-Za-z0-9_-"}
	}
	return nil
}

// checkForm refuses an edit whose envelope no page could take.
func (e Edit) checkForm() error {
	if err := CheckClient(e.Client); err != nil {
		return err
	}
	if e.N < 1 || e.N > MaxWhole {
		return &BadValueError{"n", "must be a whole number from 1 to 2^53-1"}
	}
	if e.Base > MaxWhole {
		return &BadValueError{"base", "must be a whole number up to 2^53-1"}
	}
	return nil
}

// digest identifies the delta as sent, so that the same n with another delta is noticed.
func (e Edit) digest() (d [16]byte) {
	if e.Invalid != nil {
		return d
	}
	var room [128]byte // that of a typing edit
	sum := sha256.Sum256(e.Delta.AppendJSON(room[:0]))
	copy(d[:], sum[:])
	return d
}

// checkContents refuses ops that bring what no page may hold.
func checkContents(d ot.Delta) error {
	for i, op := range d {
		if err := (Schema{}).CheckOp(op); err != nil {
			return &ot.InvalidError{Op: i, Reason: fmt.Sprintf("op %d: %s", i, err)}
		}
	}
	return nil
}

// normal is a delta in the one form that is committed.
func normal(d ot.Delta) ot.Delta { return d.Normalize().Chop() }

// checkFit refuses a delta that does not fit a content of length units, or
// touches its end: the last newline stays, and nothing comes after it.
func checkFit(d ot.Delta, length int) error {
	at := 0
	for i, op := range d {
		switch {
		case op.Retain > 0:
			at += op.Retain
		case op.Delete > 0:
			at += op.Delete
			if at == length {
				return invalid(i, "deletes the page's last newline")
			}
		case op.Len() > 0 && at >= length:
			return invalid(i, "inserts after the page's last newline")
		}
		if at > length {
			return invalid(i, "reaches to %d, past the end of the page, which has %d UTF-16 units at that base", at, length)
		}
	}
	return nil
}

func invalid(op int, format string, args ...any) *ot.InvalidError {
	return &ot.InvalidError{Op: op, Reason: fmt.Sprintf("op %d ", op) + fmt.Sprintf(format, args...)}
}

// growth is by how many units d changes a content's length.
func growth(d ot.Delta) int {
	n := 0
	for _, op := range d {
		switch {
		case op.Insert != "":
			n += ot.LenUTF16(op.Insert)
		case op.Embed.Type != "":
			n++
		case op.Delete > 0:
			n -= op.Delete
		}
	}
	return n
}

// checkContent refuses what is no content: inserts only, a newline last.
func checkContent(d ot.Delta) error {
	for i, op := range d {
		if op.Insert == "" && op.Embed.Type == "" {
			return invalid(i, "is no insert; a page's content is made of inserts only")
		}
	}
	if len(d) == 0 || !endsInNewline(d[len(d)-1]) {
		return invalid(max(len(d)-1, 0), "must end in a newline: a page's content always does")
	}
	return nil
}

func endsInNewline(op ot.Op) bool {
	return op.Insert != "" && op.Insert[len(op.Insert)-1] == '\n'
}

// emptyContent is what every page begins as.
func emptyContent() ot.Delta { return ot.Delta{{Insert: "\n"}} }

// fromEmpty is the change that turns a new page's content into content.
func fromEmpty(content ot.Delta) ot.Delta {
	last := content[len(content)-1]
	change := append(ot.Delta(nil), content[:len(content)-1]...)
	if rest := last.Insert[:len(last.Insert)-1]; rest != "" {
		change = change.Push(ot.Op{Insert: rest, Attributes: last.Attributes})
	}
	if len(last.Attributes) > 0 {
		change = change.Push(ot.Op{Retain: 1, Attributes: last.Attributes})
	}
	return change
}
