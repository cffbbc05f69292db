package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"halley/editor/client"
	"halley/editor/load"
	"halley/ot"
)

// The whole server is measured from outside: the built program serves a fresh
// folder as a process of its own, and `halley load` drives it as another. What
// both share a machine with counts against the server.

// A pressing is a load that a server is put under.
type pressing struct {
	name  string
	flags []string
	pause time.Duration // about how long the disk rests between two edits
}

// BenchmarkServer has a row of the table for each.
func BenchmarkServer(b *testing.B) {
	for _, p := range []pressing{
		{"2 people", []string{"--writers=2", "--viewers=0", "--pages=1", "--rate=5", "--for=5s"}, 100 * time.Millisecond},
		{"20 people", []string{"--writers=20", "--viewers=0", "--pages=1", "--rate=2", "--for=5s"}, 25 * time.Millisecond},
		{"50 people", []string{"--writers=50", "--viewers=0", "--pages=1", "--rate=0", "--for=6s"}, 0},
		{"200 people", []string{"--writers=200", "--viewers=0", "--pages=1", "--rate=2", "--for=6s"}, 0},
		{"200 pages", []string{"--writers=400", "--viewers=0", "--pages=200", "--rate=5", "--for=8s"}, 0},
		{"500 readers", []string{"--writers=1", "--viewers=500", "--pages=1", "--rate=10", "--for=8s"}, 0},
	} {
		b.Run(p.name, func(b *testing.B) { p.run(b) })
	}
}

// BenchmarkScale is what README's plot shows: more and more readers of a page
// that is edited 10 times a second, and more and more people, four to a page,
// who type 2 edits a second each.
func BenchmarkScale(b *testing.B) {
	for _, readers := range []int{10, 100, 1000, 3000, 9000} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			pressing{flags: []string{"--writers=1", fmt.Sprintf("--viewers=%d", readers), "--pages=1", "--rate=10", "--for=5s"}}.run(b)
		})
	}
	for _, people := range []int{20, 100, 400, 1000, 2000} {
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			pressing{flags: []string{fmt.Sprintf("--writers=%d", people), "--viewers=0", fmt.Sprintf("--pages=%d", people/4), "--rate=2", "--for=5s"}}.run(b)
		})
	}
}

func (p pressing) run(b *testing.B) {
	for b.Loop() {
		disk := measureDisk(b, p.pause)
		s := serve(b, "--log-level=error")
		before := s.cpu()
		r := s.load(p.flags...)
		used := s.cpu() - before
		b.ReportMetric(r.EditsPerSecond, "edits/s")
		b.ReportMetric(r.DeliveriesASecond, "deliveries/s")
		b.ReportMetric(r.Ack.P50, "ack-p50-ms")
		b.ReportMetric(r.Ack.P99, "ack-p99-ms")
		b.ReportMetric(r.Delivery.P50, "delivery-p50-ms")
		b.ReportMetric(r.Delivery.P99, "delivery-p99-ms")
		b.ReportMetric(used.Seconds()/float64(r.Edits)*10_000, "cpu-s/10k-edits")
		b.ReportMetric(float64(used.Microseconds())/float64(r.Deliveries), "cpu-µs/delivery")
		b.ReportMetric(s.peakMiB(), "peak-MiB")
		disk.report(b)
		b.ReportMetric(max(r.Ack.P50-disk.commitP50, 0), "ack-p50-over-disk-ms")
		b.ReportMetric(max(r.Ack.P99-disk.commitP99, 0), "ack-p99-over-disk-ms")
		if p.pause > 0 {
			b.ReportMetric(max(r.Ack.P50-disk.restedP50, 0), "ack-p50-over-rested-ms")
		}
		b.ReportMetric(max(r.Delivery.P50-disk.commitP50-roundTrip(b), 0), "delivery-p50-over-raw-ms")
		s.stop()
	}
}

