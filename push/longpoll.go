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
		rest := l.collectAll(ctx)
		switch {
		case l.large != nil && l.batch.events == 0:
			l.answerLarge(ctx)
			return
		case l.batch.full, l.batch.size() >= l.limit() && !l.takeMore(), l.batch.events > 0 && rest == nothing:
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

// takeMore takes the memory for an answer of pollBytes; false where there is
// none, or it is taken and used.
func (l *line) takeMore() bool {
	if l.budget >= pollBytes || l.hub.pressed.Load() || l.hub.cfg.Streams.Take(pollBytes) != nil {
		return false
	}
	l.budget, l.memory = pollBytes, l.memory+pollBytes
	return true
}

// answerTime is how long the reader of an answer may take for it.
func answerTime(bytes int, timeout time.Duration) time.Duration {
	return timeout + time.Duration(bytes)*time.Second/leastPollRate
}

// leastPollRate is how fast an answer must be taken, in bytes a second.
const leastPollRate = 16 << 10

// closing ends an answer behind its last event.
func closing(cursor []byte) []byte {
	return append(append([]byte(`],"cursor":"`), cursor...), "\"}\n"...)
}

// answerLarge answers with the line's large event alone.
func (l *line) answerLarge(ctx context.Context) {
	end := closing(l.pollCursor())
	l.discard()
	streamHeader(l.out.w.Header(), "application/json")
	l.out.w.Header().Set("Content-Length", strconv.Itoa(len(pollOpening)+l.large.total()+len(end)))
	if l.writeOut([][]byte{[]byte(pollOpening)}) && l.sendLarge(ctx) && l.large == nil {
		l.writeOut([][]byte{end})
	}
}

// answer writes what is gathered as the whole answer.
func (l *line) answer(cursor []byte) {
	l.gather()
	if l.batch.events == 0 {
		l.batch.buf = append(l.batch.buf, pollOpening...)
	}
	l.batch.buf = append(l.batch.buf, closing(cursor)...)
	streamHeader(l.out.w.Header(), "application/json")
	l.out.w.Header().Set("Content-Length", strconv.Itoa(l.batch.size()))
	l.out.until = time.Now().Add(answerTime(l.batch.size(), l.hub.cfg.WriteTimeout))
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
