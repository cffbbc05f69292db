package push

import "strconv"

// ndjson writes one JSON object a line: {"id","type","data"}, without the id
// where an event has none. A long poll's events are these lines in an array.
var ndjson = &encoding{
	index:       1,
	contentType: "application/x-ndjson",
	heartbeat:   "\n",
	closing:     "}\n",
	appendOpening: func(dst, id []byte) []byte {
		if len(id) == 0 {
			return append(dst, '{')
		}
		dst = append(dst, `{"id":"`...)
		dst = append(dst, id...)
		return append(dst, `",`...)
	},
	appendBody: func(dst []byte, e Event) []byte {
		dst = append(dst, `"type":`...)
		dst = strconv.AppendQuote(dst, e.Type) // a plain name, which Go quotes as JSON does
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
		return append(dst, "}\n"...)
	},
}
