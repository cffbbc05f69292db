package push

// A ring keeps the newest frames of a topic, bounded by number and size. The
// newest one stays whatever its size.
type ring struct {
	frames    []*frame // oldest first
	bytes     int
	maxEvents int
	maxBytes  int
}

// push adds f and returns the newest frame that had to go for it, or nil.
func (r *ring) push(f *frame) (dropped *frame) {
	r.frames = append(r.frames, f)
	r.bytes += f.size()
	for len(r.frames) > 1 && (len(r.frames) > r.maxEvents || r.bytes > r.maxBytes) {
		dropped = r.frames[0]
		r.bytes -= dropped.size()
		r.frames[0] = nil
		r.frames = r.frames[1:]
	}
	return dropped
}

func (r *ring) clear() {
	r.frames, r.bytes = nil, 0
}

// newestSeq is the last frame's seq, 0 for an empty ring.
func (r *ring) newestSeq() uint64 {
	if len(r.frames) == 0 {
		return 0
	}
	return r.frames[len(r.frames)-1].Seq
}

// afterSeq is the part of a ring of sequenced frames behind seq. It reports
// false where the ring does not reach back so far.
func (r *ring) afterSeq(seq uint64) ([]*frame, bool) {
	if len(r.frames) == 0 || seq >= r.newestSeq() {
		return nil, true
	}
	oldest := r.frames[0].Seq // the seqs of a ring follow each other without a gap
	if seq+1 < oldest {
		return nil, false
	}
	return r.frames[seq+1-oldest:], true
}

// afterNumber is the part of a ring of unsequenced frames behind number.
func (r *ring) afterNumber(number uint64) []*frame {
	i := len(r.frames)
	for i > 0 && r.frames[i-1].number > number {
		i--
	}
	return r.frames[i:]
}
