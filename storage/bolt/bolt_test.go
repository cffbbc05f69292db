package bolt

import (
	"os"
	"testing"
	"time"

	"halley/storage"
	"halley/storage/encoding"
	"halley/storage/storagetest"
)

// TestMain runs a child's part where the test binary was started as one.
func TestMain(m *testing.M) {
	if part, ok := children[os.Getenv(childEnv)]; ok {
		part()
		return
	}
	// What is made once for all must not be made in a test's bubble of time.
	encoding.Warm()
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB, dir string) storage.Store { return openStore(t, dir, Config{}) })
}

// TestStoreThatFolds: the same, where changes become blocks all the time.
func TestStoreThatFolds(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB, dir string) storage.Store { return openStore(t, dir, eager(Config{})) })
}

// eager makes a store fold whatever it can, at once, into small blocks.
func eager(cfg Config) Config {
	cfg.foldRows, cfg.blockChanges, cfg.keepRows, cfg.FoldAfter = 10, 25, 5, 10*time.Millisecond
	return cfg
}

// openStore opens the store in dir and closes it when the test ends.
func openStore(t testing.TB, dir string, cfg Config) *Store {
	t.Helper()
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatalf("Open(%s) = %v", dir, err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
