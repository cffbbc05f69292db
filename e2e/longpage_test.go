package e2e

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/client"
	"halley/ot"
	"halley/storage"
	"halley/storage/bolt"
)

// buildLongPage writes a page of longEdits into a new workspace, and returns its
// id and the bytes of its text. It is typed: letter by letter, with jumps. Over
// HTTP that would take minutes, so here, and only here, the server's parts are
// used themselves.
func buildLongPage(b *testing.B, dir string) (id string, text int) {
	b.Helper()
	ctx := context.Background()
	store, err := bolt.Open(dir, bolt.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	accounts := account.New(store, time.Now)
	pages, err := editor.Open(ctx, editor.Config{}, store, editor.OpenWorkspace{}, accounts)
	if err != nil {
		b.Fatal(err)
	}
	who, _, err := accounts.SignInGuest(ctx, "Author")
	if err != nil {
		b.Fatal(err)
	}
	page, err := pages.Create(ctx, who, editor.NewPage{Title: "A long history"})
	if err != nil {
		b.Fatal(err)
	}
	pages.Close()
	random, length, caret, author := rand.New(rand.NewPCG(1, 1)), 1, 0, client.NewID()
	for seq := uint64(0); seq < longEdits; {
		batch := make([]storage.Change, 1000)
		for i := range batch {
			if random.IntN(50) == 0 {
				caret = random.IntN(length)
			}
			letters := "e"
			switch random.IntN(40) {
			case 0:
				letters = "at"
			case 1, 2, 3, 4, 5:
				letters = " "
			case 6:
				letters = "\n"
			}
			edit := ot.Delta{}.Retain(caret, nil).Insert(letters, nil)
			caret += len(letters)
			length += len(letters)
			seq++
			batch[i] = storage.Change{Client: author, N: seq, Author: who.ID, Time: time.Now().UTC().Truncate(time.Millisecond), Payload: edit.AppendJSON(nil)}
		}
		if err := store.Append(ctx, page.ID, seq-uint64(len(batch)), batch); err != nil {
			b.Fatal(err)
		}
	}
	return string(page.ID), length
}
