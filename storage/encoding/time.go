package encoding

import "time"

// Millis returns t in milliseconds since 1970. Only the zero time is 0: a time
// at or before the beginning of 1970 becomes 1.
func Millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(t.UnixMilli(), 1)
}

// FromMillis is the reverse of Millis; the result is in UTC.
func FromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
