package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"halley/editor/account"
	"halley/storage"
	"halley/storage/bolt"
)

const signOutAllUsage = `

Ends the sessions of everybody in a workspace, also while a server has it open:
streams that are open end within a second. The secrets with which the cookies of
sessions are signed and encrypted are renewed, so that a copy of the old ones is
worthless. People sign in again; a guest who does is a new guest. Pages stay as
they are.
`

// signOutAll ends all sessions of a workspace, served or not.
func signOutAll(ctx context.Context, env environ, args []string) error {
	cfg, err := parseKeep(env, "sign-out-all", signOutAllUsage, args, nil)
	if err != nil {
		return err
	}
	if err := wantStore(cfg.data); err != nil {
		return err
	}
	store, err := bolt.Open(cfg.data, storeConfig(nil))
	switch {
	case err == nil:
		err = errors.Join(endSessions(ctx, store), store.Close())
	case errors.Is(err, bolt.ErrInUse):
		err = controlOf(cfg.data).SignOutAll(ctx)
	}
	if err != nil {
		return fmt.Errorf("sign everybody out of %s: %w", cfg.data, err)
	}
	fmt.Fprintf(env.stdout, "everybody is signed out of %s\n", cfg.data)
	return nil
}

// endSessions ends all sessions in a store that no server has open, and renews
// the secrets behind them. A restored backup needs it: anybody who could read the
// backup could use the sessions and secrets in it.
func endSessions(ctx context.Context, store storage.Records) error {
	accounts := account.New(store, time.Now)
	defer accounts.Close()
	return accounts.EndAll(ctx)
}
