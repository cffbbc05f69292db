package push

// sse writes server-sent events.
var sse = &encoding{
	index:       0,
	contentType: "text/event-stream",
	heartbeat:   ":\n\n",
	closing:     "\n\n",
	appendOpening: func(dst, id []byte) []byte {
		if len(id) == 0 {
			return dst
		}
		dst = append(dst, "id: "...)
		dst = append(dst, id...)
		return append(dst, '\n')
	},
	appendBody: func(dst []byte, e Event) []byte {
		dst = append(dst, "event: "...)
		dst = append(dst, e.Type...)
		dst = append(dst, "\ndata: "...)
		dst = append(dst, e.Data...)
		return append(dst, "\n\n"...)
	},
}
