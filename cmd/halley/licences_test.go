package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"halley/editor/licences"
)

// TestLicences: the command and the page of the app say the same.
func TestLicences(t *testing.T) {
	if h := halley(t.Context(), io.Discard, nil, "licences"); h.status != 0 || h.stdout != licences.Text() || h.stdout == "" {
		t.Errorf("halley licences ends with %d and %d bytes, want %d", h.status, len(h.stdout), len(licences.Text()))
	}
	address, stop := serving(t, filepath.Join(t.TempDir(), "data"))
	defer stop()
	resp, err := http.Get(address + "/licences")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "Marijn Haverbeke") || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("GET /licences: %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
}
