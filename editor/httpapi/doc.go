// Package httpapi is the edge: protocol.md over HTTP. It says who is asking,
// decodes, calls one method of the packages below, and encodes. It holds no
// rule of its own about pages.
//
// Errors become RFC 9457 problem details in one table (problems.go). Limits on
// what a request may carry are checked before any work is done. gin and
// gorilla/sessions are known here and nowhere else.
package httpapi
