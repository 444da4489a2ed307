package commands

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// exampleName is the name that the example configurations of docs have to be changed for.
const exampleName = "news.meridian-courier.example"

// front runs caddy or nginx as docs has it, with TLS at https://localhost:$FRONT, in front of
// $LISTEN. Of the example only names, ports and paths are changed. Its log is front.log; ca.pem is
// whom its certificate is from.
func front(s *script, args []string) {
	program, err := exec.LookPath(args[0])
	if err != nil {
		s.t.Skipf("%s is not installed", args[0])
	}
	s.certify("ca.pem", "key.pem")
	plain, err := net.Listen("tcp", "127.0.0.1:0") // for port 80, which is not ours to take
	s.check(err)
	value := func(name string) string { return s.words("$" + name)[0] }
	common := []string{exampleName, "localhost", "127.0.0.1:8080", "127.0.0.1:" + value("LISTEN")}
	var c *exec.Cmd
	switch args[0] {
	case "caddy":
		text := s.replaced("../docs/Caddyfile", append(common, "{\n\t# A link", fmt.Sprintf("{\n\tadmin off\n\thttp_port %s\n\thttps_port %s\n\t# A link", port(plain), value("FRONT")),
			"localhost {", "localhost {\n\ttls ca.pem key.pem\n\tlog")...)
		s.write("Caddyfile", text)
		c = exec.Command(program, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	case "nginx":
		text := s.replaced("../docs/nginx.conf", append(common, "listen 80;", "listen 127.0.0.1:"+port(plain)+";", "    listen [::]:80;\n", "",
			"listen 443 ", "listen 127.0.0.1:"+value("FRONT")+" ", "    listen [::]:443 ssl http2;\n", "",
			"/etc/letsencrypt/live/localhost/fullchain.pem", s.path("ca.pem"), "/etc/letsencrypt/live/localhost/privkey.pem", s.path("key.pem"),
			"/var/log/nginx/broadsheet.log", "/dev/stderr", "/var/log/nginx/broadsheet.error.log", "stderr")...)
		s.write("site.conf", text)
		var temp strings.Builder
		for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			fmt.Fprintf(&temp, "%s_temp_path %s;\n", kind, s.path(kind))
		}
		s.write("nginx.conf", "daemon off;\nworker_processes 1;\npid "+s.path("nginx.pid")+";\nevents {}\nhttp {\n"+temp.String()+"include "+s.path("site.conf")+";\n}\n")
		c = exec.Command(program, "-e", "stderr", "-p", s.dir, "-c", s.path("nginx.conf"))
	}
	plain.Close()
	p := &process{cmd: c}
	c.Dir, c.Env, c.Stdout, c.Stderr = s.dir, []string{"HOME=" + s.dir, "PATH=/usr/bin:/bin"}, &p.errors, &p.errors
	s.check(c.Start())
	s.world.front = p
	s.t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if s.t.Failed() {
			s.t.Logf("%s said:\n%s", args[0], &p.errors)
		}
	})
	address := "localhost:" + value("FRONT")
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(end) {
			s.fail("%s does not listen: %v", args[0], err)
		}
	}
}

// replaced is a file with pairs replaced, each of which must be in it.
func (s *script) replaced(file string, pairs ...string) string {
	text := read(s.t, filepath.FromSlash(file))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			s.fail("%s has no %q", file, pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// certify makes a certificate for localhost that is its own authority.
func (s *script) certify(certFile, keyFile string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err)
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true, IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	s.check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	s.check(err)
	s.write(certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	s.write(keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// guesses ADDRESS N FIRST-429 sends N wrong links to the front from one address of this machine, each
// claiming in X-Forwarded-For to be somebody else, and says which is the first to be answered 429
// (0 = none).
func guesses(s *script, args []string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(s.read("ca.pem")))
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(args[0])}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	var n, want int
	_, err := fmt.Sscan(args[1]+" "+args[2], &n, &want)
	s.check(err)
	first := 0
	for i := 1; i <= n; i++ {
		req, err := http.NewRequest(http.MethodGet, "https://localhost:"+s.words("$FRONT")[0]+"/l/wrong", nil)
		s.check(err)
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", i))
		resp, err := client.Do(req)
		s.check(err)
		_, err = io.Copy(io.Discard, resp.Body)
		s.check(err)
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusTooManyRequests && first == 0:
			first = i
		case resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusTooManyRequests:
			s.fail("a wrong link is answered %s", resp.Status)
		}
	}
	if first != want {
		s.fail("the first 429 is number %d, not %d", first, want)
	}
}
