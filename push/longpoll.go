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
func (b *blocking) poll(ctx context.Context, starts map[string]uint64) {
	timer := time.NewTimer(b.asked.Wait)
	defer timer.Stop()
	b.openBatch()
	b.greet(starts)
	for {
		b.openBatch()
		rest := b.collectAll(ctx)
		switch {
		case b.large != nil && b.batch.events == 0:
			b.answerLarge(ctx)
			return
		case b.batch.full, b.batch.size() >= b.limit() && !b.takeMore(), b.batch.events > 0 && rest == nothing:
			b.answer(b.pollCursor())
			return
		}
		if b.batch.events == 0 {
			b.discard()
		}
		switch why := b.await(ctx, rest, timer.C); why {
		case gone:
			b.discard()
			return
		case timedOut:
			b.answer(b.pollCursor())
			return
		case sessionOver, draining:
			b.openBatch()
			b.addFarewell(ctx, why == sessionOver, true)
			b.answer(b.pollCursor())
			return
		}
	}
}

// takeMore takes the memory for an answer of pollBytes. It reports false if there
// is not enough, or if the answer has all of it already.
func (b *blocking) takeMore() bool {
	if b.budget >= pollBytes || b.hub.pressed.Load() || b.hub.cfg.Streams.Take(pollBytes) != nil {
		return false
	}
	b.budget, b.taken = pollBytes, b.taken+pollBytes
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

// answerLarge answers with the stream's large event alone.
func (b *blocking) answerLarge(ctx context.Context) {
	end := closing(b.pollCursor())
	b.discard()
	streamHeader(b.out.w.Header(), "application/json")
	b.out.w.Header().Set("Content-Length", strconv.Itoa(len(pollOpening)+b.large.total()+len(end)))
	if b.writeOut([][]byte{[]byte(pollOpening)}) && b.sendLarge(ctx) && b.large == nil {
		b.writeOut([][]byte{end})
	}
}

// answer writes what is gathered as the whole answer.
func (b *blocking) answer(cursor []byte) {
	b.openBatch()
	if b.batch.events == 0 {
		b.batch.buf = append(b.batch.buf, pollOpening...)
	}
	b.batch.buf = append(b.batch.buf, closing(cursor)...)
	streamHeader(b.out.w.Header(), "application/json")
	b.out.w.Header().Set("Content-Length", strconv.Itoa(b.batch.size()))
	b.out.until = time.Now().Add(answerTime(b.batch.size(), b.hub.cfg.WriteTimeout))
	b.flush()
}

// pollCursor is the cursor of an answer: see Cursor.
func (s *stream) pollCursor() []byte {
	var places []byte
	for i := range s.subs {
		if sub := &s.subs[i]; !sub.left {
			places = sub.appendPolled(places)
		}
	}
	return append(append(places, '!'), s.hub.nonce...)
}

func (sub *subscription) appendPolled(dst []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, sub.topic.key...)
	if sub.sequenced {
		dst = strconv.AppendUint(dst, sub.seq, 10)
	}
	number := sub.number
	if !sub.hasState {
		number = 0 // less than any topic's first number, so that the next poll sends the state
	}
	return strconv.AppendUint(append(dst, '.'), number, 10)
}
