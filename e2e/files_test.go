package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// picture is a PNG file, as far as anybody looks.
func picture(seed byte, size int) string {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return "\x89PNG\x0d\x0a\x1a\x0a" + string(data)
}

func (c *caller) upload(page, name, content string) (path string) {
	c.tb.Helper()
	return c.send(to("POST", "/api/pages/"+page+"/files").file("file", name, content)).ok(201).text("path")
}

func (c *caller) wantFile(path, content string) {
	c.tb.Helper()
	if got := c.get(path).ok(200); string(got.body) != content {
		c.tb.Errorf("%s has %d bytes, want %d, or others", path, len(got.body), len(content))
	}
}

// TestFiles: what was uploaded outlives a kill, goes into a backup that is made
// while the server runs, and comes out of it; verify misses what is lost.
func TestFiles(t *testing.T) {
	s := serve(t)
	quill, ink := s.guest("Quill"), s.guest("Ink")
	page := quill.newPage("")
	plan, loose := picture(1, 300_000), picture(2, 70_000)
	named, young := quill.upload(page, "plan.png", plan), quill.upload(page, "loose.png", loose)
	s.restart()

	quill.wantFile(named, plan)
	quill.submit(page, edit{client: "client-quill", n: 1, base: 0, delta: fmt.Sprintf(`[{"insert":{"image":%q},"attributes":{"alt":"the plan"}}]`, named)}, 1)
	ink.wantFile(named, plan)
	ink.wantFile(young, loose)
	s.stranger().get(named).refused(401, "signed-out")
	ink.get("/files/"+strings.Repeat("ab", 32)).refused(404, "not-found")
	ink.post("/api/pages/"+page+"/changes", edit{client: "client-ink", n: 1, base: 1, delta: `[{"insert":{"image":"/files/` + strings.Repeat("ab", 32) + `"}}]`}.String()).
		refused(422, "invalid-edit").has("op", 0)

	file, fresh := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "fresh")
	halley(t, "backup", "--data", s.dir, file).ok()
	if out := halley(t, "verify", "--data", s.dir).ok().stdout; !strings.Contains(out, "2 files") {
		t.Errorf("verify says %q, want that there are 2 files", out)
	}
	s.stop()
	halley(t, "restore", "--data", fresh, file).ok()
	restored := serveFolder(t, fresh)
	reader := restored.guest("Ink")
	reader.wantFile(named, plan)
	reader.wantFile(young, loose)
	restored.stop()

	hash := strings.TrimPrefix(named, "/files/")
	if err := os.Remove(filepath.Join(fresh, "blobs", hash[:2], hash)); err != nil {
		t.Fatal(err)
	}
	halley(t, "verify", "--data", fresh).failed(1, "page "+page+", change 1: the file that it names, "+hash+": its file is missing")
}

// TestUploadLimit: the limit is the server's to set.
func TestUploadLimit(t *testing.T) {
	s := serve(t, "--max-upload=1")
	quill := s.guest("Quill")
	page := quill.newPage("")
	quill.upload(page, "small.png", picture(1, 1_000_000))
	quill.send(to("POST", "/api/pages/"+page+"/files").file("file", "large.png", picture(2, 2_000_000))).refused(413, "too-large")
}
