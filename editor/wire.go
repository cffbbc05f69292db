package editor

import (
	"errors"
	"slices"
	"strconv"

	"halley/ot"
	"halley/storage"
)

// ParseEdit reads an edit as it is sent: {"client","n","base","delta","epoch"?}
// in any order. It is written by hand, for it reads every keystroke. ok is false
// for whatever is out of the ordinary: no JSON, a member of another type, one
// that is missing, unknown or there twice, a delta that is none. What to make of
// that is for the caller to find out, who need not be fast.
func ParseEdit(body []byte) (e Edit, ok bool) {
	r := ot.NewReader(body, "the edit")
	var seen members
	err := r.Object(func(name []byte) (err error) {
		switch string(name) {
		case "client":
			seen.see(hasClient)
			e.Client, err = r.Text()
		case "n":
			seen.see(hasN)
			e.N, err = r.Whole()
		case "base":
			seen.see(hasBase)
			e.Base, err = r.Whole()
		case "delta":
			seen.see(hasDelta)
			e.Delta, err = r.Ops()
		case "epoch":
			seen.see(hasEpoch)
			e.Epoch, err = r.Text()
		default:
			err = errUnusual
		}
		return err
	})
	if err != nil || r.End() != nil || !seen.complete() {
		return Edit{}, false
	}
	return e, true
}

var errUnusual = errors.New("a member that edits do not have")

// Members are those of an edit that were met.
type members struct {
	met   int
	twice bool
}

const (
	hasClient = 1 << iota
	hasN
	hasBase
	hasDelta
	hasEpoch
)

func (m *members) see(member int) {
	m.twice = m.twice || m.met&member != 0
	m.met |= member
}

// complete reports whether all that must be there are, and none is twice.
func (m *members) complete() bool {
	return !m.twice && m.met|hasEpoch == hasClient|hasN|hasBase|hasDelta|hasEpoch
}

// TimeForm is how times are written on the wire: RFC 3339, UTC, milliseconds.
const TimeForm = "2006-01-02T15:04:05.000Z07:00"

// AppendJSON writes the change as the wire has it, by hand: it is written
// once for each change of every page. page may be "". The ids in it are valid
// UTF-8.
func (c Change) AppendJSON(dst []byte, page PageID) []byte {
	dst = c.appendBefore(dst, page)
	dst = c.Delta.AppendJSON(dst)
	return c.appendBehind(dst)
}

// appendStored writes a change as AppendJSON does, with the delta's bytes as
// they were stored: they are not decoded for it.
func appendStored(dst []byte, page PageID, sc storage.Change) []byte {
	c := Change{Seq: sc.Seq, Author: sc.Author, Client: sc.Client, N: sc.N, Time: sc.Time}
	dst = slices.Grow(dst, len(sc.Payload)+512)
	dst = append(c.appendBefore(dst, page), sc.Payload...)
	return c.appendBehind(dst)
}

// appendBefore writes what comes before the delta.
func (c Change) appendBefore(dst []byte, page PageID) []byte {
	dst = append(dst, '{')
	if page != "" {
		dst = append(dst, `"page":`...)
		dst = ot.AppendString(dst, string(page))
		dst = append(dst, ',')
	}
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, c.Seq, 10)
	return append(dst, `,"delta":`...)
}

// appendBehind writes what comes behind the delta.
func (c Change) appendBehind(dst []byte) []byte {
	dst = append(dst, `,"author":`...)
	dst = ot.AppendString(dst, c.Author)
	dst = append(dst, `,"client":`...)
	dst = ot.AppendString(dst, c.Client)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendUint(dst, c.N, 10)
	dst = append(dst, `,"time":"`...)
	dst = c.Time.UTC().AppendFormat(dst, TimeForm)
	return append(dst, `"}`...)
}

// MarshalJSON writes the change as GET /api/pages/{id}/changes lists it.
func (c Change) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil, ""), nil }
