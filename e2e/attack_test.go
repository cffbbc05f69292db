package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An assault is how long how many guests attack.
type assault struct {
	guests int
	lasts  time.Duration
}

const (
	attackMemory = 256 // MiB, the server's --memory
	attackRSS    = 384 // MiB, the most that it may hold resident
	attackAck    = 250 * time.Millisecond
	typingPause  = 100 * time.Millisecond
)

// TestAttack: guests who call everything there is, with sizes up to the limits,
// slowly, in parts, and at once, neither end a small server, nor make it grow
// beyond its budget, nor hold up somebody who types.
//
// The guests are a process of their own with little priority, since in truth
// they have their own processors. How long a typist waits is only judged in the
// long form: a short one on a busy machine says nothing of it.
func TestAttack(t *testing.T) {
	if carried.scheme != "http" {
		t.Skip("the attackers speak plain HTTP/1.1")
	}
	a := assault{guests: 40, lasts: 25 * time.Second}
	if soak {
		a = assault{guests: 200, lasts: 30 * time.Minute}
	}
	if lasts, err := time.ParseDuration(os.Getenv("HALLEY_ATTACK_FOR")); err == nil {
		a.lasts = lasts
	}
	s := serve(t, "--rate-limits=on", "--open", "--trusted-proxies=127.0.0.1", "--metrics-listen=127.0.0.1:0", "--memory="+strconv.Itoa(attackMemory))
	ty := newTypist(t, s)
	ty.types(50) // before anything happens
	seed := seedOf(t)
	attackers := a.begin(t, s, seed)
	m := watchMemory(t, s)
	for attackers.running() {
		ty.types(1)
		m.look()
	}
	attackers.wantUnhurt()
	ty.types(50)
	m.report()
	ty.report()
	ty.wantAll()
	s.guest("Later").get("/readyz").ok(200)
	if status := s.stop(); status != 0 {
		t.Errorf("the server ended with status %d, want 0", status)
	}
	// The long form leaves gigabytes behind.
	halleyWithin(t, patience+a.lasts, nil, "verify", "--data", s.dir).ok()
}

// A typist types on a page of their own and notes how long each edit takes to be
// acknowledged.
type typist struct {
	*caller
	page  string
	n     int
	acks  []time.Duration
	worst []time.Duration // p99 of each minute
	began time.Time
	now   []time.Duration // acks of the minute
}

func newTypist(t *testing.T, s *server) *typist {
	c := s.stranger()
	c.id = c.send(to("POST", "/api/session").json(`{"name":"Typist"}`).with("X-Forwarded-For", "203.0.113.7")).ok(200).text("id")
	return &typist{caller: c, page: c.newPage(""), began: time.Now()}
}

// types sends the given number of edits, one after the other.
func (ty *typist) types(edits int) {
	ty.tb.Helper()
	for range edits {
		start := time.Now()
		body := fmt.Sprintf(`{"client":"the-typist","n":%d,"base":%d,"delta":[{"insert":"x"}]}`, ty.n+1, ty.n)
		a, err := ty.try(to("POST", "/api/pages/"+ty.page+"/changes").json(body).with("X-Forwarded-For", "203.0.113.7"))
		if err != nil {
			ty.tb.Fatalf("the typist's edit %d: %v", ty.n+1, err)
		}
		a.ok(200)
		took := time.Since(start)
		ty.n++
		ty.acks, ty.now = append(ty.acks, took), append(ty.now, took)
		if time.Since(ty.began) > time.Minute {
			ty.worst = append(ty.worst, percentile(ty.now, 0.99))
			ty.began, ty.now = time.Now(), nil
		}
		time.Sleep(typingPause)
	}
}

func percentile(took []time.Duration, p float64) time.Duration {
	if len(took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(took))
	return sorted[int(float64(len(sorted)-1)*p)]
}

func (ty *typist) report() {
	ty.tb.Helper()
	p99 := percentile(ty.acks, 0.99)
	ty.tb.Logf("%d edits typed: acknowledged within %v (p50), %v (p99), %v (all); p99 of each minute %v",
		ty.n, percentile(ty.acks, 0.5), p99, percentile(ty.acks, 1), ty.worst)
	if soak && p99 > attackAck {
		ty.tb.Errorf("acknowledged within %v (p99), want %v", p99, attackAck)
	}
}

