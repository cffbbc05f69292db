package editor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"halley/storage"
)

// An Original is the file that a page came from, as it was: what a format
// says in several ways can then be written the way its author chose.
type Original struct {
	Format string // a format's name, "md"
	Data   []byte
}

// maxOriginalBytes keeps an original within one record, base64 included. A
// larger file is not kept; the page is then written in our own style.
const maxOriginalBytes = 700_000

// Original is the file that a page came from; nil where there is none.
func (ps *Pages) Original(ctx context.Context, p Principal, id PageID) (*Original, error) {
	if _, _, err := ps.see(ctx, p, id); err != nil {
		return nil, err
	}
	r, err := ps.store.Get(ctx, originalKey(id))
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var o Original
	if err := json.Unmarshal(r.Value, &o); err != nil {
		return nil, fmt.Errorf("original of page %s: %w", id, err)
	}
	return &o, nil
}

// KeepOriginal makes o the file that the page came from. One that is too
// large to keep is left out, and takes an older one's place all the same.
func (ps *Pages) KeepOriginal(ctx context.Context, p Principal, id PageID, o Original) error {
	if _, role, err := ps.see(ctx, p, id); err != nil {
		return err
	} else if role < RoleEdit {
		return ErrForbidden
	}
	if len(o.Data) > maxOriginalBytes {
		o = Original{}
	}
	value, err := json.Marshal(o)
	if err != nil {
		return err
	}
	for {
		old, err := ps.store.Get(ctx, originalKey(id))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		_, err = ps.store.Put(ctx, storage.Record{Key: originalKey(id), Value: value, Version: old.Version})
		var conflict *storage.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
	}
}

func originalKey(id PageID) string { return "original/" + string(id) }