// load drives the server by a `halley load` of its own, and fails unless all
// ended with one text.
func (s *server) load(flags ...string) load.Result {
	s.tb.Helper()
	cmd := exec.Command(binary, append(append([]string{"load", "--json"}, flags...), s.url)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var r load.Result
	if err == nil {
		err = json.Unmarshal(stdout.Bytes(), &r)
	}
	if err != nil || !r.Equal() || r.Edits == 0 {
		s.tb.Fatalf("%s: %v: %s%s", cmd, err, stdout.Bytes(), stderr.Bytes())
	}
	return r
}

// cpu is the processor time that the server has had.
func (s *server) cpu() time.Duration {
	s.tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.tb.Skipf("processor time is read from /proc: %v", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on
	const utime, stime, tick = 14 - 3, 15 - 3, 10 * time.Millisecond
	var used time.Duration
	for _, i := range []int{utime, stime} {
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			s.tb.Fatal(err)
		}
		used += time.Duration(ticks) * tick
	}
	return used
}

// peakMiB is the most memory that the server has had resident.
func (s *server) peakMiB() float64 {
	s.tb.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		s.tb.Fatal(err)
	}
	return kib / 1024
}

// A disk is what the disk under the server's folder gives in the same minute:
// to one writer, and to 50 in the bare append loop, which groups commits and
// does nothing else (storage/bolt has it beside the store itself).
type disk struct {
	commitP50, commitP99 float64 // milliseconds
	restedP50            float64 // the same where it rests before each commit
	bareEdits            float64 // a second
}

func (d disk) report(b *testing.B) {
	b.ReportMetric(d.commitP50, "commit-p50-ms")
	b.ReportMetric(d.commitP99, "commit-p99-ms")
	b.ReportMetric(d.bareEdits, "bare-edits/s")
}

// rowBytes is about what an edit of one letter takes.
const rowBytes = 110

// measureDisk tells what the disk alone takes for an edit, busy and, where pause
// is not 0, after resting for so long.
func measureDisk(b *testing.B, pause time.Duration) disk {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	row, seq := make([]byte, rowBytes), uint64(0)
	put := func(tx *bbolt.Tx, edits int) error {
		rows, err := tx.CreateBucketIfNotExists([]byte("rows"))
		for range edits {
			if seq++; err == nil {
				err = rows.Put(fmt.Appendf(nil, "page-%020d", seq), row)
			}
			if err == nil {
				err = rows.Put([]byte("page-head"), row[:64])
			}
		}
		return err
	}
	commits := func(n int, pause time.Duration) (p50, p99 float64) {
		times := make([]time.Duration, n)
		for i := range times {
			time.Sleep(pause)
			began := time.Now()
			if err := db.Update(func(tx *bbolt.Tx) error { return put(tx, 1) }); err != nil {
				b.Fatal(err)
			}
			times[i] = time.Since(began)
		}
		slices.Sort(times)
		return millis(times[n/2]), millis(times[n*99/100])
	}
	var d disk
	d.commitP50, d.commitP99 = commits(300, 0)
	if pause > 0 {
		d.restedP50, _ = commits(50, pause)
	}
	d.bareEdits = bareLoop(b, db, put)
	return d
}

