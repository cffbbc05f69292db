package e2e

import (
	"crypto/tls"
	"crypto/x509"
	encoding "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const acmeDomain = "halley.example"

// TestACME: certificates come from an authority, over either of its ways to
// ask who owns a domain. The authority is Pebble, Let's Encrypt's own for tests.
func TestACME(t *testing.T) {
	pebble := buildPebble(t)
	for _, c := range []struct {
		name   string
		closed string // the port at which the authority finds nobody
	}{
		{"tls-alpn-01", "httpPort"},
		{"http-01", "tlsPort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(t, pebble)
			s := newServer(t, t.TempDir(), "--open", "--acme="+acmeDomain, "--acme-email=ann@halley.example",
				"--acme-directory="+a.url+"/dir", "--http-listen=127.0.0.1:0")
			s.env = []string{"SSL_CERT_FILE=" + a.cert}
			carrier{scheme: "https", major: 1}.over(t)
			s.start()
			a.ports["tlsPort"], a.ports["httpPort"] = port(t, s.listen), port(t, s.plainAddress())
			a.ports[c.closed] = freePort(t)
			a.start()
			a.wantIssued(s)
		})
	}
}

func buildPebble(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pebble")
	build := exec.Command("go", "build", "-modfile=.tools/go.mod", "-o", file, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Skipf("Pebble, the authority of this test, cannot be built: %v\n%s", err, out)
	}
	return file
}

// An authority issues certificates to whoever holds a domain, in the eyes of
// its own name server, where every domain is this machine.
type authority struct {
	t      *testing.T
	pebble string
	listen string
	url    string
	cert   string // of its own address
	key    string
	ports  map[string]int // at which it asks who owns a domain
	names  string         // its name server
	said   log
}

func newAuthority(t *testing.T, pebble string) *authority {
	t.Helper()
	dir := t.TempDir()
	a := &authority{t: t, pebble: pebble, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), ports: map[string]int{}}
	if _, err := writeCertificate(a.cert, a.key); err != nil {
		t.Fatal(err)
	}
	a.listen = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	a.url = "https://" + a.listen
	a.names = nameServer(t)
	return a
}

func (a *authority) start() {
	a.t.Helper()
	config := map[string]any{
		"listenAddress": a.listen, "certificate": a.cert, "privateKey": a.key,
		"httpPort": a.ports["httpPort"], "tlsPort": a.ports["tlsPort"],
	}
	file := filepath.Join(a.t.TempDir(), "pebble.json")
	text, err := json.Marshal(map[string]any{"pebble": config})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.Command(a.pebble, "-config", file, "-dnsserver", a.names)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = &a.said, &a.said
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if a.t.Failed() {
			a.t.Logf("the authority said:\n%s", a.said.tail())
		}
	})
	awaitPort(a.t, a.listen)
}

// wantIssued asks s for its domain, and fails unless it shows a certificate of
// the authority's, keeps it closed to others, and gets none for other domains.
func (a *authority) wantIssued(s *server) {
	a.t.Helper()
	shown := func(name string) (*x509.Certificate, error) {
		dialer := &net.Dialer{Timeout: patience}
		conn, err := tls.DialWithDialer(dialer, "tcp", s.listen, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0], nil
	}
	cert, err := shown(acmeDomain)
	if err != nil {
		a.t.Fatalf("no certificate: %v", err)
	}
	if err := cert.VerifyHostname(acmeDomain); err != nil || !strings.Contains(cert.Issuer.CommonName, "Pebble") {
		a.t.Errorf("the certificate is for %v, by %s", cert.DNSNames, cert.Issuer)
	}
	if _, err := shown("other.example"); err == nil {
		a.t.Error("a certificate was got for a domain that nobody asked for")
	}
	folder := filepath.Join(s.dir, "acme")
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) == 0 {
		a.t.Fatalf("nothing is kept in %s: %v", folder, err)
	}
	for _, name := range append([]string{"."}, entryNames(entries)...) {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			a.t.Errorf("acme/%s may be read by others: %v, %v", name, info.Mode(), err)
		}
	}
	// Another life needs no authority.
	s.restart()
	if again, err := shown(acmeDomain); err != nil || again.SerialNumber.Cmp(cert.SerialNumber) != 0 {
		a.t.Errorf("after a restart: %v, want the same certificate", err)
	}
}

func entryNames(entries []os.DirEntry) (list []string) {
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// plainAddress is where s leads plain HTTP to https.
func (s *server) plainAddress() string {
	s.tb.Helper()
	return s.says(`redirecting to https" address=(\S+)`)
}

func port(t *testing.T, address string) int {
	t.Helper()
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return at.Port
}

// freePort is a port at which nobody listens now. It is none of those that
// the system gives to whoever asks for any.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(10000)))
		if err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("no port from 20000 to 29999 is free")
	return 0
}

// nameServer knows one answer to every question: this machine.
func nameServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerNames(conn)
		}
	}()
	return l.Addr().String()
}

// answerNames answers one peer: over TCP each message has its length before it.
func answerNames(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		packet := make([]byte, encoding.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, packet); err != nil {
			return
		}
		answer, err := answerName(packet)
		if err != nil {
			return
		}
		conn.Write(append(encoding.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}

func answerName(packet []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return m.Pack()
}

// awaitPort waits until somebody listens.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("nobody listens on %s: %v", address, err)
		}
	}
}
