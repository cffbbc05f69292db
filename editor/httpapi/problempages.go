package httpapi

import (
	"html"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// An explanation is what the page at a problem's type says of it.
type explanation struct {
	Title   string
	Meaning string // what happened, in a sentence or two
	Action  string // what to do now
}

// explanations has one for each problem, by name.
var explanations = map[string]explanation{
	"bad-range": {"That part of the file does not exist",
		"The request asked for a part of a file that lies beyond its end.",
		"Load the file again from its beginning."},
	"bad-request": {"The request cannot be read",
		"Something in the request is missing, misspelt or of the wrong kind. The answer's “detail” names it.",
		"In a browser, reload the page. In a program, correct what the detail names and send the request again."},
	"base-ahead": {"The edit is based on a later page than ours",
		"The edit names a state of the page that does not exist here. Usually the workspace was restored from a backup in the meantime.",
		"Load the page again and make the edit there."},
	"base-required": {"Which state was this made from?",
		"A page is never overwritten blindly, and the request does not say which state of the page the file was made from.",
		"Send ?base=SEQ with the seq of the content that the file was made from, or If-Match with its ETag."},
	"base-too-old": {"The edit is based on a state that is too long ago",
		"So many changes were made since that merging the edit would cost the server too much.",
		"The browser app merges it by itself. A program transforms the edit over the later changes and sends it again, " +
			"with the same n, at the head that the answer names."},
	"busy": {"The server is busy",
		"The server has no memory to spare for this request at the moment. Nothing was changed.",
		"Wait for the seconds that Retry-After names, then try again. Edits in the browser app are sent again by themselves."},
	"client-taken": {"This client id belongs to somebody else",
		"Each open editor has an id of its own, and the one in the request was first used by another person on this page.",
		"Reload the page. A program makes up a new random id each time it starts."},
	"conflict": {"Something else changed this at the same time",
		"Two requests changed the same thing at the same moment, and this one came second. Nothing was changed by it.",
		"Send the request again."},
	"cross-site": {"The request came from another site",
		"A page of another site made this request. Other sites may change nothing here.",
		"Open the workspace at its own address. If you run it behind a proxy, " +
			"start it with --public-url and the address that people type."},
	"damaged": {"This is damaged on the server's disk",
		"What was asked for does not match its checksum. Other pages are not affected.",
		"Tell the person who runs the server: `halley verify` lists what is damaged, " +
			"and `halley restore --page` restores a page from a backup."},
	"disk-failing": {"The server's disk is failing",
		"The disk failed while this was written, and it is not known yet whether it was stored.",
		"Keep the page open; your edits are sent again by themselves, and never stored twice. The server's log has the cause."},
	"disk-full": {"The server's disk is full",
		"The disk has no room left or refuses writes. Nothing was changed, and pages can still be read.",
		"Keep the page open; your edits are sent again once there is room. The person who runs the server has to free some space."},
	"draining": {"The server is going away",
		"The server is stopping or being restarted, or took too long over this request.",
		"Try again in a few seconds. The browser app reconnects by itself."},
	"epoch-changed": {"The workspace was restored from a backup",
		"The edit was made before the workspace was put back to an earlier state, so it no longer fits.",
		"Load the page again. Text that was not saved yet stays in your browser until you discard it."},
	"forbidden": {"Not allowed",
		"You may not do this, or may not reach the server this way. The answer's “detail” says which.",
		"Ask the person who runs this workspace to let you in."},
	"internal": {"Something went wrong on the server",
		"The server met an error that it did not expect.",
		"Try again. If it happens again, give the person who runs the server the request's id from the answer: " +
			"the log has the cause under it."},
	"invalid-edit": {"The edit does not fit the page",
		"The edit is malformed, does not fit the content it was made on, or holds a format that pages cannot have. " +
			"The answer names the operation.",
		"In a browser, reload the page. In a program, correct the operation whose index the answer gives."},
	"invalid-text": {"The text is not valid UTF-8",
		"A title, a name, a parameter or another string in the request is not valid UTF-8 text. Nothing was changed.",
		"Encode the text as UTF-8. In JSON, an escape such as \\ud83d must be followed by the second half of its pair."},
	"key-reused": {"The Idempotency-Key was used for something else",
		"A key marks one request, so that sending it twice makes nothing twice. This key came with another request before.",
		"Make up a new random key for each new request, and use it again only to repeat that request."},
	"moved-on": {"The page has moved on",
		"The request was to apply only if the page had not changed, and it has changed.",
		"Load the page again and look at the new content before you send yours. With ?base=SEQ the two are merged instead."},
	"n-gap": {"An edit is missing before this one",
		"A client numbers its edits 1, 2, 3, and so on, and this one leaves out a number.",
		"Send the edit with the number that the answer gives as next."},
	"n-reused": {"This number was used for another edit",
		"A client numbers its edits, and the same number came with another edit before.",
		"Reload the page. A program repeats an edit byte for byte, or gives a new edit the next number."},
	"no-such-method": {"This address does not take that method",
		"The address exists, but not for this kind of request.",
		"Look the call up in /api/openapi.json."},
	"not-acceptable": {"Not available in this format",
		"The page cannot be given in any of the formats that the request accepts.",
		"Ask for one of the formats that /api/formats lists."},
	"not-found": {"There is nothing here",
		"There is no such page, file or address; or there is, and you may not see it.",
		"Check the address. If somebody gave it to you, ask them to share the page with you."},
	"page-full": {"The page is full",
		"A page holds up to 10 MB and 500,000 lines, and this edit would make it larger. Nothing was changed.",
		"Begin a new page for what does not fit, or remove something first."},
	"quota-full": {"No room for another upload",
		"With this file your uploads, or those of everybody together, would take more space than this server allows. " +
			"Nothing was changed.",
		"Upload a smaller file. The person who runs the server can allow more, with --quota-person and --quota."},
	"signed-out": {"Nobody is signed in",
		"You have not signed in, or your session has ended: you signed out, did not use it for a long time, " +
			"or an administrator ended it.",
		"Sign in again. Text that was not saved yet stays in your browser."},
	"too-large": {"Too large",
		"The request, or the file in it, is larger than the server takes. The answer gives the limit.",
		"Send a smaller file, or split it."},
	"too-many": {"Too many requests at once",
		"This many requests in so short a time slow others down, so some are refused. Nothing was changed by this one.",
		"Wait for the seconds that Retry-After names, then send it again. The browser app does so by itself."},
	"too-many-streams": {"Too many streams are open",
		"Each tab or program that follows pages holds a stream, and there may be no more of them.",
		"Close some tabs. A program follows several pages with one stream."},
	"too-slow": {"The request arrived too slowly",
		"The server waited for the rest of the request, and too little of it came.",
		"Try again with a better connection."},
	"trashed": {"The page is in the trash",
		"Somebody has moved the page to the trash. It cannot be edited there.",
		"Put it back from the trash, then go on."},
	"unreadable-file": {"The file cannot be read",
		"The file is not what its name or type says, or is damaged. The answer says where.",
		"Open the file in the program that made it, save it again and send that."},
	"unsupported-format": {"This format cannot be read here",
		"The server does not know how to read files of this kind.",
		"Save the file in one of the formats that /api/formats lists."},
}

const problemPath = "/problems/"

// explainProblem answers at a problem's type: a page for people, JSON for programs.
func (s *Server) explainProblem(c *gin.Context) error {
	name := c.Param("name")
	e, known := explanations[name]
	if !known {
		return noSuchProblem(c)
	}
	c.Header("Vary", "Accept")
	c.Header("Cache-Control", "no-cache")
	if wantsJSON(c.GetHeader("Accept")) {
		return s.writeJSON(c, http.StatusOK, explanationJSON{problemPath + name, e.Title, e.Meaning, e.Action})
	}
	plainPage(c, http.StatusOK, e.Title, paragraph(e.Meaning)+"<h2>What to do</h2>"+paragraph(e.Action)+
		`<p class="note">Programs know this problem as <code>`+html.EscapeString(problemPath+name)+`</code>.</p>`)
	return nil
}

type explanationJSON struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Meaning string `json:"meaning"`
	Action  string `json:"action"`
}

func noSuchProblem(c *gin.Context) error {
	if wantsJSON(c.GetHeader("Accept")) {
		return &problem{status: 404, name: "not-found", title: "No such problem", detail: "There is no problem of this type."}
	}
	plainPage(c, http.StatusNotFound, "There is no such problem", paragraph("No answer of this server has a problem of this type."))
	return nil
}

// wantsJSON reports whether an Accept header asks for JSON rather than a page.
func wantsJSON(accept string) bool {
	for _, kind := range byPreference(accept) {
		switch kind {
		case "text/html", "text/*", "*/*":
			return false
		case "application/json", "application/problem+json", "application/*":
			return true
		}
	}
	return false
}

// paragraph returns text as HTML: the words between backquotes are code, and the
// server's own addresses are links.
func paragraph(text string) string {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		part = html.EscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		}
		for _, at := range []string{"/api/openapi.json", "/api/formats"} {
			part = strings.ReplaceAll(part, at, `<a href="`+at+`">`+at+`</a>`)
		}
		out.WriteString(part)
	}
	return "<p>" + out.String() + "</p>"
}
