package listen

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A KeyPair is a certificate and its key in two PEM files. Files that are
// replaced are read again within a second, at the next connection; as long as
// they cannot be used the pair stays what it was. Safe for concurrent use.
type KeyPair struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu     sync.Mutex // guards what follows
	pair   *tls.Certificate
	seen   [2]stamp // of the files when they were read last, whatever came of it
	looked time.Time
}

// A stamp tells a file from what takes its place.
type stamp struct {
	size     int64
	modified time.Time
}

// lookEvery is how often the files are looked at.
const lookEvery = time.Second

// OpenKeyPair reads the pair. Its errors are sentences for whoever runs the
// server.
func OpenKeyPair(certFile, keyFile string, logger *slog.Logger) (*KeyPair, error) {
	k := &KeyPair{certFile: certFile, keyFile: keyFile, logger: logger}
	return k, k.Reload()
}

// Reload reads the files now.
func (k *KeyPair) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.read(k.stamps(), time.Now())
}

// GetCertificate is a tls.Config's.
func (k *KeyPair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if now.Sub(k.looked) < lookEvery {
		return k.pair, nil
	}
	k.looked = now
	if at := k.stamps(); at != k.seen {
		if err := k.read(at, now); err != nil {
			k.logger.Error("the new certificate cannot be used; the old one stays", "error", err)
		} else {
			k.logger.Info("the certificate was replaced", "expires", k.pair.Leaf.NotAfter)
		}
	}
	return k.pair, nil
}

func (k *KeyPair) stamps() (at [2]stamp) {
	for i, name := range []string{k.certFile, k.keyFile} {
		if info, err := os.Stat(name); err == nil { // else read says what is wrong
			at[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return at
}

// read reads the files, which were seen like that. The caller holds mu.
func (k *KeyPair) read(at [2]stamp, now time.Time) error {
	k.seen = at
	cert, err := readPEM("certificate", k.certFile)
	if err != nil {
		return err
	}
	key, err := readPEM("key", k.keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("the certificate in %s and the key in %s are no pair: %w", k.certFile, k.keyFile, err)
	}
	if now.After(pair.Leaf.NotAfter) {
		k.logger.Warn("the certificate has expired; browsers will refuse it", "file", k.certFile, "expired", pair.Leaf.NotAfter)
	}
	k.pair = &pair
	return nil
}

func readPEM(what, name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s with the %s", name, what)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the %s in %s may not be read by the user that runs the server", what, name)
	case err != nil:
		return nil, fmt.Errorf("the %s cannot be read: %w", what, err)
	}
	return data, nil
}
