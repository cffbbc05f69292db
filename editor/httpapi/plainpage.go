package httpapi

import (
	"html"
	"net/http"

	"github.com/gin-gonic/gin"
)

// plainPage answers with a page of our own, which needs no script. body is HTML.
func plainPage(c *gin.Context, status int, title, body string) {
	text := `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>` + html.EscapeString(title) + ` — Halley</title>
<style>` + pageStyle + `</style>
<main><h1>` + html.EscapeString(title) + `</h1>` + body + `<p><a href="/">Back to Halley</a></p></main></html>
`
	c.Data(status, "text/html; charset=utf-8", []byte(text))
}

const pageStyle = `:root{color-scheme:light dark;--ink:#1f2937;--soft:#6b7280;--paper:#fff;--link:#0f5e8c}
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--soft:#9ca3af;--paper:#16181d;--link:#7cc4f0}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:1.05rem/1.6 system-ui,sans-serif}
main{max-width:38rem;margin:0 auto;padding:max(2rem,12vh) 1.25rem 3rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}h2{font-size:1.05rem;margin:1.75rem 0 .25rem}p{margin:.25rem 0 1rem}
a{color:var(--link)}code{font-size:.92em}.note{color:var(--soft);font-size:.9rem;margin-top:2rem}
pre{white-space:pre-wrap;font:.85rem/1.5 ui-monospace,monospace}`

// licences answers with the notices of all that is in this program.
func (s *Server) licences(c *gin.Context) {
	c.Header("Cache-Control", "no-cache")
	if s.cfg.Licences == "" {
		plainPage(c, http.StatusNotFound, "Licences", paragraph("This program was built without the licences of its parts."))
		return
	}
	plainPage(c, http.StatusOK, "Licences", "<pre>"+html.EscapeString(s.cfg.Licences)+"</pre>")
}
