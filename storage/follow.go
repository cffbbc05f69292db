package storage

import (
	"context"
	"errors"
	"time"
)

// A Follower is a cache of the records under a prefix. Follow calls its methods
// one at a time.
type Follower interface {
	// Begin announces that all records follow, each by a call of Apply. Changes
	// may have been missed before, and a record that is gone is not named.
	Begin()
	// Apply takes in one record as it is stored now. After an error the watch
	// begins again.
	Apply(ctx context.Context, c RecordChange) error
	// Ready announces that all records were applied. From now on Apply is called
	// for each change.
	Ready()
}

// How long Follow waits before it watches again.
const (
	followRetryFirst = 50 * time.Millisecond
	followRetryLast  = 5 * time.Second
)

// Follow keeps f current with the records under prefix, whoever writes them,
// until ctx ends or the store is closed. When the watch fails, Follow calls
// failed with the error and watches again after a pause.
func Follow(ctx context.Context, records Records, prefix string, f Follower, failed func(error)) {
	wait := followRetryFirst
	for {
		f.Begin()
		err := records.Watch(ctx, prefix, func(c RecordChange) error {
			if c.Key == "" {
				wait = followRetryFirst
				f.Ready()
				return nil
			}
			return f.Apply(ctx, c)
		})
		if ctx.Err() != nil || errors.Is(err, ErrClosed) {
			return
		}
		failed(err)
		pause := time.NewTimer(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		wait = min(2*wait, followRetryLast)
	}
}
