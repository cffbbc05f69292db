package storagetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"halley/storage"
)

// CheckHistories lets many callers at once append to a page of s and read it,
// and put, read, delete and watch records, and returns an error unless what they
// were answered is linearizable: unless each call can have happened at one
// moment between its beginning and its end, on a log that grows at one end and
// on records that are compared and set. A write of unknown fate may have happened
// then or later, or never.
//
// The page and the records must be new: "contested", and "contested/" with what
// follows. The callers' choices follow from seed.
func CheckHistories(ctx context.Context, s storage.Store, seed uint64) error {
	h := &historian{Store: s, ctx: ctx, seed: seed, steps: map[string][]porcupine.Operation{}}
	f := h.watch()
	defer f.end()
	h.crowd(pageCallers, (*caller).callLog)
	h.crowd(recordCallers, (*caller).callRecords)
	for _, check := range []func() error{h.failure, h.settle, h.linearizable, f.finish, h.linearizable} {
		if err := check(); err != nil {
			return fmt.Errorf("%w (seed %d)", err, seed)
		}
	}
	return nil
}

func historiesAreLinearizable(w *world) {
	if err := CheckHistories(w.Context(), w, 3); err != nil {
		w.Fatal(err)
	}
}

func historiesUnderFaults(w *world) {
	if err := CheckHistories(w.Context(), NewFailing(w, 4), 4); err != nil {
		w.Fatal(err)
	}
}

const (
	contested = "contested"

	pageCallers, recordCallers = 12, 6
	callsEach                  = 40
	contestedKeys              = 3
	// watchers need less than a backlog, so that they miss nothing.
	_ = uint(storage.WatchBacklog - recordCallers*callsEach)

	// undecided is when a history is given up that may be neither explained
	// nor refuted in reasonable time. One of these takes milliseconds.
	undecided = time.Minute
)

// A historian notes what callers ask and are answered.
type historian struct {
	storage.Store
	ctx   context.Context
	seed  uint64
	clock atomic.Int64 // ticks at each beginning and each end

	mu       sync.Mutex
	steps    map[string][]porcupine.Operation // guarded by mu: by what they are about
	failures int                              // guarded by mu: writes that failed
	failed   error                            // guarded by mu: an answer that may never be given
}

// A step is a call and its answer. after returns the state that it leaves, or
// false where it cannot have been answered so in this one.
type step interface{ after(state any) (any, bool) }

func (h *historian) note(about string, call int64, s step, fate outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op := porcupine.Operation{Input: s, Call: call, Return: h.clock.Add(1)}
	if fate == unknownFate {
		op.Return = whenever
	}
	if fate == unknownFate || fate == refused {
		h.failures++
	}
	h.steps[about] = append(h.steps[about], op)
}

// whenever is when a write of unknown fate may come to pass.
const whenever = 1 << 60

func (h *historian) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = cmp.Or(h.failed, err)
}

func (h *historian) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// An outcome is what a caller learns of its write.
type outcome int

const (
	done        outcome = iota
	refused             // nothing was stored
	conflicted          // nothing was stored, since the head or version is another
	unknownFate         // storage.ErrUnknown
)

// outcomeOf also returns what a conflict says there is.
func outcomeOf(err error) (outcome, uint64, error) {
	var conflict *storage.ConflictError
	switch {
	case err == nil:
		return done, 0, nil
	case errors.As(err, &conflict):
		return conflicted, conflict.Actual, nil
	case errors.Is(err, storage.ErrNotFound): // what a delete says for version 0
		return conflicted, 0, nil
	case errors.Is(err, storage.ErrDiskFull):
		return refused, 0, nil
	case errors.Is(err, storage.ErrUnknown):
		return unknownFate, 0, nil
	}
	return 0, 0, err
}

// A caller calls one thing after another.
type caller struct {
	*historian
	name  string
	rng   *rand.Rand
	n     uint64            // its newest on the page
	known uint64            // the page's head
	about map[string]uint64 // the records' versions
}

