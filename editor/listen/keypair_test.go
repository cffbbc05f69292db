package listen

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a self-signed certificate of that serial number and its key.
func writePair(t *testing.T, dir string, serial int64, expires time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: expires,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	return cert, key
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (k *KeyPair) serial(t *testing.T) int64 {
	t.Helper()
	pair, err := k.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf.SerialNumber.Int64()
}

func wantSerial(t *testing.T, when string, k *KeyPair, want int64) {
	t.Helper()
	k.looked = time.Time{} // a second has gone by
	if got := k.serial(t); got != want {
		t.Errorf("%s the certificate is number %d, want %d", when, got, want)
	}
}

func TestKeyPairReplaced(t *testing.T) {
	dir, later := t.TempDir(), time.Now().Add(time.Hour)
	var said strings.Builder
	logger := slog.New(slog.NewTextHandler(&said, nil))
	cert, key := writePair(t, dir, 1, later)
	k, err := OpenKeyPair(cert, key, logger)
	if err != nil {
		t.Fatal(err)
	}
	wantSerial(t, "at first", k, 1)

	// A change shows by size or time; the file's clock may be coarse.
	touch := func(name string, ahead time.Duration) {
		at := time.Now().Add(ahead)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	newCert, newKey := writePair(t, other, 2, later)
	data, err := os.ReadFile(newCert)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, cert, data)
	touch(cert, time.Minute)
	wantSerial(t, "with half of a new pair", k, 1)
	if !strings.Contains(said.String(), "are no pair") {
		t.Errorf("half of a pair is met with %q", said.String())
	}
	before := said.Len()
	wantSerial(t, "still with half", k, 1)
	if said.Len() != before {
		t.Error("the same half is complained of twice")
	}
	if data, err = os.ReadFile(newKey); err != nil {
		t.Fatal(err)
	}
	writeFile(t, key, data)
	touch(key, time.Minute)
	if k.looked = time.Now(); k.serial(t) != 1 {
		t.Error("the files are looked at more than once a second")
	}
	wantSerial(t, "with a new pair", k, 2)

	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	wantSerial(t, "without its key", k, 2)
	if err := k.Reload(); err == nil {
		t.Error("Reload succeeds without a key")
	}
	writePair(t, dir, 3, later)
	if err := k.Reload(); err != nil || k.serial(t) != 3 {
		t.Errorf("Reload: %v and number %d, want 3 at once", err, k.serial(t))
	}
}

func TestKeyPairErrors(t *testing.T) {
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	cert, key := writePair(t, dir, 1, time.Now().Add(time.Hour))
	_, otherKey := writePair(t, t.TempDir(), 2, time.Now().Add(time.Hour))
	closed := filepath.Join(dir, "closed")
	writeFile(t, closed, nil)
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, cert, key, want string }{
		{"no certificate", filepath.Join(dir, "no"), key, "there is no file " + filepath.Join(dir, "no")},
		{"no key", cert, filepath.Join(dir, "no"), "with the key"},
		{"another's key", cert, otherKey, "are no pair"},
		{"a folder", dir, key, "cannot be read"},
		{"the two exchanged", key, cert, "are no pair"},
		{"a key that may not be read", cert, closed, "may not be read"},
	} {
		if c.key == closed && os.Geteuid() == 0 {
			continue // root may read all
		}
		if _, err := OpenKeyPair(c.cert, c.key, logger); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

func TestKeyPairExpired(t *testing.T) {
	var said strings.Builder
	cert, key := writePair(t, t.TempDir(), 1, time.Now().Add(-time.Minute))
	if _, err := OpenKeyPair(cert, key, slog.New(slog.NewTextHandler(&said, nil))); err != nil || !strings.Contains(said.String(), "expired") {
		t.Errorf("an expired certificate: %v, and said %q", err, said.String())
	}
}
