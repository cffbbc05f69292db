package storagetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"

	"halley/storage"
)

// A watching runs Watch, and keeps the table that its changes amount to.
type watching struct {
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	table   map[string]storage.Record // guarded by mu
	told    []storage.RecordChange    // guarded by mu
	changed chan struct{}             // guarded by mu: closed at each change
	ready   chan struct{}             // closed at the zero change
}

// watches watches prefix; before each change it calls pause, if there is any.
func (w *world) watches(prefix string, pause func()) *watching {
	ctx, cancel := context.WithCancel(w.Context())
	v := &watching{
		cancel: cancel, ended: make(chan error, 1), table: map[string]storage.Record{},
		changed: make(chan struct{}), ready: make(chan struct{}),
	}
	go func() {
		v.ended <- w.Watch(ctx, prefix, func(c storage.RecordChange) error {
			if pause != nil {
				pause()
			}
			v.note(c)
			return nil
		})
	}()
	return v
}

func (v *watching) note(c storage.RecordChange) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case c.Key == "":
		close(v.ready)
		return
	case c.Gone:
		delete(v.table, c.Key)
	default:
		v.table[c.Key] = c.Record
	}
	v.told = append(v.told, c)
	close(v.changed)
	v.changed = make(chan struct{})
}

// await waits until the table holds: it fails only if the test runs out of time.
func (v *watching) await(holds func(table map[string]storage.Record) bool) {
	for {
		v.mu.Lock()
		ok, changed := holds(v.table), v.changed
		v.mu.Unlock()
		if ok {
			return
		}
		<-changed
	}
}

func (v *watching) values() map[string]string {
	v.mu.Lock()
	defer v.mu.Unlock()
	values := map[string]string{}
	for key, r := range v.table {
		values[key] = string(r.Value)
	}
	return values
}

func has(key, value string) func(map[string]storage.Record) bool {
	return func(table map[string]storage.Record) bool { return string(table[key].Value) == value }
}

// watchTellsAll: the state first, then each change, and nothing of other keys.
func watchTellsAll(w *world) {
	w.put("a/1", "one", 0)
	w.put("a/2", "two", 0)
	w.put("b", "other", 0)
	v := w.watches("a/", nil)
	<-v.ready
	if got, want := v.values(), map[string]string{"a/1": "one", "a/2": "two"}; !maps.Equal(got, want) {
		w.Fatalf("the watcher begins with %v, want %v", got, want)
	}
	w.put("a/1", "once more", 1)
	w.put("b", "other again", 1)
	if err := w.Delete(w.Context(), "a/2", 1); err != nil {
		w.Fatal(err)
	}
	w.put("a/2", "back", 0)
	w.put("a/3", "three", 0)
	v.await(has("a/3", "three"))
	want := "a/1=one@1 a/2=two@1 a/1=once more@2 a/2 gone a/2=back@1 a/3=three@1 "
	got := ""
	for _, c := range v.told {
		if c.Gone {
			got += c.Key + " gone "
		} else {
			got += fmt.Sprintf("%s=%s@%d ", c.Key, c.Value, c.Version)
		}
	}
	if got != want {
		w.Fatalf("the watcher was told %q, want %q", got, want)
	}
	v.cancel()
	wantError(w.T, <-v.ended, context.Canceled)
}

// watchEnds: with fn's error, the context's, or the store.
func watchEnds(w *world) {
	enough := errors.New("enough")
	err := w.Watch(w.Context(), "", func(storage.RecordChange) error { return enough })
	wantError(w.T, err, enough)
	v := w.watches("", nil)
	<-v.ready
	if err := w.Close(); err != nil {
		w.Fatal(err)
	}
	wantError(w.T, <-v.ended, storage.ErrClosed)
}

