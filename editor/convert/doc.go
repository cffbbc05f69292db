// Package convert reads files into the content of a page and writes a page as
// a file: Markdown, HTML, plain text and Delta JSON.
//
// Every attribute and embed, read or written, is asked of the [Schema]; what
// it refuses, and what a format has no way to say, is left out and counted in
// the [Note]s that come with the result. Nothing is dropped in silence, and
// script, event handlers and links of unknown schemes pass in neither
// direction.
//
// A page that came in as Markdown goes out as Markdown with each block that
// nobody has touched byte for byte as it was; see [Source].
//
// All functions are safe for concurrent use; nothing here knows pages, time or
// storage. Work and memory grow in proportion to the size of the input: nesting
// is read to a fixed depth, and what a file may expand to is bounded before a
// parser sees it. A caller's [Limits] bound the memory that a conversion holds
// and the size of what is read; its context ends a conversion within some
// milliseconds. Writers go through a page line by line and write as they go.
//
// Markdown is CommonMark with GitHub's tables, task lists, strikethrough and
// autolinks. HTML is read the way a browser lays it out and written as HTML5.
package convert
