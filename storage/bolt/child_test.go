package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"halley/storage"
)

// The environment of a child process: the part that the test binary plays, the
// store's folder, and a number of the part's own.
const (
	childEnv = "HALLEY_STORAGE_CHILD"
	dirEnv   = "HALLEY_STORAGE_DIR"
	roundEnv = "HALLEY_STORAGE_ROUND"
	mostEnv  = "HALLEY_STORAGE_MOST" // lines that a child says before it ends by itself
)

var children = map[string]func(){
	"load":       loadChild,
	"one-by-one": oneByOneChild,
}

// child is the command that plays part on the store in dir; wrap, if any, is a
// command that runs another.
func child(t *testing.T, part, dir string, round int, wrap ...string) *exec.Cmd {
	t.Helper()
	args := append(wrap, os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+part, dirEnv+"="+dir, fmt.Sprintf("%s=%d", roundEnv, round))
	cmd.Stderr = os.Stderr
	return cmd
}

// childStore opens the store that the child is to work on.
func childStore(cfg Config) *Store {
	s, err := Open(os.Getenv(dirEnv), cfg)
	if err != nil {
		fail(err)
	}
	return s
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(1)
}

// oneByOneChanges is how many appends oneByOneChild makes.
const oneByOneChanges = 20

// oneByOneChild appends changes to one page, one by one, and says of each what
// came of it.
func oneByOneChild() {
	health := make(chan error, 1000)
	s := childStore(Config{
		RetryFirst: 1, RetryLast: 1,
		health: func(err error) { health <- err },
		commit: func(tx *bbolt.Tx) error {
			runtime.LockOSThread() // strace counts each thread's calls apart
			return tx.Commit()
		},
	})
	head := uint64(0)
	for range oneByOneChanges {
		err := s.Append(context.Background(), "page", head, []storage.Change{changeOf("client", head+1)})
		switch {
		case err == nil:
			head++
			fmt.Println("stored", head)
		case errors.Is(err, storage.ErrDiskFull):
			fmt.Println("refused", head+1)
		default:
			fmt.Println("unknown", head+1)
		}
		for s.Healthy() != nil {
			<-health
		}
		now, err := s.Head(context.Background(), "page")
		if err != nil {
			fail(err)
		}
		head = now
	}
	if err := s.Close(); err != nil {
		fail(err)
	}
	fmt.Println("head", head)
}

// run runs cmd to its end and returns the lines it printed.
func run(t *testing.T, cmd *exec.Cmd) (lines []string) {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v, after %q", cmd.Args, err, out)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func scanLines(t *testing.T, cmd *exec.Cmd) *bufio.Scanner {
	t.Helper()
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(pipe)
}