// watchTellsTheLast: of a storm, a watcher that is slow sees no record go back,
// and ends with what there is; nobody waits for it.
func watchTellsTheLast(w *world) {
	const writers, rounds = 4, 200
	for _, slow := range []bool{false, true} {
		prefix := fmt.Sprintf("%v/", slow)
		hold := make(chan struct{})
		var once sync.Once
		pause := func() {}
		if slow {
			pause = func() { once.Do(func() { <-hold }) }
			w.put(prefix+"first", "x", 0) // what the watcher halts at
		}
		v := w.watches(prefix, pause)
		if !slow {
			<-v.ready
		}
		var all sync.WaitGroup
		for id := range writers {
			all.Go(func() { w.storm(fmt.Sprintf("%s%d/", prefix, id), rounds) })
		}
		all.Wait()
		close(hold)
		w.put(prefix+"last", "done", 0)
		v.await(has(prefix+"last", "done"))
		// A change of a key that comes before its record is read again may
		// still be on its way; the last ones are in any case.
		want := w.table(prefix)
		v.await(func(table map[string]storage.Record) bool { return sameRecords(table, want) })
		v.cancel()
		wantError(w.T, <-v.ended, context.Canceled)
		w.wantForward(v, slow)
	}
}

// storm changes a few keys again and again.
func (w *world) storm(prefix string, rounds int) {
	rng := rand.New(rand.NewPCG(uint64(len(prefix)), 17))
	versions := map[string]uint64{}
	for n := range rounds {
		key := fmt.Sprintf("%s%d", prefix, rng.IntN(5))
		if v := versions[key]; v > 0 && rng.IntN(6) == 0 {
			if err := w.Delete(w.Context(), key, v); err != nil {
				w.Errorf("Delete(%s) = %v", key, err)
			}
			versions[key] = 0
			continue
		}
		// The value grows with each change of any key, so that going back shows.
		v, err := w.Put(w.Context(), storage.Record{Key: key, Value: fmt.Appendf(nil, "%06d", n), Version: versions[key]})
		if err != nil {
			w.Errorf("Put(%s) = %v", key, err)
		}
		versions[key] = v
	}
}

func (w *world) table(prefix string) map[string]storage.Record {
	w.Helper()
	table := map[string]storage.Record{}
	err := w.List(w.Context(), prefix, "", func(r storage.Record) error {
		table[r.Key] = r
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	return table
}

func sameRecords(a, b map[string]storage.Record) bool {
	return maps.EqualFunc(a, b, func(x, y storage.Record) bool {
		return string(x.Value) == string(y.Value) && x.Version == y.Version
	})
}

// wantForward wants each key's values to grow; one that is not slow to have
// been told every one.
func (w *world) wantForward(v *watching, slow bool) {
	w.Helper()
	last := map[string]string{}
	versions := map[string]uint64{}
	for _, c := range v.told {
		if c.Gone {
			versions[c.Key] = 0
			continue
		}
		if string(c.Value) <= last[c.Key] {
			w.Fatalf("%s was told as %s after %s", c.Key, c.Value, last[c.Key])
		}
		if !slow && c.Version != versions[c.Key]+1 && len(v.told) < storage.WatchBacklog {
			w.Fatalf("%s was told at version %d after %d", c.Key, c.Version, versions[c.Key])
		}
		last[c.Key], versions[c.Key] = string(c.Value), c.Version
	}
}

// watchBeginsInAStorm: whenever a watcher begins, it ends with what there is.
func watchBeginsInAStorm(w *world) {
	for i := range 600 { // more than is listed at once
		w.put(fmt.Sprintf("key/%04d", i), "000000", 0)
	}
	ctx, stop := context.WithCancel(w.Context())
	var storm sync.WaitGroup
	for id := range 3 {
		storm.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.storm(fmt.Sprintf("key/%d%d/", id, n), 30)
			}
		})
	}
	var all []*watching
	for range 15 {
		v := w.watches("key/", nil)
		all = append(all, v)
		<-v.ready
	}
	stop()
	storm.Wait()
	want := w.table("key/")
	for _, v := range all {
		v.await(func(table map[string]storage.Record) bool { return sameRecords(table, want) })
		v.cancel()
		wantError(w.T, <-v.ended, context.Canceled)
		w.wantForward(v, true)
	}
}

