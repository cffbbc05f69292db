package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/storage"
)

// A Store can be backed up and verified.
type Store interface {
	storage.Store
	storage.Checker
	// Backup writes a backup to the writer that begin returns for its approximate
	// size, in bytes.
	Backup(ctx context.Context, begin func(size int64) io.Writer) error
}

// A Workspace is what commands work on.
type Workspace struct {
	Store    Store
	Pages    *editor.Pages
	Accounts *account.Accounts
	// EndSessions ends all sessions and renews the secrets behind them.
	EndSessions func(context.Context) error
	Address     string // the workspace's public URL, without a slash at its end
	Logger      *slog.Logger
}

// A handler answers commands.
type handler struct{ Workspace }

// Handler returns a handler that answers the calls of a Client, and passes all
// others to api.
func Handler(w Workspace, api http.Handler) http.Handler {
	h := handler{w}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("GET "+backupPath, h.backup)
	mux.HandleFunc("GET "+verifyPath, h.verify)
	mux.HandleFunc("POST "+signOutAllPath, h.signOutAll)
	mux.HandleFunc("POST "+restorePagePath, h.restorePage)
	return mux
}

// backup sends a backup. The backup itself names what is damaged in the workspace,
// and its end says that it is complete.
func (h handler) backup(w http.ResponseWriter, r *http.Request) {
	began, begun := time.Now(), false
	err := h.Store.Backup(r.Context(), func(size int64) io.Writer {
		begun = true
		w.Header().Set(backupSizeHeader, fmt.Sprint(size))
		return deadlineWriter{w, http.NewResponseController(w)}
	})
	switch {
	case err == nil:
		h.Logger.Info("backup made", "took", time.Since(began))
	case begun:
		h.Logger.Error("a backup failed", "error", err)
		panic(http.ErrAbortHandler) // cuts the connection, so that nobody takes this for a whole backup
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// writeTimeout bounds one write of a backup: the store does not recover from a
// failing disk while a backup is written.
const writeTimeout = 30 * time.Second

// A deadlineWriter fails where a write takes longer than writeTimeout.
type deadlineWriter struct {
	io.Writer
	control *http.ResponseController
}

func (w deadlineWriter) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.Writer.Write(b)
}

func (h handler) verify(w http.ResponseWriter, r *http.Request) {
	began, damaged := time.Now(), 0
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	send := func(l verifyLine) {
		if lines.Encode(l) == nil {
			_ = flush.Flush() // when the command is gone, the request's context ends
		}
	}
	progress := func(done, total uint64) { send(verifyLine{Done: done, Total: total}) }
	v, err := editor.Verify(r.Context(), h.Store, Sparse(progress), func(bad error) {
		damaged++
		send(verifyLine{Bad: bad.Error()})
	})
	if err != nil {
		send(verifyLine{Failed: err.Error()})
		return
	}
	h.Logger.Info("workspace verified", "damaged", damaged, "took", time.Since(began))
	send(verifyLine{Verified: &v})
}

// Sparse returns a function that passes on one call of progress in a thousand, and
// the last.
func Sparse(progress func(done, total uint64)) func(done, total uint64) {
	return func(done, total uint64) {
		if done%1000 == 0 || done == total {
			progress(done, total)
		}
	}
}

func (h handler) signOutAll(w http.ResponseWriter, r *http.Request) {
	if err := h.EndSessions(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Logger.Info("everybody signed out")
}

func (h handler) restorePage(w http.ResponseWriter, r *http.Request) {
	got, err := UnpackPage(r.Context(), r.Body, h.Pages, h.Accounts)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.Logger.Info("page restored from a backup", "page", got.ID, "changes", got.Changes)
	w.Header().Set("Content-Location", h.Address)
	_ = json.NewEncoder(w).Encode(got) // the command may be gone
}