// wantAll fails unless everything typed is on the page.
func (ty *typist) wantAll() {
	ty.tb.Helper()
	ty.wantPage(ty.page, ty.n, fmt.Sprintf(`[{"insert":"%s\n"}]`, strings.Repeat("x", ty.n)))
}

// A memoryWatch looks at what the server holds.
type memoryWatch struct {
	tb   testing.TB
	s    *server
	url  string         // of the metrics
	peak map[string]int // KiB, by the kernel's name
}

func watchMemory(tb testing.TB, s *server) *memoryWatch {
	return &memoryWatch{tb, s, "http://" + s.says(`serving metrics" address=(\S+)`), map[string]int{}}
}

// look fails the test as soon as the server holds too much.
func (m *memoryWatch) look() {
	m.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.s.cmd.Process.Pid))
	if err != nil {
		m.tb.Fatalf("the server is gone: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if !slices.Contains([]string{"VmRSS", "VmHWM", "RssAnon", "RssFile", "Threads"}, name) {
			continue
		}
		if n, err := strconv.Atoi(strings.Fields(value)[0]); err == nil {
			m.peak[name] = max(m.peak[name], n)
		}
	}
	if m.peak["VmHWM"] > attackRSS<<10 {
		m.report()
		m.tb.Fatalf("the server has held %d MiB, want at most %d; it uses\n%s", m.peak["VmHWM"]>>10, attackRSS, m.metrics())
	}
}

// metrics are the server's lines on memory.
func (m *memoryWatch) metrics() string {
	resp, err := http.Get(m.url + "/metrics")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "halley_memory") || strings.HasPrefix(line, "go_memstats_heap") || strings.HasPrefix(line, "halley_streams{") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func (m *memoryWatch) report() {
	m.tb.Logf("memory at its highest, KiB: %v", m.peak)
}

// Attackers are the process of the guests.
type attackers struct {
	tb   testing.TB
	said log
	done chan error
}

// begin starts the guests.
func (a assault) begin(t *testing.T, s *server, seed uint64) *attackers {
	ctx, cancel := context.WithTimeout(t.Context(), a.lasts+time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAttackers$", "-test.v", "-test.timeout="+(a.lasts+time.Minute).String())
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d", attackVariable, s.url, seed, a.guests, a.lasts))
	g := &attackers{tb: t, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &g.said, &g.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Little priority is a wish: without it the test is only harder.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, cmd.Process.Pid, 15)
	go func() { g.done <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		t.Logf("the attackers said:\n%s", g.said.tail())
	})
	return g
}

func (g *attackers) running() bool {
	select {
	case err := <-g.done:
		g.done <- err
		return false
	default:
		return true
	}
}

// wantUnhurt fails where the attackers' own process went wrong: then nothing was
// tested.
func (g *attackers) wantUnhurt() {
	g.tb.Helper()
	if err := <-g.done; err != nil {
		g.tb.Errorf("the attackers' process: %v", err)
	}
}

const attackVariable = "HALLEY_ATTACK"

// TestAttackers is the guests' process of TestAttack.
func TestAttackers(t *testing.T) {
	var url string
	var seed uint64
	var guests int
	var lasts time.Duration
	if _, err := fmt.Sscan(os.Getenv(attackVariable), &url, &seed, &guests, &lasts); err != nil {
		t.Skip("TestAttack runs this in a process of its own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	counts := attack(ctx, url, seed, guests, lasts)
	t.Log(counts)
	if counts["200"]+counts["201"]+counts["204"] == 0 {
		t.Error("no call of the attackers was answered with success: they attack nothing")
	}
}

// attack has guests call the server until ctx ends, after about that time, and
// counts its answers.
func attack(ctx context.Context, url string, seed uint64, guests int, lasts time.Duration) map[string]int {
	c := &campaign{url: url, holds: min(lasts/3, time.Minute), counts: map[string]int{}}
	for i := range guests {
		g := newAttacker(c, i, rand.New(rand.NewPCG(seed, uint64(i))))
		c.running.Go(func() { g.run(ctx) })
	}
	c.running.Wait()
	return c.counts
}

// errMeant: the attacker broke the call off.
var errMeant = errors.New("broken off, as intended")