// busCarries: a topic's subscribers get its messages in order, and no others.
func busCarries(w *world) {
	ctx, cancel := context.WithCancel(w.Context())
	defer cancel()
	var inboxes []<-chan []byte
	for _, topic := range []string{"page.1", "page.1", "page.2"} {
		messages, err := w.Subscribe(ctx, topic)
		if err != nil {
			w.Fatal(err)
		}
		inboxes = append(inboxes, messages)
	}
	publish := func(topic, message string) {
		payload := []byte(message)
		if err := w.Publish(ctx, topic, payload); err != nil {
			w.Fatalf("Publish(%s) = %v", topic, err)
		}
		clear(payload) // it is the publisher's again
	}
	for n := range 100 {
		publish("page.1", fmt.Sprint(n))
		publish("page.3", "nobody listens")
	}
	publish("page.2", "other")
	for n := range 100 {
		for _, messages := range inboxes[:2] {
			if got := string(<-messages); got != fmt.Sprint(n) {
				w.Fatalf("message %d is %q", n, got)
			}
		}
	}
	if got := string(<-inboxes[2]); got != "other" {
		w.Fatalf("page.2 got %q", got)
	}
	cancel()
	for _, messages := range inboxes {
		if m, open := <-messages; open {
			w.Fatalf("a subscription that has ended gives %q", m)
		}
	}
	if err := w.Publish(w.Context(), "page.1", nil); err != nil {
		w.Fatal(err)
	}
}

// busDropsTheOldest: a subscriber that takes nothing holds up nobody.
func busDropsTheOldest(w *world) {
	messages, err := w.Subscribe(w.Context(), "topic")
	if err != nil {
		w.Fatal(err)
	}
	const sent = 3 * storage.BusBacklog
	var all sync.WaitGroup
	for id := range 2 {
		all.Go(func() {
			for n := range sent {
				if err := w.Publish(w.Context(), "topic", []byte{byte(id), byte(n >> 8), byte(n)}); err != nil {
					w.Error(err)
				}
			}
		})
	}
	all.Wait()
	last := [2]int{-1, -1}
	for range storage.BusBacklog {
		m := <-messages
		n := int(m[1])<<8 | int(m[2])
		if n <= last[m[0]] {
			w.Fatalf("message %d of publisher %d came after %d", n, m[0], last[m[0]])
		}
		last[m[0]] = n
	}
	if max(last[0], last[1]) != sent-1 {
		w.Fatalf("the last messages are %v, want one to be %d", last, sent-1)
	}
	select {
	case m := <-messages:
		w.Fatalf("there is one more: %v", m)
	default:
	}
}

func busRules(w *world) {
	for _, topic := range []string{"", ".", "a..b", "a.", "a b", "a/b", "ü", string(make([]byte, storage.MaxTopicBytes+1))} {
		_, err := w.Subscribe(w.Context(), topic)
		wantError(w.T, err, storage.ErrInvalid)
		wantError(w.T, w.Publish(w.Context(), topic, nil), storage.ErrInvalid)
	}
	wantError(w.T, w.Publish(w.Context(), "topic", make([]byte, storage.MaxMessageBytes+1)), storage.ErrInvalid)
	messages, err := w.Subscribe(w.Context(), "topic")
	if err != nil {
		w.Fatal(err)
	}
	if err := w.Close(); err != nil {
		w.Fatal(err)
	}
	if _, open := <-messages; open {
		w.Fatal("a subscription outlives the store")
	}
	wantError(w.T, w.Publish(w.Context(), "topic", nil), storage.ErrClosed)
	_, err = w.Subscribe(w.Context(), "topic")
	wantError(w.T, err, storage.ErrClosed)
}
