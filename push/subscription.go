package push

// A subscription is one stream's place on one topic.
type subscription struct {
	topic  *topic
	stream *stream

	// The stream's driver alone uses the following.
	seq        uint64 // of the last sequenced event sent
	number     uint64 // of the last unsequenced event sent
	sequenced  bool   // false for Line.Also: takes no part in the cursor
	hasState   bool   // false: send the whole state before unsequenced events
	catchingUp bool   // from the log
	left       bool   // the topic has ended

	// The following are guarded by topic.mu.
	index int     // in topic.subs
	end   *ending // not nil: the topic leaves the stream
}

// An ending is how a topic leaves streams: what was published before still goes
// out to them, then the last event, and nothing that was published after.
type ending struct {
	seq    uint64 // the last sequenced event before
	number uint64 // the last unsequenced event before
	last   *frame
}
