package push

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// maxSeq is the largest number that every JSON reader holds exactly.
const maxSeq = 1<<53 - 1

// ErrCursor is what ParseCursor's errors wrap.
var ErrCursor = errors.New("cursor cannot be read")

// A Cursor is a reader's position on the topics of a stream, as it sends it back: an
// event's id, or a long poll's cursor. The zero Cursor is none.
//
// An event's id is SEQ on a stream of one topic, TOPIC@SEQ,TOPIC@SEQ,… on a stream
// of several. A long poll's cursor is TOPIC@SEQ.NUMBER,TOPIC@.NUMBER,…!NONCE: it
// also counts the unsequenced events that were sent, and names the hub. Topics are
// escaped as in a URL's query, so that ids need no escaping in any transport.
type Cursor struct {
	seqs  map[string]uint64
	told  map[string]uint64
	nonce string
	raw   string
}

// IsZero reports that no cursor was sent.
func (c Cursor) IsZero() bool { return c.raw == "" }

// Seq is the last event that the reader has of topic; false where the cursor
// does not name it.
func (c Cursor) Seq(topic string) (seq uint64, ok bool) {
	seq, ok = c.seqs[topic]
	return seq, ok
}

// Resume returns p moved to the cursor's place on its topic, where it has one.
func (c Cursor) Resume(p Position) Position {
	if seq, ok := c.seqs[p.Topic]; ok {
		p.After, p.AtHead = seq, false
	}
	return p
}

// ParseCursor reads what a reader sent as Last-Event-ID or cursor, to a stream of
// topics. A bare number is a place on the only topic; with several it is an
// error, like all that no event ever carried. The empty string is no cursor.
func ParseCursor(s string, topics []string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	c, err := parseCursor(s, topics)
	if err != nil {
		return Cursor{}, fmt.Errorf("%w: %.40q: %w", ErrCursor, s, err)
	}
	return c, nil
}

func parseCursor(s string, topics []string) (Cursor, error) {
	c := Cursor{seqs: map[string]uint64{}, told: map[string]uint64{}, raw: s}
	if seq, err := parseNumber(s); err == nil {
		if len(topics) != 1 {
			return c, fmt.Errorf("a bare number does not say which of %d topics it counts", len(topics))
		}
		c.seqs[topics[0]] = seq
		return c, nil
	}
	places, nonce, polled := strings.Cut(s, "!")
	c.nonce = nonce
	if polled && (nonce == "" || strings.ContainsAny(nonce, "!@,.")) {
		return c, errors.New("no hub made it")
	}
	if polled && places == "" {
		return c, nil // a long poll whose topics have all ended
	}
	for place := range strings.SplitSeq(places, ",") {
		if err := c.parsePlace(place, polled); err != nil {
			return c, err
		}
	}
	return c, nil
}

// parsePlace reads TOPIC@SEQ, or a polled TOPIC@SEQ.NUMBER or TOPIC@.NUMBER.
func (c Cursor) parsePlace(place string, polled bool) error {
	key, rest, ok := strings.Cut(place, "@")
	topic, err := url.QueryUnescape(key)
	if !ok || err != nil || topic == "" {
		return fmt.Errorf("%.40q is no TOPIC@SEQ", place)
	}
	_, twice := c.seqs[topic]
	_, toldTwice := c.told[topic]
	if twice || toldTwice {
		return fmt.Errorf("names topic %.40q twice", topic)
	}
	seq, number, told := strings.Cut(rest, ".")
	if told != polled {
		return fmt.Errorf("%.40q is half of a place", place)
	}
	if told {
		if c.told[topic], err = parseNumber(number); err != nil {
			return err
		}
	}
	if told && seq == "" {
		return nil
	}
	c.seqs[topic], err = parseNumber(seq)
	return err
}

// parseNumber reads a whole number up to maxSeq, in its one decimal form.
func parseNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > maxSeq || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%.40q is no whole number up to 2^53-1", s)
	}
	return n, nil
}

// cursorKey is how a place on topic begins in a cursor.
func cursorKey(topic string) string { return url.QueryEscape(topic) + "@" }

func appendPlace(dst []byte, key string, seq uint64) []byte {
	if len(dst) > 0 {
		dst = append(dst, ',')
	}
	dst = append(dst, key...)
	return strconv.AppendUint(dst, seq, 10)
}
