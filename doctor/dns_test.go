package doctor

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is what a name server of the test's own says: "TYPE name." → values. MX values are in the order
// of their preference; a type "FAIL" for a name has every question about it answered with a failure, "MUTE" with nothing.
type zone map[string][]string

// serve answers questions about z until the test ends.
func serve(t *testing.T, z zone) *DNS {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := z.answer(t, buf[:n]); out != nil {
				_, _ = c.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	return &DNS{Resolver: &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}}
}

func (z zone) answer(t *testing.T, question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(q.Name.String())
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	known := false
	for key := range z {
		known = known || strings.HasSuffix(key, " "+name)
	}
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, Type: q.Type, TTL: 60}
	add := func(body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: body})
	}
	switch {
	case z["MUTE "+name] != nil:
		return nil
	case z["FAIL "+name] != nil:
		m.RCode = dnsmessage.RCodeServerFailure
	case !known:
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeTXT:
		for _, v := range z["TXT "+name] {
			var parts []string
			for ; len(v) > 255; v = v[255:] {
				parts = append(parts, v[:255])
			}
			add(&dnsmessage.TXTResource{TXT: append(parts, v)})
		}
	case q.Type == dnsmessage.TypeA:
		for _, v := range z["A "+name] {
			add(&dnsmessage.AResource{A: [4]byte(net.ParseIP(v).To4())})
		}
	case q.Type == dnsmessage.TypeAAAA:
		for _, v := range z["AAAA "+name] {
			add(&dnsmessage.AAAAResource{AAAA: [16]byte(net.ParseIP(v).To16())})
		}
	case q.Type == dnsmessage.TypeMX:
		for n, v := range z["MX "+name] {
			add(&dnsmessage.MXResource{Pref: uint16(10 * n), MX: dnsmessage.MustNewName(v)})
		}
	case q.Type == dnsmessage.TypePTR:
		for _, v := range z["PTR "+name] {
			add(&dnsmessage.PTRResource{PTR: dnsmessage.MustNewName(v)})
		}
	}
	out, err := m.Pack()
	if err != nil {
		t.Errorf("pack answer about %s: %v", name, err)
		return nil
	}
	return out
}

// wants compares a finding.
func (f Finding) wants(t *testing.T, name string, level Level, seen string) {
	t.Helper()
	if f.Level != level || !strings.Contains(f.Seen, seen) {
		t.Errorf("%s: %s, %q, want %s with %q", name, f.Level, f.Seen, level, seen)
	}
	if f.Level != Green && f.Fix == "" {
		t.Errorf("%s: nothing to do about %q", name, f.Seen)
	}
}

func TestRun(t *testing.T) {
	began := time.Now()
	found := Run(t.Context(), []Check{
		{Name: "stuck", Limit: 50 * time.Millisecond, Look: func(ctx context.Context) Finding { select {} }},
		{Name: "slow", Look: func(ctx context.Context) Finding { return green("here") }},
		{Name: "named", Look: func(ctx context.Context) Finding { return Finding{Name: "another", Level: Red, Fix: "mend"} }},
	})
	found[0].wants(t, "stuck", Amber, "no answer within 50ms")
	found[1].wants(t, "slow", Green, "here")
	if found[1].Name != "slow" || found[2].Name != "another" || Worst(found) != Red || Worst(found[:2]) != Amber || Worst(nil) != Green {
		t.Errorf("%+v", found)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
