// Package e2e drives the built binary from outside, as browsers, scripts and
// people at a terminal do: over HTTP and by its command line. It knows the
// protocol and nothing of how the server keeps it.
//
// No test here waits for a time to pass: each waits for something to happen,
// within patience.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience is how long a test waits for something that usually happens at once.
// It is long enough for a machine that is busy with other things.
const patience = 2 * time.Minute

// binary is the built program; HALLEY_BIN names one that is there already.
var binary = os.Getenv("HALLEY_BIN")

// soak is whether the long forms of tests are asked for.
var soak = os.Getenv("HALLEY_SOAK") == "1"

// lookAtSources has `go test` know that the results depend on the server's
// code, which it does not see being built: it remembers each file of the
// module that a test looks at, and runs the test again when one has changed.
func lookAtSources() {
	for _, dir := range []string{"cmd", "editor", "frontend/dist", "ot", "push", "storage"} {
		// What cannot be looked at does not build either.
		_ = filepath.WalkDir(filepath.Join("..", dir), func(path string, _ os.DirEntry, _ error) error {
			_, _ = os.Stat(path)
			return nil
		})
	}
	_, _ = os.Stat("../go.mod")
}

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	forget, err := carry(os.Getenv(carrierVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer forget()
	if binary != "" {
		var err error
		if binary, err = filepath.Abs(binary); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, _ = os.Stat(binary) // see lookAtSources
		return m.Run()
	}
	lookAtSources()
	dir, err := os.MkdirTemp("", "halley-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "halley")
	build := exec.Command("go", "build", "-o", binary, "halley/cmd/halley")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build halley:", err)
		return 1
	}
	return m.Run()
}
