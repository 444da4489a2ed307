package digest

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// drawer is an archive in memory that counts what is fetched from it.
type drawer struct {
	mu        sync.Mutex
	issue     Issue
	digests   map[int64]*Digest
	fragments map[int64]*Fragment
	fetched   int // fragments
	reads     int // of digests
}

// file gives a digest and its fragments their ids.
func (a *drawer) file(id int64, d *Digest) {
	if a.digests == nil {
		a.digests, a.fragments = map[int64]*Digest{}, map[int64]*Fragment{}
	}
	d.ID = id
	a.digests[id] = d
	for _, p := range d.Pieces {
		if p.Fragment.ID == 0 {
			p.Fragment.ID = int64(len(a.fragments) + 1)
			a.fragments[p.Fragment.ID] = p.Fragment
		}
	}
}

func (a *drawer) Digests(_ context.Context, ids []int64, take func(int64, Packed) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	for _, id := range ids {
		d := a.digests[id]
		if d == nil {
			continue
		}
		var fragments []int64
		for _, p := range d.Pieces {
			fragments = append(fragments, p.Fragment.ID)
		}
		p := Packed{[]byte(d.Zone), []byte(d.Subject), new(Packer).Pack(d, fragments)}
		if err := take(id, p); err != nil {
			return err
		}
		for _, lent := range [][]byte{p.Zone, p.Subject, p.Body} { // it is good no longer
			clear(lent)
		}
	}
	return nil
}

func (a *drawer) Fragments(_ context.Context, ids []int64) (map[int64]*Fragment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[int64]*Fragment{}
	for _, id := range ids {
		a.fetched++
		found[id] = a.fragments[id]
	}
	return found, nil
}

func (a *drawer) Issue(context.Context, int64) (Issue, error) { return a.issue, nil }

func laidOut(t testing.TB, p *Press, make func() (shelf, *Selection)) *Digest {
	t.Helper()
	s, sel := make()
	d, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSameBytes: from the database or at hand, before or after a restart, with a used buffer or
// none, a mail is the same to the byte.
func TestSameBytes(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning)
	a.file(5, d)
	keys := sampleKeys(t)
	want, err := NewComposer(nil, keys, "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	buf := bytes.Repeat([]byte("x"), 200<<10)
	for n := range 3 {
		c := NewComposer(a, keys, "meridian.example")
		for range 2 {
			got, err := c.Compose(t.Context(), sampleDelivery(), buf)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Body, want.Body) || got.ReturnPath != want.ReturnPath || got.Recipient != want.Recipient {
				t.Errorf("composer %d gave other bytes", n)
			}
		}
	}
	again, err := NewComposer(nil, keys, "meridian.example").Message(laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning), sampleIssue(), sampleDelivery(), nil)
	if err != nil || !bytes.Equal(again.Body, want.Body) {
		t.Errorf("a second layout gave other bytes (%v)", err)
	}
}

// TestTwoReaders: what differs between two readers of one digest is theirs alone.
func TestTwoReaders(t *testing.T) {
	d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning)
	c := NewComposer(nil, sampleKeys(t), "meridian.example")
	one, err := c.Message(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := sampleDelivery()
	other.Subscriber, other.Address = 77, "b@reader.example"
	two, err := c.Message(d, sampleIssue(), other, nil)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`/l/([A-Za-z0-9_-]+)`)
	first, second := links.FindAllSubmatch(read(t, one.Body).html, -1), links.FindAllSubmatch(read(t, two.Body).html, -1)
	if len(first) != len(second) || len(first) < 20 {
		t.Fatalf("%d and %d links", len(first), len(second))
	}
	stories := 0
	for i := range first {
		a, err := sampleKeys(t).Open(string(second[i][1]))
		reader := int64(77)
		if a.Kind == subscribers.Read { // belongs to the issue: whoever follows it is not told apart
			reader = 0
			stories++
		}
		if err != nil || a.Subscriber != reader {
			t.Errorf("link %d opens as %+v, %v", i, a, err)
		}
		if bytes.Equal(first[i][1], second[i][1]) != (reader == 0) {
			t.Errorf("link %d (%+v): the two readers' are %s and %s", i, a, first[i][1], second[i][1])
		}
	}
	if stories == 0 {
		t.Error("no link to a story was seen")
	}
}

