package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A carrier is the HTTP that servers and callers of a test run speak.
type carrier struct {
	scheme string
	major  int      // HTTP's version
	flags  []string // of the server
	roots  *x509.CertPool
}

// carried is the carrier of this run: plain HTTP/1.1, unless carrierVariable
// names another.
var carried = carrier{scheme: "http", major: 1}

const carrierVariable = "HALLEY_E2E_CARRIER"

var carriers = []string{"h2c", "tls", "tls h2"}

// carry sets the run's carrier. What it makes, forget takes away.
func carry(name string) (forget func(), err error) {
	forget = func() {}
	switch name {
	case "":
		return forget, nil
	case "h2c":
		carried = carrier{scheme: "http", major: 2, flags: []string{"--h2c"}}
		return forget, nil
	case "tls", "tls h2":
		dir, err := os.MkdirTemp("", "halley-tls-")
		if err != nil {
			return nil, err
		}
		carried, err = overTLS(dir)
		if name == "tls h2" {
			carried.major = 2
		}
		return func() { os.RemoveAll(dir) }, err
	}
	return nil, fmt.Errorf("%s=%q names no carrier", carrierVariable, name)
}

func overTLS(dir string) (carrier, error) {
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	signed, err := writeCertificate(cert, key)
	if err != nil {
		return carrier{}, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(signed)
	return carrier{"https", 1, []string{"--tls-cert", cert, "--tls-key", key}, roots}, nil
}

// writeCertificate writes a certificate of this machine that it signs itself.
func writeCertificate(certFile, keyFile string) (*x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// transport is a caller's, with connections of its own.
func (c carrier) transport() *http.Transport {
	p := new(http.Protocols)
	p.SetHTTP1(c.major == 1)
	p.SetHTTP2(c.major == 2 && c.scheme == "https")
	p.SetUnencryptedHTTP2(c.major == 2 && c.scheme == "http")
	return &http.Transport{MaxIdleConnsPerHost: 16, Protocols: p, TLSClientConfig: &tls.Config{RootCAs: c.roots}}
}

// TestOtherCarriers runs the tests of lines, of what goes with them and of
// large bodies over every other HTTP that the server speaks.
func TestOtherCarriers(t *testing.T) {
	t.Parallel()
	if os.Getenv(carrierVariable) != "" {
		t.Skip("this is one of those runs")
	}
	const tests = "^(TestHello|TestCatchUp|TestChangeEvent|TestReconnect|TestReset|TestGone|TestUnreadableLines|TestBye|" +
		"TestSettingsEvents|TestLongPoll|TestPresence|TestLostLine|TestDrain|TestSession|TestResend|TestTooManyStreams|TestImport|TestRudeClients)$"
	for _, name := range carriers {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // much of it is waiting
			cmd := exec.Command(os.Args[0], "-test.run", tests, "-test.timeout", "5m")
			cmd.Env = append(os.Environ(), carrierVariable+"="+name, "HALLEY_BIN="+binary)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
