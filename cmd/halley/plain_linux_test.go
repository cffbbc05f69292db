package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal, and the end at which a person sits.
func openTerminal(t *testing.T) (terminal, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, person
}

// TestConfirmedOnATerminal: escaping what is printed does not keep a command
// from seeing that a person is there to be asked.
func TestConfirmedOnATerminal(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "yes\n": true, "n\n": false, "\n": false} {
		terminal, person := openTerminal(t)
		if _, err := person.WriteString(answer); err != nil {
			t.Fatal(err)
		}
		env := environ{stdin: terminal, stdout: terminal, stderr: terminal}.plain().plain()
		if got := confirmed(env, "replace \x1b[31mit? "); got != want {
			t.Errorf("confirmed() = %t after %q", got, answer)
		}
		if newProgress(env.stderr, "test", 5) == nil {
			t.Error("no progress is shown on a terminal")
		}
		for seen := []byte(nil); !bytes.Contains(seen, []byte(`\x1b[31mit?`)); {
			some := make([]byte, 1000)
			n, err := person.Read(some)
			if seen = append(seen, some[:n]...); err != nil {
				t.Fatalf("on the terminal: %q, %v", seen, err)
			}
		}
	}
	terminal, _ := openTerminal(t)
	if confirmed(environ{stdin: terminal, stdout: terminal, stderr: &bytes.Buffer{}}.plain(), "?") {
		t.Error("confirmed without a terminal to ask on")
	}
}