// bareLoop lets 50 writers store edits for a second, each waiting for its sync.
func bareLoop(b *testing.B, db *bbolt.DB, put func(*bbolt.Tx, int) error) float64 {
	const writers = 50
	queue := make(chan chan error, writers)
	var looping, writing sync.WaitGroup
	looping.Go(func() {
		for first := range queue {
			batch := []chan error{first}
			for len(queue) > 0 {
				batch = append(batch, <-queue)
			}
			err := db.Update(func(tx *bbolt.Tx) error { return put(tx, len(batch)) })
			for _, answer := range batch {
				answer <- err
			}
		}
	})
	began, done := time.Now(), make([]int, writers)
	for w := range writers {
		writing.Go(func() {
			for answer := make(chan error, 1); time.Since(began) < time.Second; done[w]++ {
				queue <- answer
				if err := <-answer; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	took := time.Since(began)
	close(queue)
	looping.Wait()
	edits := 0
	for _, n := range done {
		edits += n
	}
	return float64(edits) / took.Seconds()
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// roundTrip is how long a byte takes there and back on a connection to this
// machine, in milliseconds, at the median.
func roundTrip(b *testing.B) float64 {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	var times []time.Duration
	for range 200 {
		began := time.Now()
		if _, err := c.Write([]byte{'x'}); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return millis(times[len(times)/2])
}

const (
	longEdits = 200_000
	farBehind = 100_000
)

// BenchmarkLongPage: a page of 200,000 edits is opened by a server that has
// just started; and somebody types there alone, and then while ten clients
// each send an edit that is 100,000 changes behind.
func BenchmarkLongPage(b *testing.B) {
	dir := b.TempDir()
	page, text := buildLongPage(b, dir)
	s := serveFolder(b, dir, "--log-level=error")
	typist := s.program("Types")
	if _, err := typist.Page(b.Context(), page); err != nil { // and a checkpoint is written
		b.Fatal(err)
	}
	time.Sleep(time.Second)

	b.Run("opened cold", func(b *testing.B) {
		var took []float64
		for b.Loop() {
			s.stop()
			s.start()
			me := s.guest("Opens")
			began := time.Now()
			a := me.send(to("GET", "/api/pages/"+page).with("Accept-Encoding", "identity"))
			took = append(took, millis(time.Since(began)))
			a.ok(http.StatusOK)
			b.ReportMetric(float64(len(a.body))/float64(text), "bytes/text-byte")
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2], "open-ms")
	})
	b.Run("lone typist", func(b *testing.B) {
		typist := s.program("Types")
		for b.Loop() {
			alone, _ := typeAlone(b, typist, page, nil)
			crowded, late := typeAlone(b, typist, page, func() { sendFarBehind(b, s, page) })
			b.ReportMetric(alone, "alone-p99-ms")
			b.ReportMetric(crowded, "crowded-p99-ms")
			b.ReportMetric(late, "late-edits-s")
		}
	})
}

// typeAlone sends edits one after the other, for a second and as long as
// meanwhile takes; p99 in milliseconds, took in seconds.
func typeAlone(b *testing.B, c *client.Client, page string, meanwhile func()) (p99, took float64) {
	over, began := make(chan struct{}), time.Now()
	go func() {
		defer close(over)
		if meanwhile != nil {
			meanwhile()
			took = time.Since(began).Seconds()
		} else {
			time.Sleep(time.Second)
		}
	}()
	p, err := c.Page(b.Context(), page)
	if err != nil {
		b.Fatal(err)
	}
	e := client.Edit{Client: client.NewID(), Base: p.Seq, Delta: ot.Delta{}.Insert("x", nil)}
	var times []time.Duration
	for isOpen(over) || len(times) < 100 {
		e.N++
		sent := time.Now()
		if e.Base, err = c.Submit(b.Context(), page, e); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(sent))
		time.Sleep(2 * time.Millisecond) // who types pauses
	}
	<-over
	slices.Sort(times)
	return millis(times[len(times)*99/100]), took
}

func isOpen(c chan struct{}) bool {
	select {
	case <-c:
		return false
	default:
		return true
	}
}

// sendFarBehind returns when ten clients have each had such an edit committed.
func sendFarBehind(b *testing.B, s *server, page string) {
	var all sync.WaitGroup
	for range 10 {
		c := s.program("Was away")
		all.Go(func() {
			e := client.Edit{Client: client.NewID(), N: 1, Base: longEdits - farBehind, Delta: ot.Delta{}.Retain(100, nil).Insert("y", nil)}
			if _, err := c.Submit(context.Background(), page, e); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
}
