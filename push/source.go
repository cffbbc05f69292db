package push

import (
	"context"
	"log/slog"
	"time"
)

// An Event is what readers of a topic are sent. Type is a plain name. Data is one
// JSON value; the hub keeps it, so nobody may modify it once it is published. An
// event with Seq 0 carries no id and never moves a cursor.
type Event struct {
	Type string
	Seq  uint64
	Data []byte
}

// A Source answers the hub's questions about topics. The hub calls it without
// holding locks, from many goroutines.
type Source interface {
	// Head is the topic's newest seq now. The hub registers the topic first, so
	// each event published from then on reaches it.
	Head(ctx context.Context, topic string) (uint64, error)
	// Replay emits the events of (after, upTo], oldest first, without a gap. It
	// stops when emit returns an error, and returns that error. Emit may keep the
	// event: at most about 32 KiB for each call of Replay (for a long poll, 1 MiB),
	// and one event of any size. If Replay fails, the reader is reset.
	Replay(ctx context.Context, topic string, after, upTo uint64, emit func(Event) error) error
	// Snapshot is the topic's state that carries no seq (presence with
	// "all":true, the page's settings). It is sent after hello, and again to a
	// reader for whom an unsequenced event had to be dropped. If Snapshot fails, it
	// is called again at the stream's next event or heartbeat.
	Snapshot(ctx context.Context, topic string) ([]Event, error)
	// Reset is the event that makes a reader load the topic again and continue from
	// seq.
	Reset(topic string, seq uint64) Event
}

// Config configures a hub. A zero field means its default, which stands beside it.
type Config struct {
	Heartbeat    time.Duration // 12 s
	WriteTimeout time.Duration // 30 s: a write without progress for that long ends the stream
	RingBytes    int           // payload kept per topic for catch-up, 256 KiB; each encoding in use costs about as much again
	RingEvents   int           // 1024
	LargeBytes   int64         // of events over 64 KiB held at a time, 32 MiB
	Streams      Memory        // for streams and what they are sending; no limit
	Rings        Memory        // for the rings of all topics, which shrink when others lack memory; no limit
	Logger       *slog.Logger  // none
}

func (c Config) withDefaults() Config {
	setDefault(&c.Heartbeat, 12*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.RingBytes, 256<<10)
	setDefault(&c.RingEvents, 1024)
	setDefault(&c.LargeBytes, 32<<20)
	setDefault(&c.Streams, Memory(unbounded{}))
	setDefault(&c.Rings, Memory(unbounded{}))
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
