package httpapi

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"

	"github.com/gin-gonic/gin"

	"halley/editor"
)

const requestHeader = "X-Request-Id" // in canonical form

// A caller is what the middleware has found out about a request. It is part of
// the request's timedWriter, since gin's own store makes a map and several
// allocations for each request.
type caller struct {
	requestID [1]string // also the value of the header
	principal editor.Principal
	session   string // the session's key; "" if the caller has none
	oldCookie bool   // whether the session came in a cookie of the old name
	address   string // see addressOf; "": not asked for yet
}

func callerOf(c *gin.Context) *caller { return &timedWriterOf(c.Writer).caller }

func requestID(c *gin.Context) string { return callerOf(c).requestID[0] }

// nameRequest makes up the request's id and puts it into the answer's header.
func (w *caller) nameRequest(h http.Header) {
	var raw [9]byte
	var text [12]byte // base64 without padding
	rand.Read(raw[:])
	base64.RawURLEncoding.Encode(text[:], raw[:])
	w.requestID[0] = string(text[:])
	h[requestHeader] = w.requestID[:]
}

// principal is the caller; the zero Principal is nobody.
func principal(c *gin.Context) editor.Principal { return callerOf(c).principal }

// addressOf is the address of the request's client.
func addressOf(c *gin.Context) string {
	w := callerOf(c)
	if w.address == "" {
		w.address = address(c.Request)
	}
	return w.address
}
