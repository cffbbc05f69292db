package push

import (
	"context"
	"errors"
	"strconv"
)

// How much a stream gathers before it writes. An open one gathers little, since
// that is what a stalled reader holds; a long poll as much as one answer may
// have, if there is memory for it.
const (
	streamBytes = 32 << 10
	pollBytes   = 1 << 20
)

// replayEvents is the most that is asked of one Replay.
const replayEvents = 1024

// What collect leaves ungathered.
type left int

const (
	nothing left = iota
	more         // there may be more: call it again after the write
	asks         // only the Source knows what comes next
)

// collect gathers what the reader has not been sent, up to the budget. It calls
// the Source, which may take its time, only if mayAsk is set.
func (s *stream) collect(ctx context.Context, mayAsk bool) left {
	if s.large != nil {
		return asks
	}
	limit := s.limit()
	// State comes first, and of every topic: a reader that is far behind sees who
	// is there before it is caught up.
	for i := range s.subs {
		sub := &s.subs[i]
		switch {
		case sub.hasState || sub.left:
			continue
		case s.batch.size() >= limit:
			return more
		case !mayAsk:
			return asks
		}
		s.addState(ctx, sub)
	}
	rest := nothing
	for range s.subs {
		if s.batch.size() >= limit || s.batch.full || s.large != nil {
			return max(rest, more)
		}
		sub := &s.subs[s.turn]
		s.turn = (s.turn + 1) % len(s.subs)
		if !sub.left {
			rest = max(rest, s.advance(ctx, sub, mayAsk))
		}
	}
	return rest
}

// limit is how much the stream gathers for one write, in bytes.
func (s *stream) limit() int {
	if s.hub.pressed.Load() {
		return min(s.budget, pressedBytes)
	}
	return s.budget
}

// addState gathers the topic's state. It reads the newest number first, so that
// what is published in between is sent again rather than missed.
func (s *stream) addState(ctx context.Context, sub *subscription) {
	sub.number = sub.topic.newestNumber()
	events, err := s.hub.src.Snapshot(ctx, sub.topic.name)
	if err != nil {
		s.warn(ctx, "snapshot of topic", sub, err)
		return
	}
	sub.hasState = true
	for _, e := range events {
		s.addEvent(e, nil)
	}
}

// advance gathers what the reader has not been sent of one topic.
func (s *stream) advance(ctx context.Context, sub *subscription, mayAsk bool) left {
	haul := sub.topic.gather(sub, s.batch.frames[:0], s.limit()-s.batch.size())
	s.batch.frames = haul.frames
	switch {
	case haul.behind > 0 && !mayAsk:
		return asks
	case haul.behind > 0:
		s.catchUp(ctx, sub, haul.behind)
		return more
	case haul.missed:
		sub.hasState = false
		s.hub.stats.dropped.Add(1)
		return asks
	}
	sub.catchingUp = false
	for _, f := range haul.frames {
		s.addFrame(sub, f)
	}
	clear(haul.frames) // the batch keeps the space, but must not keep the frames
	if haul.end != nil {
		s.addFrame(sub, haul.end)
		s.leave(sub)
	}
	if haul.more {
		return more
	}
	return nothing
}

// leave takes a topic that has ended off the stream and out of its cursor.
func (s *stream) leave(sub *subscription) {
	sub.left = true
	sub.topic.remove(sub)
}

var (
	errFull = errors.New("enough for one write")
	errGap  = errors.New("the log has a gap")
)

// catchUp gathers a piece of the log towards upTo. If the log cannot be
// replayed, the reader is reset to upTo.
func (s *stream) catchUp(ctx context.Context, sub *subscription, upTo uint64) {
	if !sub.catchingUp {
		sub.catchingUp = true
		s.hub.stats.catchUps.Add(1)
	}
	full := false
	last := min(upTo, sub.seq+replayEvents)
	err := s.hub.src.Replay(ctx, sub.topic.name, sub.seq, last, func(e Event) error {
		if e.Seq != sub.seq+1 {
			return errGap
		}
		if len(e.Data) > largeBytes {
			full = true
			if s.batch.full = s.batch.size() > 0; !s.batch.full {
				sub.seq = e.Seq
				s.beginLarge(sub, e)
			}
			return errFull
		}
		sub.seq = e.Seq
		s.addEvent(e, s.id())
		if full = s.batch.size() >= s.limit(); full {
			return errFull
		}
		return nil
	})
	switch {
	case sub.seq >= last, full, ctx.Err() != nil:
		return
	case err == nil:
		err = errGap
	}
	s.warn(ctx, "replay of topic", sub, err)
	s.reset(sub, upTo)
}

// reset gathers the event that tells the reader to load the topic again.
func (s *stream) reset(sub *subscription, seq uint64) {
	sub.seq = seq
	s.hub.stats.resets.Add(1)
	s.addEvent(s.hub.src.Reset(sub.topic.name, seq), s.id())
}

func (s *stream) warn(ctx context.Context, what string, sub *subscription, err error) {
	if ctx.Err() == nil {
		s.hub.cfg.Logger.Warn(what, "topic", sub.topic.name, "seq", sub.seq, "error", err)
	}
}

// addFrame gathers a published event, whose bytes other streams share.
func (s *stream) addFrame(sub *subscription, f *frame) {
	s.separate()
	shared := f.encode(s.enc)
	if f.Seq > 0 {
		sub.seq = f.Seq
	} else {
		sub.number = f.number
	}
	if f.Seq == 0 || s.single {
		s.batch.add(shared.all)
		return
	}
	s.batch.buf = s.enc.appendOpening(s.batch.buf, s.id())
	s.batch.add(shared.all[shared.body:])
}

// addEvent gathers an event of this stream alone.
func (s *stream) addEvent(e Event, id []byte) {
	s.separate()
	e.Data = oneLine(e.Data)
	s.batch.buf = s.enc.appendOpening(s.batch.buf, id)
	s.batch.buf = s.enc.appendBody(s.batch.buf, e)
}

// separate begins the next event; those of a long poll stand in an array.
func (s *stream) separate() {
	switch {
	case s.transport != LongPoll:
	case s.batch.events == 0:
		s.batch.buf = append(s.batch.buf, pollOpening...)
	default:
		s.batch.buf = append(s.batch.buf, ',')
	}
	s.batch.events++
}

// id is the cursor after what is gathered, valid until the next call.
func (s *stream) id() []byte {
	id := s.batch.id[:0]
	for i := range s.subs {
		sub := &s.subs[i]
		switch {
		case sub.left || !sub.sequenced:
		case s.single:
			id = strconv.AppendUint(id, sub.seq, 10)
		default:
			id = appendPlace(id, sub.topic.key, sub.seq)
		}
	}
	s.batch.id = id
	return id
}

// addHeartbeat gathers a sign of life, unless the stream was written to lately.
func (s *stream) addHeartbeat() {
	if s.hub.ticks.Load()-s.wrote >= heartbeatSpare {
		s.batch.buf = append(s.batch.buf, s.enc.heartbeat...)
	}
}

// openBatch makes sure that there is a batch to gather into.
func (s *stream) openBatch() {
	if s.batch == nil {
		s.batch = batches.Get().(*batch)
	}
}

// discard gives an unwritten batch back.
func (s *stream) discard() {
	if s.batch != nil {
		s.batch.release()
		s.batch = nil
	}
}

// sentEvents counts events that were written.
func (s *stream) sentEvents(n int) {
	s.wrote = s.hub.ticks.Load()
	s.hub.stats.wrote(n)
}
