package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A server is the program serving one folder, over as many lives as a test
// gives it.
type server struct {
	tb     testing.TB
	dir    string
	listen string // after the first start: the address that it got
	flags  []string
	url    string
	log    log
	env    []string // besides ours
	files  int      // that the process may have open; 0: as many as the system lets it
	wrap   []string // a command that runs it; nil: none

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
}

// serve starts a server on a folder of its own, with no limits of rate unless
// flags say so.
func serve(tb testing.TB, flags ...string) *server {
	tb.Helper()
	return serveFolder(tb, tb.TempDir(), flags...)
}

func serveFolder(tb testing.TB, dir string, flags ...string) *server {
	tb.Helper()
	s := newServer(tb, dir, flags...)
	s.start()
	return s
}

// newServer is a server before its first life.
func newServer(tb testing.TB, dir string, flags ...string) *server {
	s := &server{tb: tb, dir: dir, listen: "127.0.0.1:0", flags: append(append([]string{"--rate-limits=off"}, carried.flags...), flags...)}
	tb.Cleanup(func() {
		s.kill()
		if tb.Failed() {
			tb.Logf("the server said:\n%s", s.log.tail())
		}
	})
	return s
}

// start begins a life of the server, and returns when it is ready.
func (s *server) start() {
	s.tb.Helper()
	args := append([]string{"serve", "--data", s.dir, "--listen", s.listen}, s.flags...)
	s.cmd = exec.Command(binary, args...)
	if s.files > 0 {
		s.cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, s.files), binary}, args...)...)
	}
	if len(s.wrap) > 0 {
		s.cmd = exec.Command(s.wrap[0], append(append(s.wrap[1:], binary), args...)...)
	}
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stderr = &s.log
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ready := make(chan string, 1)
	exited, cmd := make(chan struct{}), s.cmd
	s.exited = exited
	go func() {
		out := bufio.NewReader(stdout)
		line, _ := out.ReadString('\n')
		ready <- line
		io.Copy(&s.log, out)
		cmd.Wait()
		close(exited)
	}()
	select {
	case line := <-ready:
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on "+carried.scheme+"://")
		if !ok {
			s.tb.Fatalf("the server's first line is %q, want \"listening on %s://ADDRESS\"; it said:\n%s", line, carried.scheme, s.log.tail())
		}
		s.url, s.listen = carried.scheme+"://"+address, address
	case <-time.After(patience):
		s.tb.Fatalf("the server did not get ready; it said:\n%s", s.log.tail())
	}
}

// kill ends the server as a power cut would.
func (s *server) kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	s.cmd.Process.Kill() // one that has ended already is as good
	<-s.exited
}

// terminate tells the server to drain.
func (s *server) terminate() {
	s.tb.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.tb.Fatal(err)
	}
}

// stop drains the server and returns its exit status.
func (s *server) stop() int {
	s.tb.Helper()
	s.terminate()
	return s.wait()
}

// wait returns the exit status of a server that is ending.
func (s *server) wait() int {
	s.tb.Helper()
	select {
	case <-s.exited:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		s.tb.Fatalf("the server did not end; it said:\n%s", s.log.tail())
		return -1
	}
}

// restart kills the server and starts it again at the same address.
func (s *server) restart() {
	s.tb.Helper()
	s.kill()
	s.start()
}

// says waits until the server has logged what pattern describes, and returns
// its group.
func (s *server) says(pattern string) string {
	s.tb.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if found := re.FindStringSubmatch(s.log.String()); found != nil {
			return found[len(found)-1]
		}
		if time.Now().After(end) {
			s.tb.Fatalf("the server does not say %s; it said:\n%s", pattern, s.log.tail())
		}
	}
}

// A log is what a process wrote.
type log struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) tail() string {
	const most = 4 << 10
	text := l.String()
	return text[max(0, len(text)-most):]
}
