package bolt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A call is one system call of a recorded process, as strace saw it from
// outside. began and ended are places in the record: whatever a process does
// after a call has ended, or another of its goroutines does because of it,
// begins at a higher one.
type call struct {
	name         string
	path, to     string // of the file; of a rename or a link, both names
	offset       int64  // of a pwrite64; the length that an ftruncate gives
	data         []byte // of a write
	said         bool   // the write is to the standard output
	creates      bool   // the openat may make the file
	began, ended int    // ended is never where the process was killed within
	failed       bool
	first        bool // it is among the first of its process
}

const never = math.MaxInt

// recordedCalls are all that can change a file or make it durable, and what a
// child says (write).
const recordedCalls = "openat,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,linkat,unlinkat,mkdirat"

// longestWrite is what strace keeps of one call's data; a longer one would be
// no proof.
const longestWrite = 2_000_000

// straceFor returns strace's path, or skips t with the reason why there is none.
func straceFor(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which sees a process's system calls, is not installed: apt-get install strace")
	}
	if err := exec.CommandContext(t.Context(), strace, "-f", "--seccomp-bpf", "-y", "-o", os.DevNull, "-e", "trace=fdatasync", "true").Run(); err != nil {
		t.Skipf("strace is refused here, probably for want of the right to trace: %v", err)
	}
	return strace
}

// record runs part of a child on the store in dir until it has said most lines,
// and returns its calls in the order in which they began.
func record(t *testing.T, part, dir string, round, most int, faults ...string) []*call {
	t.Helper()
	file := filepath.Join(t.TempDir(), "record")
	wrap := []string{
		straceFor(t), "-f", "--seccomp-bpf", "-y", "-xx", "-s", strconv.Itoa(longestWrite), "-e", "signal=none",
		"-o", file, "-e", "trace=" + recordedCalls,
	}
	cmd := child(t, part, dir, round, append(wrap, faults...)...)
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", mostEnv, most), "GORACE=atexit_sleep_ms=0")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := parseRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// parseRecord reads what strace wrote: a line for each call, or two where
// another thread's came between its beginning and its end.
func parseRecord(text []byte) (calls []*call, err error) {
	open := map[string]*call{} // by thread
	for place, line := 0, []byte(nil); len(text) > 0; place++ {
		line, text, _ = bytes.Cut(text, []byte("\n"))
		thread, rest, _ := bytes.Cut(line, []byte(" "))
		rest = bytes.TrimLeft(rest, " ")
		switch {
		case bytes.HasPrefix(rest, []byte("+++")), bytes.HasPrefix(rest, []byte("???")): // the thread has ended, or is about to
			continue
		case bytes.HasPrefix(rest, []byte("<...")):
			c := open[string(thread)]
			if c == nil && bytes.HasPrefix(rest, []byte("<... ???")) {
				continue
			}
			if c == nil {
				return nil, fmt.Errorf("line %d ends a call that has not begun", place)
			}
			c.end(place, rest)
			continue
		}
		c := &call{began: place, ended: never}
		if err := c.begin(rest); err != nil {
			return nil, fmt.Errorf("line %d, %.200s: %w", place, rest, err)
		}
		c.first = len(calls) < firstCalls
		calls = append(calls, c)
		open[string(thread)] = c
		if !bytes.HasSuffix(rest, []byte("<unfinished ...>")) {
			c.end(place, rest)
		}
	}
	return calls, nil
}

// end notes the result, which a line ends with: "= 0", "= 3</path>" or "= -1 EIO (…)".
func (c *call) end(place int, line []byte) {
	result := line[bytes.LastIndex(line, []byte("= "))+2:]
	if !bytes.HasPrefix(result, []byte("?")) { // the process ended within
		c.ended = place
	}
	c.failed = bytes.HasPrefix(result, []byte("-1 "))
}

// begin reads the name and the arguments. All text in them is in hexadecimal,
// so that no comma or parenthesis is part of any.
func (c *call) begin(line []byte) (err error) {
	name, rest, found := bytes.Cut(line, []byte("("))
	if !found {
		return fmt.Errorf("it is no call")
	}
	inside := rest
	if end := bytes.IndexAny(rest, ")"); end >= 0 {
		inside = rest[:end]
	}
	args := strings.Split(strings.TrimSuffix(string(inside), " <unfinished ...>"), ", ")
	c.name = string(name)
	number := func(i int) (n int64) {
		if i < len(args) && err == nil {
			n, err = strconv.ParseInt(args[i], 10, 64)
		}
		return n
	}
	switch c.name {
	case "write":
		c.path, c.said = pathOf(args[0]), strings.HasPrefix(args[0], "1<")
		c.data, err = textOf(args[1], number(2))
	case "pwrite64":
		c.path, c.offset = pathOf(args[0]), number(3)
		c.data, err = textOf(args[1], number(2))
	case "ftruncate":
		c.path, c.offset = pathOf(args[0]), number(1)
	case "fsync", "fdatasync":
		c.path = pathOf(args[0])
	case "openat", "unlinkat", "mkdirat":
		c.path, err = nameAt(args[0], args[1])
		c.creates = strings.Contains(args[min(2, len(args)-1)], "O_CREAT")
	case "rename":
		c.path, c.to, err = namesAt("", args[0], "", args[1])
	case "renameat", "renameat2", "linkat":
		c.path, c.to, err = namesAt(args[0], args[1], args[2], args[3])
	default:
		err = fmt.Errorf("it is a call that was not asked for")
	}
	return err
}

// pathOf is the path in a descriptor, such as 7<\x2f\x74>.
func pathOf(descriptor string) string {
	_, path, _ := strings.Cut(strings.TrimSuffix(descriptor, ">"), "<")
	b, err := hex.DecodeString(strings.ReplaceAll(path, `\x`, ""))
	if err != nil {
		return path // of a pipe, it is no path
	}
	return string(b)
}

// textOf is a string argument of so many bytes.
func textOf(quoted string, size int64) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(quoted, `"`), `\x`, ""))
	if err == nil && int64(len(b)) != size {
		err = fmt.Errorf("%d of %d bytes are recorded", len(b), size)
	}
	return b, err
}

// nameAt is the path that a name makes with the descriptor of a folder.
func nameAt(folder, quoted string) (string, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(quoted, `"`), `\x`, ""))
	if name := string(b); err != nil || filepath.IsAbs(name) {
		return name, err
	}
	return filepath.Join(pathOf(folder), string(b)), nil
}

func namesAt(folder, name, toFolder, toName string) (from, to string, err error) {
	from, err = nameAt(folder, name)
	if err == nil {
		to, err = nameAt(toFolder, toName)
	}
	return from, to, err
}
