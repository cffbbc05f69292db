package editor

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"halley/ot"
	"halley/storage"
)

// readText reads a page's text past the cache: as it is now, but without
// formats, authors and time. Where the log has all of a page's changes, they
// alone are read.
func (ps *Pages) readText(ctx context.Context, id PageID) (*view, error) {
	read := ps.reads.begin()
	defer read.end()
	t, err := ps.textCheckpoint(ctx, id, read)
	if err != nil {
		return nil, fmt.Errorf("read the text of %s: %w", id, err)
	}
	err = ps.store.Read(ctx, id, t.seq, MaxWhole, func(sc storage.Change) error {
		read.grow(contentBytes(t.content) + decodeFactor*int64(len(sc.Payload)))
		c, err := decodeChange(sc)
		if err != nil {
			return err
		}
		t.seq = c.Seq
		return t.content.Apply(withoutFormats(c.Delta))
	})
	if err != nil {
		return nil, fmt.Errorf("read the text of %s after seq %d: %w", id, t.seq, err)
	}
	return t, nil
}

// textCheckpoint is the text of a page's newest checkpoint, or of its beginning.
func (ps *Pages) textCheckpoint(ctx context.Context, id PageID, read *pageRead) (*view, error) {
	v := &view{content: newState("", 0).content}
	c, err := ps.store.Checkpoint(ctx, id, MaxWhole)
	if errors.Is(err, storage.ErrNotFound) {
		return v, nil
	}
	if err == nil {
		read.grow(decodeFactor * unpackedSize(c))
		if text, err := checkpointText(c); err == nil {
			return &view{seq: c.Seq, content: text}, nil
		}
	}
	// It is damaged: an older one, as for the page itself.
	head, err := ps.store.Head(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := nearestPast(ctx, ps.store, ps.cfg.Logger, id, head, read)
	if err != nil {
		return nil, err
	}
	return &view{seq: p.seq, content: p.content}, nil
}

func checkpointText(c storage.Checkpoint) (*ot.Content, error) {
	r, err := openCheckpoint(c)
	if err != nil {
		return nil, err
	}
	r.Varint() // the time
	for range r.Uvarint() {
		if r.Bytes(); r.Err != nil {
			break
		}
	}
	inserts, err := ot.Parse(r.Bytes())
	if err != nil {
		return nil, err
	}
	return ot.NewContent(withoutFormats(inserts))
}

// withoutFormats drops d's attributes, and what its embeds hold. It changes d.
func withoutFormats(d ot.Delta) ot.Delta {
	for i := range d {
		d[i].Attributes = nil
		if d[i].Embed.Type != "" {
			d[i].Embed = ot.Embed{Type: "e", Value: ot.True}
		}
	}
	return d
}

// textPart is how many UTF-16 units of a text are searched at a time.
const textPart = 16 << 10

// missingWords returns those of words, which are in lower case, that are not in
// a content, in any case. It makes no copy of the whole text.
func missingWords(c *ot.Content, words []string) []string {
	longest := 0
	for _, w := range words {
		longest = max(longest, len(w))
	}
	var text []byte
	for at := 0; at < c.Len() && len(words) > 0; at += textPart {
		// A word may lie across two parts, and lower case may take fewer bytes.
		text = append(text[:0], text[max(0, len(text)-longest):]...)
		for _, op := range c.Slice(at, at+textPart) {
			text = appendLower(text, op)
		}
		words = withoutFound(words, text)
	}
	return words
}

func appendLower(text []byte, op ot.Op) []byte {
	if op.Insert == "" {
		return append(text, "\ufffc"...)
	}
	return append(text, bytes.ToLower([]byte(op.Insert))...)
}

func withoutFound(words []string, text []byte) []string {
	var missing []string
	for _, w := range words {
		if !bytes.Contains(text, []byte(w)) {
			missing = append(missing, w)
		}
	}
	return missing
}
