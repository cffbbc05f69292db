// Package httpapi serves the API that openapi.json describes. A handler finds out
// who is asking, decodes the request, calls one method of the packages below, and
// encodes the answer. No rule about pages is here.
//
// Errors become RFC 9457 problem details in one table (problems.go). Limits on
// what a request may carry are checked before any work is done. gin and
// gorilla/sessions are known here and nowhere else.
package httpapi
