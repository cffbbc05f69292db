package account

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"halley/storage"
)

// The prefixes of the records that are followed. That of sessions includes
// generationKey.
const (
	personPrefix  = "person/"
	sessionPrefix = "session"
	secretPrefix  = "secret/cookie-"
)

// A follower is a storage.Follower of functions.
type follower struct {
	current func(bool) // whether every change is applied from now on
	apply   func(storage.RecordChange)
}

func (f follower) Begin() { f.current(false) }

func (f follower) Ready() { f.current(true) }

func (f follower) Apply(_ context.Context, c storage.RecordChange) error {
	f.apply(c)
	return nil
}

// follow starts the goroutines that keep the caches current, until Close.
func (a *Accounts) follow() {
	for prefix, f := range map[string]follower{
		personPrefix:  {a.authors.setCurrent, a.personChanged},
		sessionPrefix: {a.sessionsCurrent, a.sessionChanged},
		secretPrefix:  {func(bool) {}, func(storage.RecordChange) { a.secrets.Add(1) }},
	} {
		a.following.Go(func() {
			storage.Follow(a.closing, a.records, prefix, f, func(err error) {
				a.cfg.Logger.Error("changes of accounts or sessions by others are not seen until this works again",
					"records", prefix, "error", err)
			})
		})
	}
}

func (a *Accounts) personChanged(c storage.RecordChange) {
	a.authors.drop(strings.TrimPrefix(c.Key, personPrefix))
}

// sessionsCurrent notes whether the end of a session is seen. Once it is, sessions
// with open streams are looked up again: they may have ended before.
func (a *Accounts) sessionsCurrent(current bool) {
	a.generation.setCurrent(current)
	a.sessions.setCurrent(current)
	if !current {
		return
	}
	for _, k := range a.openSessions() {
		a.lookAgain(k)
	}
}

// lookAgain looks up a session with open streams, which may have ended or been
// moved unnoticed, and does to the streams what follows from that.
func (a *Accounts) lookAgain(k string) {
	for {
		s, err := a.session(a.closing, k)
		a.reviewed(k, s, err)
		var moved *movedError
		if !errors.As(err, &moved) {
			return
		}
		k = moved.next
	}
}

func (a *Accounts) openSessions() (all []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, o := range a.open {
		if o.session.User != "" { // else Watch is about to look it up
			all = append(all, k)
		}
	}
	return all
}

func (a *Accounts) sessionChanged(c storage.RecordChange) {
	switch {
	case c.Key == generationKey:
		a.generationEnded(c.Version)
	case c.Gone:
		a.sessionEnded(c.Key)
	default:
		a.sessions.drop(c.Key)
		a.followMove(c)
	}
}

// followMove moves the streams of a session whose key was renewed. What became of
// the session under its next key may have been applied before.
func (a *Accounts) followMove(c storage.RecordChange) {
	a.mu.Lock()
	open := a.open[c.Key] != nil
	a.mu.Unlock()
	var s session
	if open && json.Unmarshal(c.Value, &s) == nil && s.Next != "" {
		a.lookAgain(c.Key)
	}
}

// sessionEnded ends the streams of a session that has ended.
func (a *Accounts) sessionEnded(k string) {
	a.sessions.drop(k)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endStreams(k)
}

// generationEnded ends the streams of all sessions of earlier generations.
func (a *Accounts) generationEnded(generation uint64) {
	a.generation.clear()
	a.sessions.clear()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endedAll = max(a.endedAll, generation)
	for k, o := range a.open {
		// A session that Watch has yet to look up is checked there.
		if o.session.User != "" && o.session.Generation < generation {
			a.endStreams(k)
		}
	}
}
