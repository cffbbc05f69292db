package control

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestSocket: commands reach the server through the socket, also in a folder too
// deep for the address of one and beside the socket of a server that was killed.
// Only its owner may open it, and Close removes it.
func TestSocket(t *testing.T) {
	depths := map[string]string{"short": "s"}
	if runtime.GOOS == "linux" {
		depths["deep"] = strings.Repeat("d", 150)
	}
	for name, folder := range depths {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), folder, "control")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o600); err != nil { // as a killed server leaves one
				t.Fatal(err)
			}
			l, err := Listen(path)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket is %v, %v, want mode 0600", info, err)
			}
			sent := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err == nil {
					_, err = c.Write([]byte("here"))
					c.Close()
				}
				sent <- err
			}()
			c, err := Dial(t.Context(), path)
			if err != nil {
				l.Close()
				t.Fatal(err)
			}
			defer c.Close()
			if got, err := io.ReadAll(c); err != nil || string(got) != "here" {
				t.Errorf("the client read %q, %v, want %q", got, err, "here")
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); !os.IsNotExist(err) {
				t.Errorf("the socket is there after Close: %v", err)
			}
		})
	}
}

func TestSparse(t *testing.T) {
	var got []uint64
	report := Sparse(func(done, _ uint64) { got = append(got, done) })
	for done := uint64(1); done <= 2500; done++ {
		report(done, 2500)
	}
	if len(got) != 3 || got[0] != 1000 || got[2] != 2500 {
		t.Errorf("Sparse passed on %v, want 1000, 2000 and 2500", got)
	}
}
