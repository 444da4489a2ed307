package subscribers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// readAll returns the rows and the bad ones as "line column".
func readAll(t testing.TB, r *Reader) (rows []Row, bad []*RowError) {
	t.Helper()
	for {
		row, err := r.Next()
		if err == io.EOF {
			return rows, bad
		}
		if e, ok := errors.AsType[*RowError](err); ok {
			bad = append(bad, e)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
}

func openString(t testing.TB, file string) *Reader {
	t.Helper()
	r, err := NewReader(strings.NewReader(file), Known{})
	if err != nil {
		t.Fatalf("%q: %v", file, err)
	}
	return r
}

func TestReaderReadsEveryColumn(t *testing.T) {
	const want = "nadia@reader.example"
	for name, file := range map[string]string{
		"plain": "email,name,sections,editions,hour,days,zone,language,format,status,external_id,consent_source,consent_at\n" +
			want + ",Nadia,politics;-sport;~culture,morning;weekend,7,5;1;3,Asia/Dubai,en-gb,TEXT,Active,A-17,web form,2026-11-02\n",
		"any order, quotes, mark, line ends": "\ufeffconsent_at,Email ,\"Name\",zone,days,hour,editions,sections,language,status,format,consent_source,external_id\r\n" +
			"2026-11-02T04:00:00+04:00,\"" + want + "\", Nadia ,Asia/Dubai,1;3;5,07,morning;weekend,politics; -sport ;~culture;,en_GB,active,text,web form,A-17\r\n\r\n,,,,,,,,,,,,\r\n",
		"semicolons": "email;name;sections;editions;hour;days;zone;language;format;status;external_id;consent_source;consent_at\r" +
			want + ";Nadia;\"politics;-sport;~culture\";\"morning;weekend\";7;\"1;3;5\";Asia/Dubai;en-GB;text;active;A-17;web form;2026-11-02\r",
		"tabs, no line end": "email\tname\tsections\teditions\thour\tdays\tzone\tlanguage\tformat\tstatus\texternal_id\tconsent_source\tconsent_at\n" +
			want + "\tNadia\tpolitics;-sport;~culture\tmorning;weekend\t7\t1;3;5\tAsia/Dubai\ten-GB\ttext\tactive\tA-17\tweb form\t2026-11-02",
	} {
		rows, bad := readAll(t, openString(t, file))
		if len(rows) != 1 || len(bad) != 0 {
			t.Errorf("%s: rows %v, bad %v", name, rows, bad)
			continue
		}
		s, suppress := Merge(nil, rows[0])
		if diff := cmp.Diff(Settings{
			Address: want, Name: "Nadia", ExternalID: "A-17", Status: Active,
			Sections: []Follow{{"politics", Normal}, {"sport", Muted}, {"culture", Less}},
			Editions: []string{"morning", "weekend"}, Hour: 7, Days: []int{1, 3, 5}, Zone: "Asia/Dubai", Language: "en-GB",
			Format: Text, ConsentSource: "web form", ConsentAt: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		}, s); diff != "" || suppress {
			t.Errorf("%s: suppress %v\n%s", name, suppress, diff)
		}
		if rows[0].Line != 2 {
			t.Errorf("%s: line %d", name, rows[0].Line)
		}
	}
}

func TestReaderRefusesHeader(t *testing.T) {
	for file, says := range map[string]string{
		"":                         "empty",
		"\n\n":                     "empty",
		"name,zone\n":              "no column email",
		"nadia@reader.example\n":   "no column email",
		"email,zone,Zone\n":        "twice",
		"\xff\xfee\x00m\x00":       "UTF-16",
		"email,\"name\n":           "header",
		strings.Repeat("x", 2<<20): "no column email",
	} {
		_, err := NewReader(strings.NewReader(file), Known{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("header %.30q: %v, want something about %q", file, err, says)
		}
	}
	r := openString(t, "email,shoe size,,name\na@reader.example,42,,Nadia\n")
	if w := r.Warnings(); len(w) != 1 || !strings.Contains(w[0], `"shoe size"`) {
		t.Errorf("warnings %q", w)
	}
	if rows, bad := readAll(t, r); len(rows) != 1 || len(bad) != 0 || rows[0].Settings.Name != "Nadia" {
		t.Errorf("rows %v, bad %v", rows, bad)
	}
}

func TestReaderReportsBadRowsAndGoesOn(t *testing.T) {
	known := Known{Sections: map[string]bool{"politics": true, "sport": true}, Editions: map[string]bool{"morning": true}}
	for _, c := range []struct{ row, column, says string }{
		{"nobody,,,,,,,,,,,,,", "email", "no @"},
		{",Nadia,,,,,,,,,,,,", "email", "empty"},
		{"a@reader.example,Nadia\x00,,,,,,,,,,,,", "name", "U+0000"},
		{"a@reader.example,Nadia\u2028Bcc: x,,,,,,,,,,,,", "name", "U+2028"},
		{"a@reader.example," + strings.Repeat("n", 201) + ",,,,,,,,,,,,", "name", "200"},
		{"a@reader.example,,weather,,,,,,,,,,,", "sections", "politics, sport"},
		{"a@reader.example,,politics;-politics,,,,,,,,,,,", "sections", "twice"},
		{"a@reader.example,,politics;;sport,,,,,,,,,,,", "sections", "in a row"},
		{"a@reader.example,,--politics,,,,,,,,,,,", "sections", "names no section"},
		{"a@reader.example,,,evening,,,,,,,,,,", "editions", "morning"},
		{"a@reader.example,,,,24,,,,,,,,,", "hour", "0 to 23"},
		{"a@reader.example,,,,-1,,,,,,,,,", "hour", "0 to 23"},
		{"a@reader.example,,,,seven,,,,,,,,,", "hour", "0 to 23"},
		{"a@reader.example,,,,,0,,,,,,,,", "days", "1 (Monday)"},
		{"a@reader.example,,,,,1;8,,,,,,,,", "days", "1 (Monday)"},
		{"a@reader.example,,,,,1;1,,,,,,,,", "days", "once"},
		{"a@reader.example,,,,,1;01,,,,,,,,", "days", "once"},
		{"a@reader.example,,,,,,Local,,,,,,,", "zone", "IANA"},
		{"a@reader.example,,,,,,Mars/Olympus,,,,,,,", "zone", "IANA"},
		{"a@reader.example,,,,,,../../etc/passwd,,,,,,,", "zone", "IANA"},
		{"a@reader.example,,,,,,right/UTC,,,,,,,", "zone", "IANA"},
		{"a@reader.example,,,,,,,englisch!,,,,,,", "language", "BCP 47"},
		{"a@reader.example,,,,,,,und,,,,,,", "language", "BCP 47"},
		{"a@reader.example,,,,,,,,pdf,,,,,", "format", "html or text"},
		{"a@reader.example,,,,,,,,,gone,,,,", "status", "unsubscribed"},
		{"a@reader.example,,,,,,,,,,,,23.11.2026,", "consent_at", "2026-11-23"},
		{"a@reader.example,,,,,,,,,,,,2026-13-01,", "consent_at", "2026-11-23"},
		{"a@reader.example,,,,,,,,,,,,,soon", "paused_until", "2026-11-23"},
		{"a@reader.example,Nadia, Countess,,,,,,,,,,,,", "", "15 cells where the header has 14"},
		{"a@reader.example,Nadia", "", "2 cells where the header has 14"},
		{`a@reader.example,Nadia "Countess" Lark,,,,,,,,,,,,`, "", "quote"},
		{`a@reader.example,"Nadia" Lark,,,,,,,,,,,,`, "", "quote"},
		{`a@reader.example,"Nadia,,,,,,,,,,,,`, "", "quote"},
		{`a@reader.example,,,,,,,,,,,,"Nadia,`, "", "quote"},
		{"a@reader.example," + strings.Repeat("n", 1<<20) + ",,,,,,,,,,,,", "", "1 MB"},
		{"a@reader.example,\"" + strings.Repeat("n", 1<<20) + "\",,,,,,,,,,,,", "", "1 MB"},
	} {
		file := strings.Join(columnNames(), ",") + "\r\nfirst@reader.example,,,,,,,,,,,,,\r\n\r\n" + c.row +
			"\r\nsecond@reader.example,\"Quoted, too\",,,,,,,,,,,,\r\nthird@reader.example,,,,,,,,,,,,,\r\n"
		r, err := NewReader(strings.NewReader(file), known)
		if err != nil {
			t.Fatal(err)
		}
		rows, bad := readAll(t, r)
		short := c.row[:min(len(c.row), 60)]
		if len(rows) != 3 || rows[2].Line != 6 || rows[1].Settings.Name != "Quoted, too" {
			t.Errorf("%q: the rows around it: %+v", short, rows)
		}
		if len(bad) != 1 || bad[0].Line != 4 || bad[0].Column != c.column || !strings.Contains(bad[0].Reason, c.says) {
			t.Errorf("%q: %v, want line 4, column %q, something about %q", short, bad, c.column, c.says)
		}
	}
	rows, bad := readAll(t, openString(t, "email,hour,zone\nx,99,Mars\n"))
	if len(rows) != 0 || len(bad) != 1 || bad[0].Column != "email" || !strings.Contains(bad[0].Reason, "; hour: ") || !strings.Contains(bad[0].Reason, "; zone: ") {
		t.Errorf("three faults in a row: %v", bad)
	}
}

// Whatever a stray quote does to its own row, no other row may go missing without a word.
func TestBrokenQuotesSwallowNobody(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 300 {
		var file strings.Builder
		form := [][2]string{{"email,remark,name\n", `%s,"a, remark",%s`}, {"email,remark\n", "%s,%s"}, {"email,name\n", "%s,%s"}}[round%3]
		file.WriteString(form[0])
		broken := make(map[string]bool)
		n := 2 + r.IntN(30)
		for i := range n {
			address := fmt.Sprintf("r%d@reader.example", i)
			row := []byte(fmt.Sprintf(form[1], address, []string{"Al", `"Bo"`, ""}[r.IntN(3)]))
			if r.IntN(4) == 0 {
				broken[address] = true
				at := oneOf(r, r.IntN(len(row)+1), len(row), len(address)+1) // anywhere, or where it pairs up with another
				row = append(row[:at:at], append([]byte(`"`), row[at:]...)...)
			}
			file.Write(row)
			file.WriteByte('\n')
		}
		rows, bad := readAll(t, openString(t, file.String()))
		got := make(map[string]bool)
		for _, row := range rows {
			got[row.Settings.Address] = true
		}
		lines := make(map[int]bool)
		for _, e := range bad {
			lines[e.Line] = true
		}
		for i := range n {
			address := fmt.Sprintf("r%d@reader.example", i)
			if !got[address] && !lines[i+2] {
				t.Fatalf("%s is neither read nor reported in\n%s\n%v", address, file.String(), bad)
			}
			if !got[address] && !broken[address] {
				t.Fatalf("%s was sound and is not read in\n%s\n%v", address, file.String(), bad)
			}
		}
	}
}

func TestLineBreaksInColumnsLeftOut(t *testing.T) {
	rows, bad := readAll(t, openString(t, "email,remark,name\na@reader.example,\"one\r\ntwo\n\nthree\",Al\nb@reader.example,x,Bo\n"))
	if len(rows) != 2 || len(bad) != 0 || rows[0].Settings.Name != "Al" || rows[1].Line != 6 {
		t.Errorf("rows %+v, bad %v", rows, bad)
	}
	rows, bad = readAll(t, openString(t, "email,name\na@reader.example,\"Al\nBcc: x@reader.example\"\nb@reader.example,Bo\n"))
	if len(rows) != 1 || rows[0].Line != 4 || len(bad) != 2 || bad[0].Line != 2 || bad[1].Line != 3 {
		t.Errorf("rows %+v, bad %v", rows, bad)
	}
}

func TestReaderTakesWindows1252(t *testing.T) {
	rows, bad := readAll(t, openString(t, "email,name\na@reader.example,Zo\xeb \x80\nb@reader.example,Zoë €\n"))
	if len(rows) != 2 || len(bad) != 0 || rows[0].Settings.Name != "Zoë €" || rows[1].Settings.Name != "Zoë €" {
		t.Errorf("rows %+v, bad %v", rows, bad)
	}
}

type failing struct{ r io.Reader }

func (f failing) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err == io.EOF {
		err = errors.New("disk gone")
	}
	return n, err
}

func TestReaderReportsReadErrors(t *testing.T) {
	if _, err := NewReader(failing{strings.NewReader("email\n")}, Known{}); err == nil {
		t.Error("no error from a header that cannot be read")
	}
	r, err := NewReader(failing{strings.NewReader("email,name\n" + strings.Repeat("a@reader.example,Al\n", 10_000))}, Known{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		_, err := r.Next()
		if err == nil {
			continue
		}
		if _, bad := errors.AsType[*RowError](err); bad || err == io.EOF || !strings.Contains(err.Error(), "disk gone") || n != 10_000 {
			t.Errorf("after %d rows: %v", n, err)
		}
		return
	}
}

func TestMerge(t *testing.T) {
	barred := &Suppression{Reason: "complaint"}
	for _, c := range []struct {
		name     string
		old      Status // "" = new
		barred   *Suppression
		cells    string // status,consent_source
		want     Status
		suppress bool
	}{
		{"new, consent", "", nil, ",web form", Active, false},
		{"new, nothing", "", nil, ",", Pending, false},
		{"new, active", "", nil, "active,", Active, false},
		{"new, pending with consent", "", nil, "pending,web form", Pending, false},
		{"new, paused", "", nil, "paused,", Paused, false},
		{"new, unsubscribed", "", nil, "unsubscribed,", Unsubscribed, true},
		{"pending, consent", Pending, nil, ",web form", Pending, false},
		{"pending, active", Pending, nil, "active,web form", Pending, false},
		{"pending, paused", Pending, nil, "paused,", Pending, false},
		{"pending, unsubscribed", Pending, nil, "unsubscribed,", Unsubscribed, true},
		{"unsubscribed, active", Unsubscribed, nil, "active,web form", Unsubscribed, false},
		{"unsubscribed, pending", Unsubscribed, nil, "pending,", Unsubscribed, false},
		{"unsubscribed, consent", Unsubscribed, nil, ",web form", Unsubscribed, false},
		{"unsubscribed, unsubscribed", Unsubscribed, nil, "unsubscribed,", Unsubscribed, true},
		{"unsubscribed and barred, unsubscribed", Unsubscribed, barred, "unsubscribed,", Unsubscribed, false},
		{"active, nothing", Active, nil, ",", Active, false},
		{"active, paused", Active, nil, "paused,", Paused, false},
		{"active, pending", Active, nil, "pending,", Pending, false},
		{"active, unsubscribed", Active, nil, "unsubscribed,", Unsubscribed, true},
		{"active and barred, active", Active, barred, "active,", Active, false},
		{"active and barred, unsubscribed", Active, barred, "unsubscribed,", Unsubscribed, false},
		{"paused, nothing", Paused, nil, ",web form", Paused, false},
		{"paused, active", Paused, nil, "active,", Active, false},
	} {
		rows, bad := readAll(t, openString(t, "email,status,consent_source\na@reader.example,"+c.cells+"\n"))
		if len(rows) != 1 {
			t.Fatalf("%s: %v", c.name, bad)
		}
		var old *Subscriber
		if c.old != "" {
			old = &Subscriber{ID: 1, Suppressed: c.barred, Settings: NewSettings("A@reader.example")}
			old.Status = c.old
		}
		if s, suppress := Merge(old, rows[0]); s.Status != c.want || suppress != c.suppress {
			t.Errorf("%s: %s, suppress %v, want %s, %v", c.name, s.Status, suppress, c.want, c.suppress)
		}
	}
}

func TestMergeLeavesWhatIsNotGiven(t *testing.T) {
	old := &Subscriber{ID: 1, Settings: Settings{
		Address: "Nadia@reader.example", Name: "Nadia", ExternalID: "17", Status: Active, Sections: []Follow{{"sport", Less}},
		Editions: []string{"morning"}, Hour: 0, Days: []int{6, 7}, Zone: "Asia/Dubai", Language: "ar", Format: Text,
		ConsentSource: "web form", ConsentAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	before := old.Settings
	for _, file := range []string{
		"email\nnadia@reader.example\n",
		strings.Join(columnNames(), ",") + "\nNADIA@reader.example,,,,,,,,,,,,,\n",
		"email,consent_source\nnadia@reader.example,web form\n",
	} {
		rows, bad := readAll(t, openString(t, file))
		if len(rows) != 1 {
			t.Fatal(bad)
		}
		if s, _ := Merge(old, rows[0]); !s.Equal(before) {
			t.Errorf("%q: %s", file, cmp.Diff(before, s))
		}
	}
	rows, _ := readAll(t, openString(t, "email,consent_source,hour\nnadia@reader.example,fair,5\n"))
	want := before
	want.ConsentSource, want.ConsentAt, want.Hour = "fair", time.Time{}, 5
	if s, _ := Merge(old, rows[0]); !s.Equal(want) || s.Equal(before) {
		t.Errorf("a new consent: %s", cmp.Diff(want, s))
	}
	if !old.Settings.Equal(before) {
		t.Error("Merge changed the old settings")
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"email\na@reader.example\n", "\ufeffemail;name\r\na@reader.example;\"A;b\"\r\n", "email,name\r\"a\",\"",
		"email,name\n\"\"\"\n\"\"\"\n", "email,sections,days\na@reader.example,'-sport,7;1\n", "email,x\na@b.example,\"\n\"\n",
		"email,hour,zone,language,format,status,consent_at\na@reader.example,7,Asia/Dubai,ar,text,active,2026-11-23\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if r, err := NewSuppressionReader(bytes.NewReader(file)); err == nil {
			for err != io.EOF {
				_, err = r.Next()
			}
		}
		r, err := NewReader(bytes.NewReader(file), Known{})
		if err != nil {
			return
		}
		rows, bad := readAll(t, r)
		if len(rows)+len(bad) > bytes.Count(file, []byte("\n"))+bytes.Count(file, []byte("\r"))+1 {
			t.Errorf("%d rows and %d bad ones", len(rows), len(bad))
		}
		for _, row := range rows {
			s, _ := Merge(nil, row)
			if err := s.Validate(); err != nil {
				t.Errorf("line %d was taken: %v", row.Line, err)
			}
			if back := roundTrip(t, s); !back.Equal(s) {
				t.Errorf("line %d: %s", row.Line, cmp.Diff(s, back))
			}
		}
	})
}