func (h *historian) crowd(callers int, call func(*caller) error) {
	var all sync.WaitGroup
	for id := range callers {
		c := &caller{
			historian: h, name: fmt.Sprintf("client-%d", id),
			rng: rand.New(rand.NewPCG(h.seed, uint64(id))), about: map[string]uint64{},
		}
		all.Go(func() {
			for range callsEach {
				if err := call(c); err != nil {
					h.fail(fmt.Errorf("%s: %w", c.name, err))
					return
				}
				for h.Healthy() != nil && h.ctx.Err() == nil {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
}

// callLog appends on the head that the caller knows, or learns of a newer one.
func (c *caller) callLog() error {
	switch c.rng.IntN(6) {
	case 0:
		return c.seeHead()
	case 1:
		return c.read()
	case 2:
		return c.seeSelf()
	}
	begun := c.clock.Add(1)
	err := c.Append(c.ctx, contested, c.known, edits(c.name, c.n+1, c.n+1))
	fate, actual, err := outcomeOf(err)
	if err != nil {
		return err
	}
	c.note(contested, begun, appended{c.known, fmt.Sprint(c.name, " ", c.n+1), fate, actual}, fate)
	switch fate {
	case done:
		c.known, c.n = c.known+1, c.n+1
	case conflicted:
		c.known = actual
	case unknownFate:
		return cmp.Or(c.seeHead(), c.seeSelf()) // as a page does, which loads again
	}
	return nil
}

func (c *caller) seeHead() error {
	begun := c.clock.Add(1)
	head, err := c.Head(c.ctx, contested)
	if err == nil {
		c.note(contested, begun, headSeen{head}, done)
		c.known = head
	}
	return unlessUnknown(err)
}

func (c *caller) seeSelf() error {
	for {
		begun := c.clock.Add(1)
		state, err := c.Client(c.ctx, contested, c.name)
		if err == nil {
			c.note(contested, begun, clientSeen{c.name, state.N}, done)
			c.n = state.N
			return nil
		}
		if err := unlessUnknown(err); err != nil {
			return err
		}
		runtime.Gosched()
	}
}

func (c *caller) read() error {
	seen := changesSeen{from: c.known}
	if c.rng.IntN(4) == 0 {
		seen.from = 0
	}
	begun := c.clock.Add(1)
	err := c.Read(c.ctx, contested, seen.from, end, func(ch storage.Change) error {
		if ch.Seq != seen.from+uint64(len(seen.who))+1 {
			return fmt.Errorf("change %d is read after %d of them behind %d", ch.Seq, len(seen.who), seen.from)
		}
		seen.who = append(seen.who, fmt.Sprint(ch.Client, " ", ch.N))
		return nil
	})
	if err == nil {
		c.note(contested, begun, seen, done)
		c.known = seen.from + uint64(len(seen.who))
	}
	return unlessUnknown(err)
}

// unlessUnknown drops an error that tells nothing.
func unlessUnknown(err error) error {
	if errors.Is(err, storage.ErrUnknown) {
		return nil
	}
	return err
}

// An entry is a log, by its newest change; nil is the empty one.
type entry struct {
	before *entry
	seq    uint64
	who    string
	hash   uint64 // of who, and all before
}

var hashSeed = maphash.MakeSeed()

func (e *entry) add(who string) *entry {
	return &entry{e, e.head() + 1, who, maphash.Comparable(hashSeed, struct {
		before uint64
		who    string
	}{e.sum(), who})}
}

func (e *entry) head() uint64 {
	if e == nil {
		return 0
	}
	return e.seq
}

func (e *entry) sum() uint64 {
	if e == nil {
		return 0
	}
	return e.hash
}

type appended struct {
	expect uint64
	who    string
	fate   outcome
	actual uint64
}

func (a appended) after(state any) (any, bool) {
	log := state.(*entry)
	fits := log.head() == a.expect
	switch a.fate {
	case done:
		return log.add(a.who), fits
	case conflicted:
		return log, !fits && log.head() == a.actual
	case unknownFate:
		if fits {
			return log.add(a.who), true
		}
	}
	return log, true
}

type headSeen struct{ seq uint64 }

func (h headSeen) after(state any) (any, bool) { return state, state.(*entry).head() == h.seq }

type changesSeen struct {
	from uint64
	who  []string
}

func (r changesSeen) after(state any) (any, bool) {
	log := state.(*entry)
	if log.head() != r.from+uint64(len(r.who)) {
		return state, false
	}
	for _, who := range slices.Backward(r.who) {
		if log.who != who {
			return state, false
		}
		log = log.before
	}
	return state, true
}

type clientSeen struct {
	name string
	n    uint64
}

func (c clientSeen) after(state any) (any, bool) {
	n := uint64(0)
	for e := state.(*entry); e != nil; e = e.before {
		if strings.HasPrefix(e.who, c.name+" ") {
			n++
		}
	}
	return state, n == c.n
}

// callRecords puts or deletes a record at the version that the caller knows, or
// learns of a newer one.
func (c *caller) callRecords() error {
	key := keyOfHistory(c.rng.IntN(contestedKeys))
	begun := c.clock.Add(1)
	w := recordWritten{expect: c.about[key]}
	var bad error
	switch c.rng.IntN(8) {
	case 0, 1, 2:
		return c.seeRecord(key)
	case 3:
		w.gone = true
		w.fate, w.actual, bad = outcomeOf(c.Delete(c.ctx, key, w.expect))
	default:
		w.value = fmt.Sprint(c.name, " ", begun)
		version, err := c.Put(c.ctx, storage.Record{Key: key, Value: []byte(w.value), Version: w.expect})
		w.fate, w.actual, bad = outcomeOf(err)
		if err == nil && version != w.expect+1 {
			bad = fmt.Errorf("put at version %d made version %d", w.expect, version)
		}
	}
	if bad != nil {
		return bad
	}
	c.note(key, begun, w, w.fate)
	switch {
	case w.fate == conflicted:
		c.about[key] = w.actual
	case w.fate == done && w.gone:
		c.about[key] = 0
	case w.fate == done:
		c.about[key]++
	case w.fate == unknownFate:
		return c.seeRecord(key)
	}
	return nil
}

func (c *caller) seeRecord(key string) error {
	begun := c.clock.Add(1)
	r, err := c.Get(c.ctx, key)
	if err == nil || errors.Is(err, storage.ErrNotFound) {
		c.note(key, begun, recordSeen{recordState{r.Version, string(r.Value)}}, done)
		c.about[key] = r.Version
		return nil
	}
	return unlessUnknown(err)
}

// A recordState is a record; version 0 is none.
type recordState struct {
	version uint64
	value   string
}

type recordWritten struct {
	expect uint64
	value  string
	gone   bool // it is a delete
	fate   outcome
	actual uint64
}

func (w recordWritten) after(state any) (any, bool) {
	before := state.(recordState)
	next := recordState{before.version + 1, w.value}
	if w.gone {
		next = recordState{}
	}
	fits := before.version == w.expect && !(w.gone && before.version == 0)
	switch w.fate {
	case done:
		return next, fits
	case conflicted:
		return before, !fits && before.version == w.actual
	case unknownFate:
		if fits {
			return next, true
		}
	}
	return before, true
}

type recordSeen struct{ recordState }

func (r recordSeen) after(state any) (any, bool) { return state, state == r.recordState }

// A follower is one call of Watch over the contested records.
type follower struct {
	*historian
	begun int64
	stop  context.CancelFunc
	ended chan struct{} // closed when Watch has returned err
	err   error

	changed chan struct{} // has room for one; filled when something was told
	mu      sync.Mutex
	last    map[string]recordState // guarded by mu: what was told of each key
	tellErr error                  // guarded by mu: the first thing told out of turn
}

func (h *historian) watch() *follower {
	ctx, stop := context.WithCancel(h.ctx)
	f := &follower{
		historian: h, begun: h.clock.Add(1), stop: stop,
		ended: make(chan struct{}), changed: make(chan struct{}, 1), last: map[string]recordState{},
	}
	go func() {
		defer close(f.ended)
		f.err = h.Watch(ctx, contested+"/", func(c storage.RecordChange) error {
			if c.Key != "" {
				f.told(c)
			}
			return nil
		})
	}()
	return f
}

// told notes that a record was so at some moment before: a read that took long.
func (f *follower) told(c storage.RecordChange) {
	state := recordState{c.Version, string(c.Value)}
	f.note(c.Key, f.begun, recordSeen{state}, done)
	f.mu.Lock()
	defer f.mu.Unlock()
	before, known := f.last[c.Key]
	next := known && state.version == before.version+1 || state.version == 0 && before.version > 0
	if known && !next && f.tellErr == nil {
		f.tellErr = fmt.Errorf("a watcher of %s was told of version %d after version %d", c.Key, state.version, before.version)
	}
	f.last[c.Key] = state
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// finish waits until the watcher was told how the records are now, and returns
// an error where that does not come, or something came out of turn.
func (f *follower) finish() error {
	tooLong := time.After(undecided)
	for i := range contestedKeys {
		key := keyOfHistory(i)
		r, err := f.Get(f.ctx, key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		for now := (recordState{r.Version, string(r.Value)}); f.lastTold(key) != now; {
			select {
			case <-f.changed:
			case <-tooLong:
				return fmt.Errorf("a watcher of %s was told of %v last, it is %v", key, f.lastTold(key), now)
			}
		}
	}
	if f.end(); !errors.Is(f.err, context.Canceled) {
		return fmt.Errorf("Watch() = %w, want the context's end", f.err)
	}
	f.historian.mu.Lock()
	defer f.historian.mu.Unlock()
	if f.failures > 0 {
		return nil // what was told when the disk had failed may come twice, or skip
	}
	return f.tellErr
}

// end has Watch return.
func (f *follower) end() {
	f.stop()
	<-f.ended
}

func (f *follower) lastTold(key string) recordState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last[key]
}

func keyOfHistory(i int) string { return fmt.Sprintf("%s/%d", contested, i) }

// settle finds out from the whole log which appends of unknown fate cannot have
// happened. With all of them in doubt too many orders would have to be tried.
func (h *historian) settle() error {
	stored := map[string]uint64{} // by who: the seq
	err := h.Read(h.ctx, contested, 0, end, func(c storage.Change) error {
		stored[fmt.Sprint(c.Client, " ", c.N)] = c.Seq
		return nil
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	acknowledged := map[string]bool{}
	for _, op := range h.steps[contested] {
		if a, ok := op.Input.(appended); ok && a.fate == done {
			acknowledged[a.who] = true
		}
	}
	h.steps[contested] = slices.DeleteFunc(h.steps[contested], func(op porcupine.Operation) bool {
		a, ok := op.Input.(appended)
		return ok && a.fate == unknownFate && (acknowledged[a.who] || stored[a.who] != a.expect+1)
	})
	return nil
}

// linearizable checks the history of everything that the callers called.
func (h *historian) linearizable() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for about, steps := range h.steps {
		var nothing any = recordState{}
		if about == contested {
			nothing = (*entry)(nil)
		}
		if err := linearizable(about, nothing, steps); err != nil {
			return err
		}
	}
	return nil
}

func linearizable(about string, nothing any, steps []porcupine.Operation) error {
	model := porcupine.Model{
		Init:  func() any { return nothing },
		Equal: equalStates,
		Step: func(state, in, _ any) (bool, any) {
			next, ok := in.(step).after(state)
			return ok, next
		},
	}
	result, info := porcupine.CheckOperationsVerbose(model, steps, undecided)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return fmt.Errorf("the history of %s, %d steps long, can be neither explained nor refuted within %v", about, len(steps), undecided)
	}
	return fmt.Errorf("no order explains the history of %s: %s", about, firstUnexplained(info, steps))
}

func equalStates(a, b any) bool {
	x, isLog := a.(*entry)
	if !isLog {
		return a == b
	}
	y := b.(*entry)
	return x.head() == y.head() && x.sum() == y.sum()
}

// firstUnexplained is the first step to end that is in none of the orders which
// explain the longest beginning of steps.
func firstUnexplained(info porcupine.LinearizationInfo, steps []porcupine.Operation) string {
	explained := map[int]bool{}
	for _, order := range info.PartialLinearizations()[0] {
		for _, i := range order {
			explained[i] = true
		}
	}
	first := -1
	for i := range steps {
		if !explained[i] && (first < 0 || steps[i].Return < steps[first].Return) {
			first = i
		}
	}
	if first < 0 {
		return "its steps hold each for itself, not together"
	}
	return fmt.Sprintf("%T%+v, from %d to %d", steps[first].Input, steps[first].Input, steps[first].Call, steps[first].Return)
}
