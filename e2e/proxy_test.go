package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A proxy is a reverse proxy as people run it. README.md names the file of its
// documented configuration; in short is what one writes without reading that.
type proxy struct {
	program string
	file    string // in proxies/
	short   string
	// whole makes the rest of a configuration around either: where to listen,
	// a folder for its files, and how many seconds of silence it suffers.
	whole     func(port int, dir, part string, patience int) string
	args      func(config string) []string
	maxUpload int // bytes that it passes on without being told more
}

const million = 1_000_000

var proxies = []proxy{
	{
		program: "nginx", file: "nginx.conf", maxUpload: million,
		short: "location / {\n proxy_pass http://127.0.0.1:8080;\n}\n",
		whole: func(port int, dir, part string, patience int) string {
			return fmt.Sprintf(`daemon off; worker_processes 1; pid %[2]s/pid; error_log stderr;
events { worker_connections 256; }
http {
	access_log off; gzip on;
	client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
	proxy_read_timeout %[4]d; proxy_send_timeout %[4]d; send_timeout %[4]d;
	server { listen 127.0.0.1:%[1]d; include %[3]s; }
}
`, port, dir, part, patience)
		},
		args: func(config string) []string {
			return []string{"-e", "stderr", "-p", filepath.Dir(config), "-c", config}
		},
	},
	{
		program: "haproxy", file: "haproxy.cfg", maxUpload: 16 * million,
		short: "backend halley\n    server halley 127.0.0.1:8080\n",
		whole: func(port int, _, part string, patience int) string {
			return fmt.Sprintf(`global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client %[3]ds
    timeout server %[3]ds
frontend here
    bind 127.0.0.1:%[1]d
    default_backend halley
%[2]s`, port, mustRead(part), patience)
		},
		args: func(config string) []string { return []string{"-db", "-f", config} },
	},
	{
		program: "apache2", file: "apache.conf", maxUpload: 16 * million,
		short: "ProxyPass / http://127.0.0.1:8080/\n",
		whole: func(port int, dir, part string, patience int) string {
			var modules strings.Builder
			for _, name := range []string{"mpm_event", "authz_core", "proxy", "proxy_http", "headers", "filter", "deflate"} {
				fmt.Fprintf(&modules, "LoadModule %[1]s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
			}
			return fmt.Sprintf(`ServerRoot %[2]s
DefaultRuntimeDir %[2]s
PidFile %[2]s/pid
ErrorLog %[2]s/error
ServerName localhost
Listen 127.0.0.1:%[1]d
%[5]sTimeout %[4]d
AddOutputFilterByType DEFLATE text/html text/plain text/css application/javascript
Include %[3]s
`, port, dir, part, patience, modules.String())
		},
		args: func(config string) []string { return []string{"-f", config, "-D", "FOREGROUND"} },
	},
}

func mustRead(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// find is the proxy's program; without it the test is skipped.
func (p proxy) find(t *testing.T) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if file := filepath.Join(dir, p.program); exec.Command(file, "-v").Run() == nil {
			return file
		}
	}
	t.Skipf("%s is not installed; .ci/packages installs it", p.program)
	return ""
}

// before starts the proxy before s, as part configures it, and returns s as it
// is seen through the proxy.
func (p proxy) before(t *testing.T, s *server, part string, patience int) *server {
	t.Helper()
	program, port := p.find(t), freePort(t)
	// Like every daemon it has an account of its own, where there are accounts
	// to give; so its folder is open, and not within the test's.
	dir, err := os.MkdirTemp("", "halley-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	partFile, config := filepath.Join(dir, "part"), filepath.Join(dir, "config")
	write := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o644); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
	write(partFile, strings.ReplaceAll(part, "127.0.0.1:8080", s.listen))
	write(config, p.whole(port, dir, partFile, patience))
	cmd := exec.Command(program, p.args(config)...)
	var said log
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// With its workers, which would wait for lines that are long closed.
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		if t.Failed() {
			file, _ := os.ReadFile(filepath.Join(dir, "error")) // where there is one
			t.Logf("%s said:\n%s%s", p.program, said.tail(), file)
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	awaitPort(t, address)
	return &server{tb: t, url: "http://" + address, listen: address}
}

// over runs a test behind each proxy, configured in short and as documented.
func overProxies(t *testing.T, run func(t *testing.T, p proxy, part string, documented bool)) {
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			documented, err := os.ReadFile(filepath.Join("proxies", p.file))
			if err != nil {
				t.Fatal(err)
			}
			t.Run("in short", func(t *testing.T) { run(t, p, p.short, false) })
			t.Run("as documented", func(t *testing.T) { run(t, p, string(documented), true) })
		})
	}
}

