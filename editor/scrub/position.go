package scrub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"halley/editor"
	"halley/storage"
)

// A phase is what a pass reads; done is between two passes.
type phase int

const (
	phaseDone phase = iota
	phaseStore
	phasePages
	phaseFiles
)

// A position is where the scrub is.
type position struct {
	Began  time.Time `json:"began"`           // this pass
	Phase  phase     `json:"phase"`           // of it
	After  []byte    `json:"after,omitempty"` // what this phase has read last
	Read   uint64    `json:"read"`            // bytes in this pass
	Whole  time.Time `json:"whole,omitzero"`  // when the last whole pass ended
	Passes uint64    `json:"passes"`          // whole ones
	Total  uint64    `json:"total"`           // bytes in all passes
}

// A record is what is stored: the position, and what was found.
type record struct {
	Version int `json:"version"`
	position
	Damaged []editor.Damaged `json:"damaged,omitempty"`
}

const (
	recordKey     = "scrub"
	recordVersion = 1
)

// load goes on where the scrub was. A record that cannot be read, or is a newer
// version's, means to begin at the beginning.
func (s *Scrubber) load(ctx context.Context) error {
	r, err := s.store.Get(ctx, recordKey)
	var corrupt *storage.CorruptError
	switch {
	case errors.Is(err, storage.ErrNotFound) || errors.As(err, &corrupt):
		return nil
	case err != nil:
		return fmt.Errorf("read where the scrub is: %w", err)
	}
	var known record
	if json.Unmarshal(r.Value, &known) != nil || known.Version != recordVersion || known.Phase > phaseFiles {
		return nil
	}
	for _, d := range known.Damaged {
		s.damage.Add(d)
		if !d.Found.Before(known.Began) {
			s.told[logged{d.Kind, d.Name, d.Reason}] = true
		}
	}
	s.move(func(at *position) { *at = known.position })
	return nil
}

// save stores where the scrub is. It fails in silence where the store takes no
// writes, which the store itself reports: the pass then goes on from an older place.
func (s *Scrubber) save(ctx context.Context) {
	s.saved = s.cfg.Now()
	value, err := json.Marshal(record{recordVersion, s.at, s.damage.List()})
	if err != nil || s.at.Began.IsZero() || s.store.Healthy() != nil {
		return
	}
	old, err := s.store.Get(ctx, recordKey)
	var corrupt *storage.CorruptError
	if err == nil || errors.Is(err, storage.ErrNotFound) || errors.As(err, &corrupt) {
		_, err = s.store.Put(ctx, storage.Record{Key: recordKey, Value: value, Version: old.Version})
	}
	if err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("where the scrub is could not be stored", "error", err)
	}
}
