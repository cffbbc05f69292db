package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"halley/editor"
	"halley/editor/account"
	"halley/editor/client"
	"halley/editor/control"
	"halley/editor/httpapi"
	"halley/storage/bolt"
)

// commandTimeout is how long a command goes on trying while its server does not answer.
const commandTimeout = 20 * time.Second

// A target is the workspace that a command works on.
type target struct {
	data   string
	server string
	name   string
}

func (t *target) flags(fs *flag.FlagSet) {
	fs.StringVar(&t.data, "data", defaultData, "the `folder` that holds the workspace, served or not")
	fs.StringVar(&t.server, "server", "", "the `address` of a running server to use instead of a folder")
	fs.StringVar(&t.name, "name", "Command line", "the `name` that others see when the command signs in at --server")
}

// A reached workspace is one that answers.
type reached struct {
	*client.Client
	release func() error
}

// reach finds who answers for the workspace: a server elsewhere, the server
// that has the folder open, else this process itself. All are asked by HTTP.
func (t target) reach(ctx context.Context, env environ) (*reached, error) {
	if t.server != "" {
		return t.signIn(ctx)
	}
	logger := warnings(env)
	w, err := openWorkspace(ctx, t.data, nil, account.Config{}, editor.Config{}, httpapi.Config{Logger: logger})
	if errors.Is(err, bolt.ErrInUse) {
		return t.askServer(ctx)
	}
	if err != nil {
		return nil, err
	}
	return serveSelf(w, logger)
}

// warnings is the log of a command: what goes wrong.
func warnings(env environ) *slog.Logger {
	return env.logger(slog.LevelWarn)
}

func (t target) signIn(ctx context.Context) (*reached, error) {
	c, err := client.New(client.Config{Server: t.server, Patience: commandTimeout})
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	if _, err := c.SignIn(ctx, t.name); err != nil {
		return nil, err
	}
	return &reached{c, func() error { return c.SignOut(context.WithoutCancel(ctx)) }}, nil
}

// askServer asks the server that has the folder open, through its socket.
func (t target) askServer(ctx context.Context) (*reached, error) {
	c, err := client.New(client.Config{
		Server: "http://localhost", Patience: commandTimeout,
		Dial: func(ctx context.Context) (net.Conn, error) { return control.Dial(ctx, socketIn(t.data)) },
	})
	if err != nil {
		return nil, err
	}
	probe, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if _, err := c.Session(probe); err != nil {
		return nil, fmt.Errorf("the folder %s is in use, and who uses it does not answer: %w", t.data, err)
	}
	return &reached{c, func() error { c.Close(); return nil }}, nil
}

// serveSelf serves a folder that nobody has open to this process alone.
func serveSelf(w *workspace, logger *slog.Logger) (*reached, error) {
	inside := newInside()
	c, err := client.New(client.Config{Server: "http://localhost", Patience: commandTimeout, Dial: inside.dial})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	srv := localServer(w.server, logger)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(inside) }()
	return &reached{c, func() error {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), drainTime)
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			srv.Close() // what still runs then fails at the closed store
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return errors.Join(err, w.close())
		}
		return w.close()
	}}, nil
}

// inside is a listener whose connections come from this process.
type inside struct {
	conns  chan net.Conn
	closed context.Context
	close  context.CancelFunc
}

func newInside() *inside {
	ctx, cancel := context.WithCancel(context.Background())
	return &inside{make(chan net.Conn), ctx, cancel}
}

func (l *inside) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *inside) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed.Done():
		return nil, net.ErrClosed
	}
}

func (l *inside) Close() error { l.close(); return nil }

func (l *inside) Addr() net.Addr { return &net.UnixAddr{Name: "inside", Net: "unix"} }
