package httpapi

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// logged are the calls that the log names at level info when they succeed: what an
// administrator looks for. Edits and reads are not among them; /metrics counts
// them.
var logged = map[string]string{
	"POST /api/session":           "signed in",
	"DELETE /api/session":         "signed out",
	"POST /api/pages":             "page created",
	"POST /api/import":            "page imported",
	"PUT /api/pages/:id/content":  "page content merged",
	"DELETE /api/pages/:id":       "page moved to the trash",
	"POST /api/pages/:id/untrash": "page taken out of the trash",
	"POST /api/pages/:id/files":   "file uploaded",
}

// logCall logs a call that is in logged, if it succeeded.
func (s *Server) logCall(c *gin.Context, took time.Duration) {
	status := c.Writer.Status()
	if c.Request.Method == http.MethodGet || status < 200 || status > 299 {
		return
	}
	what, ok := logged[c.Request.Method+" "+c.FullPath()]
	if !ok {
		return
	}
	fields := []slog.Attr{
		slog.String("request", requestID(c)), slog.String("from", addressOf(c)), slog.Duration("took", took),
	}
	if p := principal(c); !p.Nobody() {
		fields = append(fields, slog.String("person", p.ID), slog.String("name", p.Name))
	}
	if id := c.Param("id"); id != "" {
		fields = append(fields, slog.String("page", id))
	} else if at := c.Writer.Header().Get("Location"); at != "" {
		fields = append(fields, slog.String("made", at))
	}
	s.logger.LogAttrs(c.Request.Context(), slog.LevelInfo, what, fields...)
}
