package push

import (
	"context"
	"strconv"
	"time"
)

// pollOpening stands before the first event of an answer.
const pollOpening = `{"events":[`

// poll drives a long poll: gather until there is an event or the wait is over,
// then answer {"events":[…],"cursor":"…"}.
func (l *line) poll(ctx context.Context, starts map[string]uint64) {
	timer := time.NewTimer(l.asked.Wait)
	defer timer.Stop()
	l.gather()
	l.greet(starts)
	for {
		l.gather()
		rest := l.collect(ctx, true)
		if l.batch.size() >= l.budget || l.batch.events > 0 && rest == nothing {
			l.answer(l.pollCursor())
			return
		}
		if l.batch.events == 0 {
			l.discard()
		}
		switch why := l.await(ctx, rest, timer.C); why {
		case gone:
			l.discard()
			return
		case timedOut:
			l.answer(l.pollCursor())
			return
		case sessionOver, draining:
			l.gather()
			l.addFarewell(ctx, why, true)
			l.answer(l.pollCursor())
			return
		}
	}
}

// answer writes what is gathered as the whole answer.
func (l *line) answer(cursor []byte) {
	l.gather()
	if l.batch.events == 0 {
		l.batch.buf = append(l.batch.buf, pollOpening...)
	}
	l.batch.buf = append(l.batch.buf, `],"cursor":"`...)
	l.batch.buf = append(l.batch.buf, cursor...)
	l.batch.buf = append(l.batch.buf, "\"}\n"...)
	streamHeader(l.out.w.Header(), "application/json")
	l.out.w.Header().Set("Content-Length", strconv.Itoa(l.batch.size()))
	l.flush()
}

// pollCursor is the cursor of an answer: see Cursor.
func (l *line) pollCursor() []byte {
	var places []byte
	for i := range l.subs {
		if s := &l.subs[i]; !s.left {
			places = s.appendPolled(places)
		}
	}
	return append(append(places, '!'), l.hub.nonce...)
}

func (s *subscription) appendPolled(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, s.topic.key...)
	if s.sequenced {
		dst = strconv.AppendUint(dst, s.seq, 10)
	}
	told := s.told
	if !s.informed {
		told = 0 // less than any topic's first number, so the next poll tells the state
	}
	return strconv.AppendUint(append(dst, '.'), told, 10)
}
