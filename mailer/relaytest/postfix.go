package relaytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Postfix is a private Postfix on loopback: a folder and ports of its own, nothing of the
// machine's own Postfix, and no way out. The test's own goroutine uses it.
//
// It takes mail for box+anything of its Boxes in Domain, each a Maildir; every other address there
// is unknown. Each port wants STARTTLS and then User with Password by SCRAM-SHA-256, or by PLAIN
// where the service says smtpd_sasl_path=plain.
type Postfix struct {
	User, Password string

	t     testing.TB
	dir   string
	ports map[string]int
}

// Domain is what a Postfix takes mail for.
const Domain = "reader.example"

// Boxes are the mailboxes there are.
var Boxes = []string{"ada", "bounce"}

// StartPostfix starts one with a port for each service, on which the settings "name=value" of
// main.cf are its own ("{back}" in one is the address of service back); those in more hold for all of it, and one that begins with a domain,
// "sink.example smtp:[127.0.0.1]:2525", says by which transport mail to that domain goes (transport(5)).
// identity is what STARTTLS shows. It is stopped when the test ends. Where Postfix cannot be had the
// test is skipped.
func StartPostfix(t testing.TB, identity tls.Certificate, services map[string][]string, more ...string) *Postfix {
	t.Helper()
	for _, tool := range []string{"postfix", "saslpasswd2"} {
		if _, err := exec.LookPath(sbin(tool)); err != nil {
			t.Skipf("postfix: %s is not installed (Debian: postfix, sasl2-bin, libsasl2-modules)", tool)
		}
	}
	if scram, _ := filepath.Glob("/usr/lib/*/sasl2/libscram.so"); len(scram) == 0 {
		t.Skip("postfix: libsasl2-modules is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("postfix: only root may start it")
	}
	dir, err := os.MkdirTemp("", "postfix") // short, for its sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	p := &Postfix{User: "digest@" + Domain, Password: "secret", t: t, dir: dir, ports: map[string]int{}}
	t.Cleanup(func() {
		if out, err := p.command("postfix", "-c", p.in("etc"), "stop").CombinedOutput(); err != nil {
			t.Errorf("stop postfix: %v: %s", err, out)
		}
		if t.Failed() {
			t.Logf("log of postfix:\n%s", p.Log())
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p.furnish(identity)
	p.configure(services, more)
	// It returns once the ports are open.
	if out, err := p.command("postfix", "-c", p.in("etc"), "start").CombinedOutput(); err != nil {
		t.Fatalf("start postfix: %v: %s", err, out)
	}
	return p
}

// sbin finds a tool of the administrator's, which are not in everybody's PATH.
func sbin(tool string) string {
	if path, err := exec.LookPath(tool); err == nil {
		return path
	}
	return "/usr/sbin/" + tool
}

// command prepares one of Postfix's. It outlives the test's context, which ends before cleanups.
func (p *Postfix) command(tool string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.WithoutCancel(p.t.Context()), sbin(tool), args...)
}

func (p *Postfix) in(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

func (p *Postfix) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// furnish makes the folders, the certificate and the account.
func (p *Postfix) furnish(identity tls.Certificate) {
	p.t.Helper()
	p.must(os.Chmod(p.dir, 0o755)) // Postfix's own user must come through
	for _, name := range []string{"etc/sasl", "spool", "data", "log", "mail"} {
		p.must(os.MkdirAll(p.in(name), 0o755))
	}
	p.own("postfix", "data")
	p.own("nobody", "mail")
	key, err := x509.MarshalPKCS8PrivateKey(identity.PrivateKey)
	p.must(err)
	var both bytes.Buffer
	p.must(pem.Encode(&both, &pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	for _, der := range identity.Certificate {
		p.must(pem.Encode(&both, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	p.write("etc/identity.pem", both.String())

	// Debian's Postfix looks for these below its folder of settings.
	sasl := "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: " + p.in("etc/sasl/db") + "\nmech_list: "
	p.write("etc/sasl/smtpd.conf", sasl+"SCRAM-SHA-256 PLAIN\n")
	p.write("etc/sasl/plain.conf", sasl+"PLAIN\n")
	user, realm, _ := strings.Cut(p.User, "@")
	account := p.command("saslpasswd2", "-p", "-c", "-u", realm, "-f", p.in("etc/sasl/db"), user)
	account.Stdin = strings.NewReader(p.Password + "\n")
	if out, err := account.CombinedOutput(); err != nil {
		p.t.Fatalf("saslpasswd2: %v: %s", err, out)
	}
	p.own(":postfix", "etc/sasl/db")
	p.must(os.Chmod(p.in("etc/sasl/db"), 0o640))
}

// own gives a file to a user or :group.
func (p *Postfix) own(who, name string) {
	p.t.Helper()
	if out, err := p.command("/bin/chown", who, p.in(name)).CombinedOutput(); err != nil {
		p.t.Fatalf("chown %s: %v: %s", name, err, out)
	}
}

func (p *Postfix) write(name, text string) {
	p.t.Helper()
	p.must(os.WriteFile(p.in(name), []byte(text), 0o600))
}

// configure writes main.cf (postconf(5)) and master.cf (master(5)).
func (p *Postfix) configure(services map[string][]string, more []string) {
	p.t.Helper()
	nobody, err := p.command("/usr/bin/id", "-u", "nobody").Output()
	p.must(err)
	boxes := make([]string, len(Boxes))
	for i, box := range Boxes {
		boxes[i] = fmt.Sprintf("/^%s(\\+.*)?@%s$/ %s/\n", box, strings.ReplaceAll(Domain, ".", "\\."), box)
	}
	p.write("etc/boxes", strings.Join(boxes, ""))
	p.must(os.Chmod(p.in("etc/boxes"), 0o644))
	main, transports := mainCF, ""
	for _, line := range more {
		if name, _, _ := strings.Cut(line, "="); strings.Contains(strings.TrimSpace(name), " ") {
			transports += line + "\n"
		} else {
			old := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(strings.TrimSpace(name)) + ` = .*\n`)
			main = old.ReplaceAllString(main, "") + line + "\n"
		}
	}
	p.write("etc/transports", transports)
	p.must(os.Chmod(p.in("etc/transports"), 0o644))
	p.write("etc/main.cf", strings.NewReplacer("DIR", p.dir, "DOMAIN", Domain, "NOBODY", strings.TrimSpace(string(nobody))).Replace(main))

	var ports []string // "{name}" and what stands for it
	for name := range services {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		p.must(err)
		p.ports[name] = ln.Addr().(*net.TCPAddr).Port
		ports = append(ports, "{"+name+"}", fmt.Sprintf("[127.0.0.1]:%d", p.ports[name]))
		defer func() { p.must(ln.Close()) }() // held until all have one
	}
	var master strings.Builder
	for _, name := range slices.Sorted(maps.Keys(services)) {
		fmt.Fprintf(&master, "127.0.0.1:%d inet n - n - - smtpd", p.ports[name])
		for _, setting := range services[name] {
			fmt.Fprintf(&master, " -o %s", strings.NewReplacer(ports...).Replace(setting))
		}
		master.WriteByte('\n')
	}
	p.write("etc/master.cf", master.String()+masterCF)
}

const mainCF = `
compatibility_level = 3.6
queue_directory = DIR/spool
data_directory = DIR/data
maillog_file = DIR/log/mail.log
maillog_file_prefixes = DIR/log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.DOMAIN
mydomain = DOMAIN
myorigin = DOMAIN
mydestination =
alias_maps =
local_transport = error:5.4.4 nothing is local
default_transport = error:5.4.4 nothing leaves this machine
relay_transport = error:5.4.4 nothing leaves this machine
smtp_dns_support_level = disabled
transport_maps = texthash:DIR/etc/transports
smtpd_peername_lookup = no
virtual_mailbox_domains = DOMAIN
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = regexp:DIR/etc/boxes
virtual_uid_maps = static:NOBODY
virtual_gid_maps = static:NOBODY
virtual_minimum_uid = 100
recipient_delimiter = +
maximal_queue_lifetime = 0
bounce_queue_lifetime = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_event_limit_exceptions =
anvil_rate_time_unit = 1s
smtpd_tls_chain_files = DIR/etc/identity.pem
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
`

const masterCF = `
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

// Port is where a service listens on 127.0.0.1.
func (p *Postfix) Port(service string) int {
	p.t.Helper()
	port, ok := p.ports[service]
	if !ok {
		p.t.Fatalf("postfix: no service %s", service)
	}
	return port
}

// LogFile is where it logs.
func (p *Postfix) LogFile() string { return p.in("log", "mail.log") }

// Box is a mailbox's Maildir.
func (p *Postfix) Box(name string) string { return p.in("mail", name) }

// Log returns what it has logged so far.
func (p *Postfix) Log() string {
	b, err := os.ReadFile(p.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// await waits until ok; what says what is missing if that does not come within half a minute.
func (p *Postfix) await(what string, ok func() bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			p.t.Fatalf("postfix: no %s", what)
		}
	}
}

// Take waits for n mails in a box and takes them out: path by Delivered-To, as they lie there, with
// bare line feeds.
func (p *Postfix) Take(box string, n int) map[string]string {
	p.t.Helper()
	folder := p.in("mail", box, "new")
	p.await(fmt.Sprintf("%d mails for %s", n, box), func() bool {
		found, _ := os.ReadDir(folder)
		return len(found) >= n
	})
	found, err := os.ReadDir(folder)
	p.must(err)
	mails := map[string]string{}
	taken := p.in("mail", box, "cur")
	for _, f := range found {
		path := filepath.Join(taken, f.Name())
		p.must(os.Rename(filepath.Join(folder, f.Name()), path))
		text, err := os.ReadFile(path)
		p.must(err)
		to := ""
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "Delivered-To: "); ok {
				to = strings.TrimSpace(v)
				break
			}
		}
		if mails[to] != "" {
			p.t.Errorf("postfix: two mails for %s", to)
		}
		mails[to] = path
	}
	if len(found) != n {
		p.t.Errorf("postfix: %d mails for %s, want %d", len(found), box, n)
	}
	return mails
}

// AwaitLog waits until the log holds a match of want, and returns the first.
func (p *Postfix) AwaitLog(want *regexp.Regexp) (found string) {
	p.t.Helper()
	p.await(want.String()+" in its log", func() bool { found = want.FindString(p.Log()); return found != "" })
	return found
}
