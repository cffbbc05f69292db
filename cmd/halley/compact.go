package main

import (
	"context"
	"errors"
	"fmt"

	"halley/storage/bolt"
)

const compactUsage = `

Writes a workspace's file again, without the free space that deletion has left in
it: a server uses that space again, but the file never shrinks by itself. Nobody
may have the workspace open, and the disk must have room for a second file. Where
halley.db is a link, the file that it leads to is written, and the link stays. A
server compacts by itself when it starts, where more than half of a large file is
free.
`

// compact makes a workspace's file as small as it can be.
func compact(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "compact", compactUsage, args, nil)
	if err != nil {
		return err
	}
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	var bar *progress
	done, err := bolt.Compact(ctx, cfg.data, func(done, total int64) {
		if bar == nil {
			bar = newByteProgress(env.stderr, "compact", total)
		}
		bar.set(done)
	})
	bar.end()
	if errors.Is(err, bolt.ErrInUse) {
		return fmt.Errorf("the folder %s is in use; stop the server, or restart it: it compacts when it starts, where that pays", cfg.data)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "compacted %s: %d bytes before, %d after\n", cfg.data, done.Before, done.After)
	return nil
}
