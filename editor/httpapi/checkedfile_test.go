package httpapi

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"halley/storage/bolt"
)

// damageFile turns a bit of an uploaded file, behind the server's back.
func damageFile(t *testing.T, dir string, file fileJSON, at int64) {
	t.Helper()
	name := strings.TrimPrefix(file.Path, "/files/")
	path := filepath.Join(dir, bolt.BlobFolder, name[:2], name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedSmallFile: nothing of it is sent, by whatever method, and uploading
// it again repairs it.
func TestDamagedSmallFile(t *testing.T) {
	dir := t.TempDir()
	b := signIn(t, newServerIn(t, dir, Config{}))
	page := b.makes("Files")
	for i, headers := range [][]string{nil, {"Range", "bytes=0-9"}, {"If-Range", `"x"`, "Range", "bytes=0-9"}} {
		data := strings.Repeat("small file ", 1000+i)
		file, _ := b.sends(page, "a.txt", data)
		for _, at := range []int64{0, file.Size - 1} {
			damageFile(t, dir, file, at)
			for range 2 { // found, then known
				got := b.do("GET", file.Path, "", headers...)
				if got.Code != 500 || !strings.Contains(got.Body.String(), `"/problems/damaged"`) || got.Header().Get("ETag") != "" {
					t.Errorf("a damaged file is answered with %d %v %.100q", got.Code, got.Header(), got.Body)
				}
				if got := b.do("HEAD", file.Path, ""); got.Code != 500 {
					t.Errorf("HEAD of a damaged file is answered with %d", got.Code)
				}
			}
			if again, status := b.sends(page, "a.txt", data); status != 201 || again.Path != file.Path {
				t.Fatalf("uploaded again: %d %+v", status, again)
			}
			if got := b.do("GET", file.Path, ""); got.Code != 200 || got.Body.String() != data {
				t.Errorf("after it was uploaded again: %d %.100q", got.Code, got.Body)
			}
		}
	}
}

// TestDamagedMissingFile: a file whose bytes are gone, or cut off, is damaged too.
func TestDamagedMissingFile(t *testing.T) {
	dir := t.TempDir()
	b := signIn(t, newServerIn(t, dir, Config{}))
	page := b.makes("Files")
	for name, harm := range map[string]func(path string) error{
		"gone": os.Remove, "cut off": func(path string) error { return os.Truncate(path, 3) },
	} {
		file, _ := b.sends(page, "a.txt", "some bytes, later "+name)
		hash := strings.TrimPrefix(file.Path, "/files/")
		if err := harm(filepath.Join(dir, bolt.BlobFolder, hash[:2], hash)); err != nil {
			t.Fatal(err)
		}
		if got := b.do("GET", file.Path, ""); got.Code != 500 || !strings.Contains(got.Body.String(), `"/problems/damaged"`) {
			t.Errorf("%s: answered with %d %s", name, got.Code, got.Body)
		}
		if list := b.s.pages.Damage().List(); len(list) == 0 || list[0].Name != hash {
			t.Errorf("%s: known to be damaged: %+v", name, list)
		}
		b.sends(page, "a.txt", "some bytes, later "+name)
		if got := b.do("GET", file.Path, ""); got.Code != 200 {
			t.Errorf("%s: uploaded again, and answered with %d", name, got.Code)
		}
	}
}

// TestDamagedLargeFile: it is sent as it is read, and broken off before its end,
// so that nobody takes it for whole.
func TestDamagedLargeFile(t *testing.T) {
	dir := t.TempDir()
	s := newServerIn(t, dir, Config{})
	b := signIn(t, s)
	page := b.makes("Files")
	for i, at := range []int64{0, 700_000, 3_000_000 - 1} {
		data := strings.Repeat("large file", 300_000-i) + strings.Repeat("x", 10*i)
		file, _ := b.sends(page, "a.txt", data)
		get := func() (status int, body []byte, err error) {
			live := httptest.NewServer(s)
			defer live.Close()
			r, err := http.NewRequest("GET", live.URL+file.Path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(b.cookie)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err = io.ReadAll(resp.Body)
			return resp.StatusCode, body, err
		}
		if status, body, err := get(); status != 200 || err != nil || file.Path != fmt.Sprintf("/files/%x", sha256.Sum256(body)) {
			t.Fatalf("a sound file is answered with %d and %d bytes, %v", status, len(body), err)
		}
		damageFile(t, dir, file, at)
		if status, body, err := get(); status != 200 || !errors.Is(err, io.ErrUnexpectedEOF) || len(body) >= len(data) {
			t.Errorf("damaged at %d: answered with %d and %d of %d bytes, %v; want it broken off", at, status, len(body), len(data), err)
		}
		if status, _, err := get(); status != 500 || err != nil {
			t.Errorf("damaged at %d: once that is known, answered with %d, %v", at, status, err)
		}
	}
}

// TestRangesOfLargeFile: parts of a sound file, in any order, are not taken for damaged.
func TestRangesOfLargeFile(t *testing.T) {
	b := signIn(t, newServer(t, Config{}))
	data := strings.Repeat("0123456789", 200_000)
	file, _ := b.sends(b.makes("Files"), "a.txt", data)
	for _, r := range []string{"bytes=0-", "bytes=0-99", "bytes=1999999-", "bytes=100-199,0-99", "bytes=0-999999,1000000-1999999", "bytes=-5"} {
		if got := b.do("GET", file.Path, "", "Range", r); got.Code != 206 {
			t.Errorf("%s is answered with %d", r, got.Code)
		}
	}
	if list := b.s.pages.Damage().List(); len(list) > 0 {
		t.Errorf("known to be damaged: %+v", list)
	}
}
