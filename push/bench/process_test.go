//go:build linux

package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stationEnv makes the test binary run as one of the servers.
const stationEnv = "HALLEY_BENCH_STATION"

func TestMain(m *testing.M) {
	if kind := os.Getenv(stationEnv); kind != "" {
		runStation(kind)
		return
	}
	os.Exit(m.Run())
}

// An order is what a benchmark has its server do.
type order struct {
	Pages  int           // publish to so many in turn
	Rate   float64       // changes a second; 0: as fast as readers take them
	For    time.Duration // so long,
	Count  int           // or, if not 0, so many changes
	Size   int           // bytes of a change's payload
	Synced bool          // each to the disk, before it is sent
	Weigh  time.Duration // when to look at the memory in use; 0: never
}

// A report is what became of it.
type report struct {
	Published int
	Elapsed   time.Duration
	CPU       time.Duration // of the process, meanwhile
	Heap      int           // bytes in use at order.Weigh
}

// A process is a server of a benchmark.
type process struct {
	tb      testing.TB
	cmd     *exec.Cmd
	orders  *json.Encoder
	reports *json.Decoder
	address string
}

// startStation starts the test binary as a server; it ends with the benchmark.
func startStation(tb testing.TB, kind string) *process {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), stationEnv+"="+kind)
	cmd.Dir = tb.TempDir()
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p := startProcess(tb, cmd)
	p.orders = json.NewEncoder(in)
	return p
}

// startProcess starts a server that says on its first line where it listens.
func startProcess(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		tb.Fatalf("the server ended before it listened: %v", err)
	}
	_, address, _ := strings.Cut(strings.TrimSpace(first), "http://")
	return &process{tb: tb, cmd: cmd, address: address, reports: json.NewDecoder(lines)}
}

// do has a station carry out an order.
func (p *process) do(o order) (r report) {
	p.tb.Helper()
	if err := p.orders.Encode(o); err != nil {
		p.tb.Fatal(err)
	}
	if err := p.reports.Decode(&r); err != nil {
		p.tb.Fatal(err)
	}
	return r
}

// cpu is the processor time that the process has used. The kernel counts it by
// thread to the nanosecond, and by process to the hundredth of a second; Go's
// threads stay.
func (p *process) cpu() (total time.Duration) {
	p.tb.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		p.tb.Fatal("no threads:", err)
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread)
		if err != nil {
			p.tb.Fatal(err)
		}
		ran, _, _ := strings.Cut(string(stat), " ")
		ns, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			p.tb.Fatal(err)
		}
		total += time.Duration(ns)
	}
	return total
}

// rss is the memory that the process holds, in bytes. It may be called from any
// goroutine.
func (p *process) rss() int {
	p.tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	_, after, found := strings.Cut(string(data), "VmRSS:")
	fields := strings.Fields(after)
	if err != nil || !found || len(fields) == 0 {
		p.tb.Errorf("the memory of the server cannot be read: %v", err)
		return 0
	}
	kb, err := strconv.Atoi(fields[0])
	if err != nil {
		p.tb.Error(err)
	}
	return kb << 10
}

// needFiles skips what this machine has not the descriptors for.
func needFiles(tb testing.TB, n int) {
	tb.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		tb.Fatal(err)
	}
	if limit.Cur < uint64(n) {
		tb.Skipf("a process may open %d files here, and this needs %d: raise it with `ulimit -n %d`", limit.Cur, n, n)
	}
}

// dial connects from one of several addresses of this machine, so that ports do
// not run out.
func dial(tb testing.TB, address string, i int) net.Conn {
	tb.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%50))}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// skipHead reads the head of an answer, which must be 200.
func skipHead(in *bufio.Reader) error {
	status, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(status, " 200 ") {
		rest, _ := io.ReadAll(io.LimitReader(in, 500))
		return fmt.Errorf("%s%s", status, rest)
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil || line == "\r\n" {
			return err
		}
	}
}
