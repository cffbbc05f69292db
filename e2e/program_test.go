package e2e

import (
	"context"
	"testing"
	"time"

	"halley/editor/client"
)

// program is a program that has signed in, with our own client.
func (s *server) program(name string) *client.Client {
	s.tb.Helper()
	c, err := client.New(client.Config{Server: s.url, Patience: patience})
	if err == nil {
		_, err = c.SignIn(context.Background(), name)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(c.Close)
	return c
}

// A follower gathers the changes of one page, from the beginning.
type follower struct {
	tb      testing.TB
	changes chan client.Change // closed when the line ends
	err     error              // why; to be read after that
}

// follow begins to follow a page; it ends with ctx.
func follow(ctx context.Context, tb testing.TB, c *client.Client, page string) *follower {
	f := &follower{tb: tb, changes: make(chan client.Change, 1<<15)}
	go func() {
		defer close(f.changes)
		for e, err := range c.Follow(ctx, client.Line{Pages: []client.Place{{Page: page}}}) {
			var change client.Change
			switch {
			case err == nil && e.Type == "change":
				change, err = e.Change()
			case err == nil:
				continue
			}
			if f.err = err; err != nil {
				return
			}
			select {
			case f.changes <- change:
			case <-ctx.Done():
				f.err = ctx.Err()
				return
			}
		}
	}()
	return f
}

// next is the next change, within patience.
func (f *follower) next() client.Change {
	f.tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c, ok := <-f.changes:
		if !ok {
			f.tb.Fatalf("the line ended: %v", f.err)
		}
		return c
	case <-timer.C:
		f.tb.Fatalf("no change within %v", patience)
	}
	panic("unreachable")
}
