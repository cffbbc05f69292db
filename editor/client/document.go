package client

import (
	"fmt"

	"halley/ot"
)

// A Document is a page as one open editor holds it: the content it shows, and
// its own edits that the server has not committed yet. It does the operational
// transformation; sending and following are the caller's job.
//
// At most one edit is in flight: what is typed while it is gets composed into a
// pending one. Lengths are UTF-16 code units. A Document is not safe for
// concurrent use.
type Document struct {
	content  *ot.Content
	seq      uint64
	sent     bool
	inflight ot.Delta // as it applies at seq
	pending  ot.Delta // as it applies after inflight; empty: nothing is pending
}

// NewDocument returns the document of a page whose committed content at seq is
// content. It returns an error if content is not a page's content.
func NewDocument(seq uint64, content ot.Delta) (*Document, error) {
	c, err := ot.NewContent(content)
	if err != nil {
		return nil, fmt.Errorf("open a document at seq %d: %w", seq, err)
	}
	return &Document{content: c, seq: seq}, nil
}

// Seq is the newest change that the document includes.
func (d *Document) Seq() uint64 { return d.seq }

// Content is what the editor shows: the committed content with the own edits
// that are in flight and pending. The caller must not modify it.
func (d *Document) Content() *ot.Content { return d.content }

// Pending reports whether there are edits that Send has not taken yet.
func (d *Document) Pending() bool { return len(d.pending) > 0 }

// InFlight returns the edit that was sent and has not come back, as it applies
// at Seq. ok is false if there is none.
func (d *Document) InFlight() (edit ot.Delta, ok bool) { return d.inflight, d.sent }

// Edit applies an edit of the own editor to the content and adds it to what is
// pending. If it returns an error, because the edit does not fit, nothing has
// changed.
func (d *Document) Edit(edit ot.Delta) error {
	if err := d.content.Apply(edit); err != nil {
		return err
	}
	d.pending = ot.Compose(d.pending, edit)
	return nil
}

// Send takes what is pending in flight and returns it, to be submitted with
// base as its base. It returns false if another edit is in flight, or if there
// is nothing to send, as when the pending edits undid each other.
func (d *Document) Send() (edit ot.Delta, base uint64, ok bool) {
	if d.sent || len(d.pending) == 0 {
		return nil, d.seq, false
	}
	d.sent, d.inflight, d.pending = true, d.pending, nil
	return d.inflight, d.seq, true
}

// Receive takes in the committed change seq, which must be the one after Seq.
// own says that it is the edit in flight. It returns the change as it applied
// to the content, empty for the own edit; a caller moves its caret over it.
//
// After an error the document no longer matches the server: load the page again.
func (d *Document) Receive(seq uint64, change ot.Delta, own bool) (ot.Delta, error) {
	switch {
	case seq != d.seq+1:
		return nil, fmt.Errorf("change %d came after change %d", seq, d.seq)
	case own && !d.sent:
		return nil, fmt.Errorf("change %d is called the own edit, but none is in flight", seq)
	case own && !change.Equal(d.inflight):
		return nil, fmt.Errorf("the server committed the own edit, change %d, differently", seq)
	case own:
		d.seq, d.sent, d.inflight = seq, false, nil
		return nil, nil // the content has included it since it was typed
	}
	// The server carries the own edits over this change, with priority false:
	// where both insert at one position, the own text goes first there too.
	inflight, pending := d.inflight, d.pending
	if d.sent {
		change, inflight = ot.Transform(inflight, change, true), ot.Transform(change, inflight, false)
	}
	if len(pending) > 0 {
		change, pending = ot.Transform(pending, change, true), ot.Transform(change, pending, false)
	}
	if err := d.content.Apply(change); err != nil {
		return nil, fmt.Errorf("change %d does not fit the content: %w", seq, err)
	}
	d.seq, d.inflight, d.pending = seq, inflight, pending
	return change, nil
}
