package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
)

// Listen listens on the socket at path, in a data folder. The caller holds the
// lock of the store there, so a socket that an earlier server left behind is
// removed. Close removes the socket.
func Listen(path string) (net.Listener, error) {
	short, release, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := os.Remove(short); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on the socket %s: %w", path, err)
	}
	// The path may be valid in this process only; the file is removed by its name.
	l.SetUnlinkOnClose(false)
	return &listener{l, path}, os.Chmod(short, 0o600)
}

// Dial connects to the server that listens on the socket at path.
func Dial(ctx context.Context, path string) (net.Conn, error) {
	short, release, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", short)
}

// shorten returns a path of the socket that is short enough for the system: an
// address has room for about a hundred bytes, and a folder may be deep.
func shorten(path string) (short string, release func(), err error) {
	if len(path) < 100 {
		return path, func() {}, nil
	}
	if runtime.GOOS != "linux" {
		return "", nil, fmt.Errorf("the path %s is too long for a socket", path)
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", folder.Fd(), filepath.Base(path)), func() { folder.Close() }, nil
}

// A listener removes its socket when it closes.
type listener struct {
	net.Listener
	file string
}

func (l *listener) Close() error {
	return errors.Join(l.Listener.Close(), os.Remove(l.file))
}