func TestTestMail(t *testing.T) {
	d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning)
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Test(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	mail := read(t, m.Body)
	if s := decoded(t, mail.header.Get("Subject")); s != "[Test] "+d.Subject {
		t.Errorf("subject is %q", s)
	}
	tokens := regexp.MustCompile(`/l/([A-Za-z0-9_-]+)`).FindAllSubmatch(append(mail.html, mail.header.Get("List-Unsubscribe")...), -1)
	for _, token := range tokens {
		if _, err := sampleKeys(t).Open(string(token[1])); !errors.Is(err, subscribers.ErrToken) {
			t.Errorf("token %s opens", token[1])
		}
	}
	if m.ReturnPath != "bounce+test@meridian.example" {
		t.Errorf("return path is %q", m.ReturnPath)
	}
}

// TestLongToken: a token too long for a line is broken over several, and still one token.
func TestLongToken(t *testing.T) {
	c := sampleConfig()
	long := strings.Repeat("section-", 25)
	c.Sections[0].ID = long
	s, sel := morning()
	sel.Sections[0].Section = long
	d, err := samplePress(t, c, sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, token := range regexp.MustCompile(`/l/([A-Za-z0-9_-]+)`).FindAllSubmatch(read(t, m.Body).html, -1) {
		a, err := sampleKeys(t).Open(string(token[1]))
		if err != nil {
			t.Error(err)
		}
		if a.Section == long {
			found++
		}
	}
	if found != 3 {
		t.Errorf("%d links of the section, want 3", found)
	}
}

// TestMemoryIsBounded: a composer with room for little fetches again and gives the same mail.
func TestMemoryIsBounded(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	p := samplePress(t, sampleConfig(), sampleEdition())
	a.file(5, laidOut(t, p, morning))
	a.file(6, laidOut(t, p, hostile))
	c := NewComposer(a, sampleKeys(t), "meridian.example")
	c.fragments.max, c.forms.max = 20<<10, 1
	var want [2][]byte
	for round := range 4 {
		for n, id := range []int64{5, 6} {
			del := sampleDelivery()
			del.Digest = id
			m, err := c.Compose(t.Context(), del, nil)
			if err != nil {
				t.Fatal(err)
			}
			if round == 0 {
				want[n] = m.Body
			} else if !bytes.Equal(m.Body, want[n]) {
				t.Error("other bytes")
			}
		}
		if c.fragments.weight > 20<<10 || len(c.forms.byKey) != 1 {
			t.Errorf("kept %d octets of fragments and %d digests", c.fragments.weight, len(c.forms.byKey))
		}
	}
}

// TestPrepare: the digests of a batch come in one read, each once, and what is at hand is not fetched again. What
// cannot be prepared is no worse off than before.
func TestPrepare(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	p := samplePress(t, sampleConfig(), sampleEdition())
	a.file(5, laidOut(t, p, morning))
	a.file(6, laidOut(t, p, hostile))
	a.file(7, laidOut(t, p, arabic))
	batch := make([]mailer.Delivery, 0, 6)
	for _, id := range []int64{6, 5, 0, 5, 6, 7} {
		d := *sampleDelivery()
		d.Digest = id
		batch = append(batch, d)
	}
	c := NewComposer(a, sampleKeys(t), "meridian.example")
	compose := func(d *mailer.Delivery) error {
		_, err := c.Compose(t.Context(), d, nil)
		return err
	}
	for _, n := range []int{2, 5, 6, 6} {
		if err := c.Prepare(t.Context(), batch[:n]); err != nil {
			t.Fatal(err)
		}
	}
	if a.reads != 2 || a.fetched != len(a.fragments) {
		t.Errorf("%d reads of digests and %d of %d fragments", a.reads, a.fetched, len(a.fragments))
	}
	for _, n := range []int{0, 1, 5} {
		if err := compose(&batch[n]); err != nil {
			t.Error(err)
		}
	}
	if a.reads != 2 {
		t.Error("what was prepared is read again")
	}
	c = NewComposer(a, sampleKeys(t), "meridian.example")
	batch[2].Digest = 99
	if err := c.Prepare(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("prepared what is not there: %v", err)
	}
	if err := compose(&batch[2]); err == nil || !strings.Contains(err.Error(), "99") {
		t.Errorf("composed what is not there: %v", err)
	}
	if err := compose(&batch[1]); err != nil {
		t.Error(err)
	}
}

// TestFragmentsLetGo: a digest at hand outlives its fragments and gets them anew; what several goroutines get then is
// the same as ever, and the bound holds.
func TestFragmentsLetGo(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	p := samplePress(t, sampleConfig(), sampleEdition())
	want := map[int64][]byte{}
	for id, make := range map[int64]func() (shelf, *Selection){5: morning, 6: hostile, 7: arabic} {
		d := laidOut(t, p, make)
		a.file(id, d)
		m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want[id] = m.Body
	}
	const bound = 60 << 10 // some of the digests, not all
	c := NewComposer(a, sampleKeys(t), "meridian.example")
	c.fragments.max = bound
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for k := range 60 {
				d := sampleDelivery()
				d.Digest = 5 + int64(k*(n+1)/(n+2))%3
				m, err := c.Compose(t.Context(), d, nil)
				if err != nil || !bytes.Equal(m.Body, want[d.Digest]) {
					t.Errorf("digest %d: other bytes (%v)", d.Digest, err)
				}
			}
		})
	}
	wg.Wait()
	held, alive := 0, map[*kept]bool{}
	for _, e := range c.fragments.byKey {
		k := e.value
		held += k.text.Load().weight()
		alive[k] = true
	}
	if held > bound || held != c.fragments.weight || a.reads > 12 || a.fetched <= len(a.fragments) {
		t.Errorf("%d octets are kept and counted as %d; %d reads of digests, %d of %d fragments", held, c.fragments.weight, a.reads, a.fetched, len(a.fragments))
	}
	for _, e := range c.forms.byKey { // what was let go is held by no form either
		for _, from := range e.value.from {
			if from.text.Load() != nil && !alive[from] {
				t.Error("a form holds a fragment that was let go")
			}
		}
	}
}