// TestProxies: behind a proxy events arrive at once over every transport, edits
// and files pass, and nobody reads the metrics.
func TestProxies(t *testing.T) {
	t.Parallel()
	overProxies(t, func(t *testing.T, p proxy, part string, documented bool) {
		t.Parallel() // much of it is waiting
		// Its heartbeats push nothing out while somebody waits.
		s := serve(t, "--open", "--trusted-proxies=127.0.0.1", "--heartbeat=1m")
		via := p.before(t, s, part, 60)
		me := via.guest("First")
		page := me.newPage("")
		for i, accept := range transports {
			l := me.follow(accept, "page="+page, "")
			l.next("hello")
			// Each is written once the one before was read: nothing pushes it out.
			for n := 2*i + 1; n <= 2*i+2; n++ {
				me.submit(page, edit{client: clientA, n: n, base: n - 1, delta: `[{"insert":"x"}]`}, n)
				l.wantChanges(page, n, n)
			}
		}

		upload := p.maxUpload
		if documented {
			upload = 16 * million
		}
		words := strings.Repeat("words of some length ", upload/21-10)
		full := me.post("/api/pages/"+page+"/changes", edit{client: clientA, n: 7, base: 6, delta: `[{"insert":"` + words + `"}]`}.String())
		if upload > 10*million {
			full.refused(422, "page-full") // by Halley, which has read it all
		} else {
			full.ok(200)
			me.post("/api/pages/"+page+"/changes", `{"client":"`+strings.Repeat(" ", 2*million)+`"}`).ok(413)
		}
		lines := strings.Repeat("A line of a document that is imported.\n", upload/4/39)
		me.send(to("POST", "/api/import").file("file", "notes.txt", lines)).ok(201)

		if a := me.get("/metrics"); a.status != 403 {
			t.Errorf("through the proxy /metrics answers %d, want 403", a.status)
		}
	})
}

// TestProxiesIdle: a line on which nothing happens outlives the proxy's
// patience many times over. An hour at a heartbeat every 12 s and a patience
// of 60 s is, 30 times as fast, two minutes: soak waits for these.
func TestProxiesIdle(t *testing.T) {
	t.Parallel()
	heartbeats := 12
	if soak {
		heartbeats = 300
	}
	overProxies(t, func(t *testing.T, p proxy, part string, _ bool) {
		t.Parallel() // it is waiting
		s := serve(t, "--open", "--trusted-proxies=127.0.0.1", "--heartbeat=400ms")
		me := p.before(t, s, part, 2).guest("First")
		page := me.newPage("")
		var lines []*line
		for _, accept := range transports[:2] {
			lines = append(lines, me.follow(accept, "page="+page, ""))
		}
		for _, l := range lines {
			l.wantHeartbeats(heartbeats)
		}
		me.submit(page, edit{client: clientA, n: 1, delta: `[{"insert":"x"}]`}, 1)
		for _, l := range lines {
			l.wantChanges(page, 1, 1)
		}
	})
}

// wantHeartbeats reads so many heartbeats on one line.
func (l *line) wantHeartbeats(n int) {
	l.tb.Helper()
	l.next("hello")
	defer time.AfterFunc(time.Duration(n)*time.Second+patience, l.cancel).Stop()
	for beats := 0; beats < n; {
		text, err := l.in.ReadString('\n')
		if err != nil {
			l.tb.Fatalf("the line (%s) ended after %d heartbeats: %v", l.accept, beats, err)
		}
		if strings.HasPrefix(text, ":") || l.accept != "text/event-stream" && text == "\n" {
			beats++
		}
	}
}

// TestProxiesAddress: through a proxy that is trusted the client is who it is,
// whatever it says of itself; one that is not trusted counts as the client.
func TestProxiesAddress(t *testing.T) {
	overProxies(t, func(t *testing.T, p proxy, part string, documented bool) {
		if !documented {
			t.Skip("configured in short it does not say who the client is")
		}
		for trusted, want := range map[string]string{"127.0.0.1": "127.0.0.9", "192.0.2.0/24": "127.0.0.1"} {
			s := serve(t, "--open", "--log-level=debug", "--trusted-proxies="+trusted)
			via := p.before(t, s, part, 60)
			me := via.stranger()
			dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
			me.http.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			}
			me.send(to("GET", "/api/session").with("Host", "halley.example").
				with("X-Forwarded-For", "203.0.113.5").with("Forwarded", "for=203.0.113.5").with("X-Forwarded-Host", "evil.example"))
			if got := s.says(`path=/api/session .*from=(\S+)`); got != want {
				t.Errorf("trusted %s: the client is %s, want %s", trusted, got, want)
			}
			if trusted != "127.0.0.1" {
				continue
			}
			// The browser's own page is no other site, also where it does not say so itself.
			mine := to("POST", "/api/session").json(`{"name":"First"}`).with("Host", "halley.example").with("Origin", "http://halley.example")
			me.send(mine).ok(200)
			me.send(mine.with("Origin", "http://evil.example")).refused(403, "cross-site")
		}
	})
}
