package account

import (
	"context"
	"errors"
	"time"
)

const (
	// reviewEvery is the longest time between two reviews of open sessions: a
	// wall clock that is set, or a machine that slept, shows by then.
	reviewEvery = time.Minute
	// reviewPause is the shortest time between two reviews.
	reviewPause = 500 * time.Millisecond
)

// An openSession is a session on which streams are open.
type openSession struct {
	key     string  // of its record
	session session // as it was when last looked up
	first   *watch  // of a ring
}

// A watch is one open stream, which must end with its session.
type watch struct {
	in         *openSession
	over       func()
	prev, next *watch
}

// Watch has over called when the session with this key ends: when it is signed
// out, or has lasted its longest. over must not block. An open stream counts as
// use of the session. ErrNoSession where it has ended already. The caller calls
// forget when the stream is no longer open.
func (a *Accounts) Watch(ctx context.Context, key string, over func()) (forget func(), err error) {
	k := sessionKey(key)
	w := a.addWatch(k, over)
	// Only now does the session's end reach this stream; an earlier one shows here.
	s, err := a.session(ctx, k)
	if err != nil {
		a.forget(w)
		return nil, err
	}
	if !a.watched(w, s) {
		a.forget(w)
		return nil, ErrNoSession
	}
	return func() { a.forget(w) }, nil
}

// watched notes the session of a new stream. false: all sessions of its generation
// have ended since it was looked up.
func (a *Accounts) watched(w *watch, s session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Generation < a.endedAll {
		return false
	}
	if w.in.session.User == "" { // else it was looked up by another stream or under a new key
		w.in.session = s
	}
	a.schedule(a.pause(w.in.session))
	return true
}

func (a *Accounts) addWatch(k string, over func()) *watch {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[k]
	if o == nil {
		o = &openSession{key: k}
		a.open[k] = o
	}
	w := &watch{in: o, over: over}
	if o.first == nil {
		o.first, w.prev, w.next = w, w, w
		return w
	}
	w.prev, w.next = o.first.prev, o.first
	w.prev.next, w.next.prev = w, w
	return w
}

func (a *Accounts) forget(w *watch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.prev.next, w.next.prev = w.next, w.prev
	o := w.in
	if o.first != w {
		return
	}
	if o.first = w.next; w.next != w {
		return
	}
	o.first = nil
	if a.open[o.key] == o { // else the session has ended
		delete(a.open, o.key)
	}
}

// endStreams calls all who watch a session. The caller holds mu.
func (a *Accounts) endStreams(k string) {
	o := a.open[k]
	if o == nil {
		return
	}
	delete(a.open, k)
	for w := o.first; w != nil; {
		w.over()
		if w = w.next; w == o.first {
			return
		}
	}
}

// moveStreams makes the streams of one session part of another. The caller holds mu.
func (a *Accounts) moveStreams(from, to string) {
	o, into := a.open[from], a.open[to]
	if o == nil || from == to {
		return
	}
	delete(a.open, from)
	if into == nil {
		o.key = to
		a.open[to] = o
		return
	}
	if into.session.User == "" {
		into.session = o.session // Watch is about to look it up
	}
	w, last := o.first, o.first.prev
	for in := w; in.in != into; in = in.next {
		in.in = into
	}
	end := into.first.prev
	end.next, w.prev = w, end
	last.next, into.first.prev = into.first, last
	o.first = nil
}

// due is how long an open session needs no attention: until its use must be
// stored again, or it ends.
func (a *Accounts) due(s session) time.Duration {
	touch := s.Used.Add(a.cfg.touchEvery()).Sub(a.cfg.Now()) + time.Millisecond
	return min(touch, a.cfg.end(s).Sub(a.cfg.ExpiryNow()))
}

func (a *Accounts) pause(s session) time.Duration {
	return min(max(a.due(s), reviewPause), reviewEvery)
}

// review stores the use of open sessions, and ends the streams of those that
// have expired. One timer calls it for all sessions, while streams are open.
func (a *Accounts) review() {
	a.reviewing.Lock()
	defer a.reviewing.Unlock()
	if a.closing.Err() != nil {
		return
	}
	for _, k := range a.dueSessions() {
		a.lookAgain(k)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reviewAt = time.Time{}
	if len(a.open) == 0 {
		return
	}
	next := reviewEvery
	for _, o := range a.open {
		if o.session.User != "" { // else Watch is about to look it up
			next = min(next, a.pause(o.session))
		}
	}
	a.schedule(next)
}

// schedule has review called after wait, unless it will be sooner. The caller
// holds mu.
func (a *Accounts) schedule(wait time.Duration) {
	at := time.Now().Add(wait)
	switch {
	case a.closing.Err() != nil:
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(wait, a.review)
	case !a.reviewAt.IsZero() && !at.Before(a.reviewAt):
		return
	default:
		a.timer.Reset(wait)
	}
	a.reviewAt = at
}

func (a *Accounts) dueSessions() (due []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, o := range a.open {
		if o.session.User != "" && a.due(o.session) <= 0 {
			due = append(due, k)
		}
	}
	return due
}

// reviewed notes what was found of a session when it was due.
func (a *Accounts) reviewed(k string, s session, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.open[k]
	var moved *movedError
	switch {
	case o == nil:
	case err == nil:
		o.session = s
	case errors.As(err, &moved):
		a.moveStreams(k, moved.next)
	case errors.Is(err, ErrNoSession) || a.cfg.expired(o.session):
		a.endStreams(k)
	}
}
