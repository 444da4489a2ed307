package demo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/mailer/report"
)

// returnedMail is a digest-like mail with the fields that what comes back goes by.
func returnedMail(to string) []byte {
	return slices.Concat([]byte("List-Unsubscribe: <http://127.0.0.1/l/abc>,\r\n <mailto:unsub+tokenu@meridian-courier.example?subject=unsubscribe>\r\n"+
		"Reply-To: reply+tokenr@meridian-courier.example\r\nX-Broadsheet-Delivery: tokenb\r\n"),
		demoMail(to, "Lamps are lit", "<p>hello</p>", "hello"))
}

// TestReturns: what comes back is what mail servers, providers and people write, and says whose mail
// it is about.
func TestReturns(t *testing.T) {
	now := end.Add(-20 * time.Hour)
	dir := filepath.Join(t.TempDir(), "back")
	readers := Readers(end, ShippedEditions())
	r, err := OpenReturns(dir, readers, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[Back]int{}
	for _, reader := range readers {
		if reader.Back == Nothing {
			continue
		}
		kinds[reader.Back]++
		for range 2 { // the second mail brings nothing back
			r.taken(&letter{from: "bounce+tokenb@meridian-courier.example", to: reader.Address, id: "tokenb", raw: returnedMail(reader.Address)})
		}
	}
	for _, back := range []Back{NoMailbox, OverQuota, Unwanted, TooLarge, Late, Spam, Leaves, Away, Answers, AsksToLeave} {
		if kinds[back] != 1 {
			t.Errorf("%d readers have mail come back as %q", kinds[back], back)
		}
	}
	r.Stray("bounce@meridian-courier.example")
	if at, ok := r.Next(); !ok || at.Before(now) {
		t.Errorf("next at %v, %t", at, ok)
	}
	if err := r.Post(now); err != nil || len(files(t, dir)) != 0 {
		t.Errorf("at once there is %v, %v", files(t, dir), err)
	}
	if err := r.Post(now.Add(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Next(); ok {
		t.Error("something is on its way still")
	}
	classes := map[mailer.Class]int{}
	for _, file := range files(t, dir) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := report.Read(raw)
		classes[m.Class]++
		if m.Class != mailer.NoBounce && !slices.ContainsFunc(m.Names, func(n report.Name) bool { return strings.HasPrefix(n.Token, "token") }) {
			t.Errorf("%s does not say whose it is: %v\n%s", m.Class, m.Names, raw)
		}
		if m.Leave {
			classes["asks to leave"]++
		}
	}
	want := map[mailer.Class]int{mailer.Hard: 1, mailer.Soft: 1, mailer.Policy: 1, mailer.Content: 1, mailer.Put: 2, mailer.Arrived: 1,
		mailer.Complained: 1, mailer.AutoReply: 1, mailer.Answer: 2, "asks to leave": 1}
	for class, n := range want {
		if classes[class] != n {
			t.Errorf("%d are %s, not %d", classes[class], class, n)
		}
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}