func TestDamagedDigest(t *testing.T) {
	for name, body := range map[string]string{
		"open mark":     "a\x01v0",
		"unknown mark":  "\x01?\x02",
		"missing value": "\x01v3\x02",
		"bad number":    "\x01v-1\x02",
		"bad link":      "\x01l1;x;\x02",
		"unknown kind":  "\x01l200;1;\x02",
	} {
		d := &Digest{Zone: "UTC", Pieces: []Piece{{&Fragment{Body: []byte(body)}, []string{"x"}}}}
		if m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil); err == nil {
			t.Errorf("%s: composed %q", name, m.Body)
		}
	}
}

func TestDateBeforeFirstTry(t *testing.T) {
	d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning)
	del := sampleDelivery()
	del.Date = time.Time{}
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), del, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, m.Body).header.Get("Date"); got != "Thu, 02 Apr 2026 08:00:00 +0200" {
		t.Errorf("Date is %q, want the slot's", got)
	}
}

func TestManyGoroutines(t *testing.T) {
	a := &drawer{issue: *sampleIssue()}
	p := samplePress(t, sampleConfig(), sampleEdition())
	a.file(5, laidOut(t, p, morning))
	c := NewComposer(a, sampleKeys(t), "meridian.example")
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			var buf []byte
			for k := range 50 {
				d := sampleDelivery()
				d.Subscriber = int64(n*100 + k)
				m, err := c.Compose(t.Context(), d, buf)
				if err != nil {
					t.Error(err)
				}
				buf = m.Body
			}
		})
		wg.Go(func() {
			s, sel := arabic()
			if _, err := p.Layout(t.Context(), sampleIssue(), sel, s.story); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// BenchmarkCompose fills and splices a mail whose digest is at hand.
func BenchmarkCompose(b *testing.B) {
	a := &drawer{issue: *sampleIssue()}
	a.file(5, laidOut(b, samplePress(b, sampleConfig(), sampleEdition()), morning))
	c := NewComposer(a, sampleKeys(b), "meridian.example")
	d := sampleDelivery()
	b.ReportAllocs()
	var m mailer.Message
	var err error
	for b.Loop() {
		d.Subscriber++
		if m, err = c.Compose(b.Context(), d, m.Body); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(m.Body)))
}

// BenchmarkFragment renders and codes one story for both parts, and takes it apart as a composer does.
func BenchmarkFragment(b *testing.B) {
	p := samplePress(b, sampleConfig(), sampleEdition())
	s, _ := morning()
	l := &sheet{p: p, words: p.set.Words("en"), html: true}
	st := s[101]
	b.ReportAllocs()
	for b.Loop() {
		p.kept = newLRU[fragmentKey, *rendered](pressMemory)
		e := &article{story: st, brief: p.brief(st), role: Card}
		if err := l.render(e); err != nil {
			b.Fatal(err)
		}
		for _, r := range []*rendered{e.html, e.text} {
			if _, err := parseFragment(r.fragment.Body); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkLayout(b *testing.B) {
	p := samplePress(b, sampleConfig(), sampleEdition())
	s, sel := morning()
	for b.Loop() {
		if _, err := p.Layout(b.Context(), sampleIssue(), sel, s.story); err != nil {
			b.Fatal(err)
		}
	}
}
