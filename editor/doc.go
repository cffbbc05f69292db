// Package editor is the live page: it takes edits, puts them in one order,
// makes them durable and tells every open editor.
//
// One goroutine owns each loaded page (page.go). Its core is a pure step
// (state.go) over the page's content; the shell around it reads the log,
// appends to it, publishes and answers. The order never varies: recognise a
// resend → check → transform → append → advance → publish → acknowledge.
// What a reader sees therefore never runs ahead of the disk.
//
// Pages (registry.go) is the way in: every change of a page, also an import
// or a restore, goes through Submit, and leaves through the push line
// (follow.go). Presence (presence.go) is never stored. Pictures and attachments
// (file.go) lie outside the text, which names them by their hash: who may view
// a page that names one may read it, and name it elsewhere.
//
// Everything exported is safe for concurrent use. The package knows nothing
// of HTTP; who asks is a Principal, and whether they may is an Authorizer's
// to say. It does not promise that an edit in flight at a crash is lost or
// kept: the client sends it again under the same (client, n) and learns which.
package editor
