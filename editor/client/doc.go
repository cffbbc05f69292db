// Package client speaks Halley's HTTP protocol for a program: it signs in,
// reads and writes pages, sends edits until they are acknowledged, and follows
// pages over server-sent events.
//
// What may be sent again without harm (an edit under its client and n, what is
// made under an Idempotency-Key, a read) is sent again by itself, after a lost
// connection and when the server says that it is going away or that there was
// too much at once. A refusal comes back as a *Problem.
//
// A Client transforms nothing and keeps no text, and is safe for concurrent use.
// A Document is the other half of an editor: it keeps the content and transforms
// what is typed and what is received over each other.
package client
