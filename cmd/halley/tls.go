package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"halley/editor/listen"
)

// A tlsConfig says where certificates come from: two files, or an authority.
type tlsConfig struct {
	cert, key        string
	acme             listFlag
	email, directory string
}

func (c tlsConfig) on() bool { return c.cert != "" || len(c.acme) > 0 }

// acmeFolder is the folder of certificates in a data folder.
const acmeFolder = "acme"

// settleTLS refuses half of a pair, and fills in what certificates imply.
func (cfg *serveConfig) settleTLS() error {
	switch {
	case (cfg.tls.cert == "") != (cfg.tls.key == ""):
		return errors.New("--tls-cert and --tls-key go together: give both or neither")
	case cfg.tls.cert != "" && len(cfg.tls.acme) > 0:
		return errors.New("certificates come either from --tls-cert and --tls-key or from --acme, not from both")
	case len(cfg.tls.acme) == 0 && (cfg.tls.email != "" || cfg.tls.directory != ""):
		return errors.New("--acme-email and --acme-directory say more about --acme, which is not there")
	case cfg.httpListen != "" && cfg.httpListen != "off" && !cfg.tls.on():
		return errors.New("--http-listen leads to https: give --tls-cert and --tls-key, or --acme")
	}
	if len(cfg.tls.acme) > 0 {
		cfg.settleACME()
	}
	if cfg.httpListen == "off" {
		cfg.httpListen = ""
	}
	return nil
}

// settleACME: an authority asks at the ports that everybody knows.
func (cfg *serveConfig) settleACME() {
	if cfg.listen == defaultListen {
		cfg.listen = ":443"
	}
	if cfg.httpListen == "" {
		cfg.httpListen = ":80"
	}
	if cfg.publicURL == "" {
		cfg.publicURL = "https://" + cfg.tls.acme[0]
	}
}

func (f *listeners) openTLS() (err error) {
	c := f.cfg.tls
	switch {
	case c.cert != "":
		f.keys, err = listen.OpenKeyPair(c.cert, c.key, f.logger)
	case len(c.acme) > 0:
		f.acme = listen.Authority{
			Domains: c.acme, Email: c.email, Directory: c.directory, Folder: filepath.Join(f.cfg.data, acmeFolder),
		}.Manager()
	}
	return err
}

// tlsConfig is nil where nobody asked for TLS.
func (f *listeners) tlsConfig() *tls.Config {
	switch {
	case f.keys != nil:
		return listen.TLS(f.keys.GetCertificate)
	case f.acme != nil:
		cfg := f.acme.TLSConfig()
		cfg.MinVersion = tls.VersionTLS12
		return cfg
	}
	return nil
}

func (f *listeners) protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(f.cfg.h2c)
	return p
}

// plainServer leads to https, and answers the authority where there is one.
func (f *listeners) plainServer() *http.Server {
	_, port, err := net.SplitHostPort(f.public.Addr().String())
	if err != nil {
		panic(err) // the address of a listener of ours
	}
	h := listen.ToHTTPS(port)
	if f.acme != nil {
		h = listen.WithoutPort(f.acme.HTTPHandler(h))
	}
	srv := httpServer(h, f.logger)
	srv.ReadTimeout, srv.WriteTimeout = 10*time.Second, 10*time.Second
	srv.ConnState = listen.NewCapacity(listen.Limits{All: func() int { return plainConns }}).Watch
	return srv
}

// plainConns is how many may be on their way to https at once.
const plainConns = 32

// reloadOnSignal reads the certificate again at each SIGHUP, until stop.
func (f *listeners) reloadOnSignal() (stop func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case <-told:
				f.reload()
			}
		}
	}()
	return func() {
		signal.Stop(told)
		close(done)
	}
}

func (f *listeners) reload() {
	if f.keys == nil {
		f.logger.Info("SIGHUP: there is nothing to read again")
	} else if err := f.keys.Reload(); err != nil {
		f.logger.Error("SIGHUP: the certificate cannot be used; the old one stays", "error", err)
	} else {
		f.logger.Info("SIGHUP: the certificate was read again")
	}
}
