package subscribers

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// roundTrip exports and imports one reader.
func roundTrip(t testing.TB, s Settings) Settings {
	t.Helper()
	var file bytes.Buffer
	w := NewWriter(&file)
	if err := errors.Join(w.Write(s), w.Flush()); err != nil {
		t.Fatal(err)
	}
	rows, bad := readAll(t, openString(t, file.String()))
	if len(rows) != 1 || len(bad) != 0 {
		t.Fatalf("%d rows, bad %v in %q", len(rows), bad, file.String())
	}
	back, _ := Merge(nil, rows[0])
	return back
}

// oneOf picks from pool.
func oneOf[T any](r *rand.Rand, pool ...T) T { return pool[r.IntN(len(pool))] }

// someText returns free text that a row may hold, of signs that trouble CSV and spreadsheets.
func someText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteString(oneOf(r, "=", "+", "-", "@", "'", "''", `"`, `""`, ",", ";", " ", "a", "ü", "نادية", "🗞", "\u00a0", "\ufeff", "~", "|", "\\n", "1"))
	}
	return strings.TrimSpace(b.String())
}

func someSettings(r *rand.Rand) Settings {
	s := NewSettings(oneOf(r, "nadia@reader.example", "=1+1@reader.example", "-x@reader.example", "'=x@reader.example", "''+x@reader.example", "zoë@bücher.example"))
	s.Name, s.ExternalID, s.ConsentSource = someText(r), someText(r), someText(r)
	s.Status = oneOf(r, Pending, Active, Paused, Unsubscribed)
	s.Format = oneOf(r, HTML, Text)
	for _, id := range []string{"politics", "sport", "culture", "middle-east", "wirtschaft_2", "فن"} {
		if r.IntN(2) == 0 {
			s.Sections = append(s.Sections, Follow{id, oneOf(r, Normal, Less, Muted)})
			s.Editions = append(s.Editions, id)
		}
	}
	r.Shuffle(len(s.Sections), func(i, j int) { s.Sections[i], s.Sections[j] = s.Sections[j], s.Sections[i] })
	s.Hour = r.IntN(25) - 1
	for d := 1; d <= 7; d++ {
		if r.IntN(2) == 0 {
			s.Days = append(s.Days, d)
		}
	}
	s.Zone = oneOf(r, "", "UTC", "Asia/Dubai", "America/New_York")
	s.Language = oneOf(r, "", "en", "ar-AE", "zh-Hant-TW")
	if r.IntN(2) == 0 {
		s.ConsentAt = time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC()
	}
	if s.Status == Paused && r.IntN(2) == 0 {
		s.PausedUntil = time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC()
	}
	return s
}

func TestExportRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		s := someSettings(r)
		if err := s.Validate(); err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		if diff := cmp.Diff(s, roundTrip(t, s)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Another reader of RFC 4180 must see the same cells, and none that a spreadsheet would run.
func TestExportIsPlainCSVAndInert(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var file bytes.Buffer
	w := NewWriter(&file)
	var all []Settings
	for range 500 {
		all = append(all, someSettings(r))
		if err := w.Write(all[len(all)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rows[0], columnNames()) || len(rows) != len(all)+1 {
		t.Fatalf("%d rows, header %v", len(rows), rows[0])
	}
	for i, row := range rows[1:] {
		if name := strings.TrimPrefix(row[1], "'"); !strings.HasSuffix(all[i].Name, name) {
			t.Errorf("name %q became %q", all[i].Name, row[1])
		}
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n\x00") {
				t.Errorf("cell %q would be run", cell)
			}
		}
	}
}

func TestExportOfNobodyHasAHeader(t *testing.T) {
	var file bytes.Buffer
	if err := NewWriter(&file).Flush(); err != nil || file.String() != strings.Join(columnNames(), ",")+"\r\n" {
		t.Errorf("%q, %v", file.String(), err)
	}
	file.Reset()
	if err := NewSuppressionWriter(&file).Flush(); err != nil || file.String() != "address,reason,note,at,hash\r\n" {
		t.Errorf("%q, %v", file.String(), err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestExportReportsWriteErrors(t *testing.T) {
	w := NewWriter(full{})
	for range 1000 {
		w.Write(NewSettings("a@reader.example"))
	}
	if err := w.Flush(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Flush: %v", err)
	}
}

// hostile gives strings that others have tried on programs like this.
func hostile(t *testing.T) []string {
	var all []string
	for _, name := range []string{"csv/payloads.txt", "headers/crlf.txt"} {
		lines := bufio.NewScanner(corpus(t, name))
		for lines.Scan() {
			all = append(all, lines.Text())
			if plain, err := url.PathUnescape(lines.Text()); err == nil {
				all = append(all, plain)
			}
		}
	}
	var naughty []string
	if err := json.NewDecoder(corpus(t, "strings/blns.json")).Decode(&naughty); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 || len(naughty) == 0 {
		t.Fatal("the corpus is empty")
	}
	return append(all, naughty...)
}

func TestHostileText(t *testing.T) {
	taken := 0
	texts := hostile(t)
	for _, text := range texts {
		s := NewSettings("nadia@reader.example")
		s.Name = text
		if s.Validate() == nil {
			taken++
			if strings.ContainsAny(text, "\r\n\x00\u0085\u2028\u2029") {
				t.Errorf("name %q was taken", text)
			}
			s.ExternalID, s.ConsentSource = text, text
			if back := roundTrip(t, s); !back.Equal(s) {
				t.Errorf("%q: %s", text, cmp.Diff(s, back))
			}
		}
		// As a cell that another program wrote, as an address, and as a whole file.
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		w.WriteAll([][]string{{"email", "name", "zone"}, {"a@reader.example", text, ""}, {text, "Al", ""}, {"b@reader.example", "", text}, {"c@reader.example", "", ""}})
		rows, _ := readAll(t, openString(t, file.String()))
		if len(rows) == 0 || rows[len(rows)-1].Settings.Address != "c@reader.example" {
			t.Errorf("%q: the last row is missing", text)
		}
		for _, row := range rows {
			if m, _ := Merge(nil, row); m.Validate() != nil {
				t.Errorf("%q: taken on line %d: %v", text, row.Line, m.Validate())
			}
		}
		if r, err := NewReader(strings.NewReader(text), Known{}); err == nil {
			readAll(t, r)
		}
	}
	t.Logf("%d texts, %d taken as names", len(texts), taken)
}

func TestSuppressionsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	k := testKeys(t)
	var want []SuppressionRow
	var file bytes.Buffer
	w := NewSuppressionWriter(&file)
	for i := range 500 {
		row := SuppressionRow{Line: i + 2, Suppression: Suppression{Reason: oneOf(r, Reasons()...), Note: someText(r)}}
		address := someSettings(r).Address
		hash := k.AddressHash(Fold(address))
		if r.IntN(3) > 0 {
			row.Address = address // and then the hash is not in the file
		} else {
			row.Hash = hash
		}
		if r.IntN(2) == 0 {
			row.At = time.Unix(r.Int64N(4e9), 0).UTC()
		}
		want = append(want, row)
		if err := w.Write(row.Suppression, hash); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	rd, err := NewSuppressionReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	var got []SuppressionRow
	for {
		row, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSuppressionReader(t *testing.T) {
	const hash = "ce02d3eda719019859a2a4c3432c60fc"
	for _, c := range []struct{ row, column, says string }{
		{"a@reader.example,,,,", "", ""},
		{"a@reader.example,Complaint,\"said, so\",2026-11-23,", "", ""},
		{",erased,,2026-11-23T07:40:00Z," + strings.ToUpper(hash), "", ""},
		{",erased,,,", "address", "neither"},
		{"nobody,,,,", "address", "no @"},
		{"a@reader.example,soft_bounce,,,", "", ""},
		{"a@reader.example,whim,,,", "reason", "hard_bounce, soft_bounce"},
		{"a@reader.example,," + strings.Repeat("n", 1001) + ",,", "note", "1000"},
		{"a@reader.example,,,yesterday,", "at", "2026-11-23"},
		{",erased,,,abc", "hash", "32 hexadecimal"},
		{",erased,,," + hash + "00", "hash", "32 hexadecimal"},
		{"a@reader.example", "", "1 cells"},
	} {
		r, err := NewSuppressionReader(strings.NewReader("address,reason,note,at,hash\n" + c.row + "\nlast@reader.example,,,,\n"))
		if err != nil {
			t.Fatal(err)
		}
		row, err := r.Next()
		bad, isBad := errors.AsType[*RowError](err)
		switch {
		case c.says == "" && (err != nil || row.Reason == "" || row.Address == "" && row.Hash.String() != hash):
			t.Errorf("%q: %+v, %v", c.row, row, err)
		case c.says != "" && (!isBad || bad.Column != c.column || bad.Line != 2 || !strings.Contains(bad.Reason, c.says)):
			t.Errorf("%q: %v, want column %q and something about %q", c.row, err, c.column, c.says)
		}
		if last, err := r.Next(); err != nil || last.Address != "last@reader.example" || last.Reason != "import" {
			t.Errorf("after %q: %+v, %v", c.row, last, err)
		}
	}
	if _, err := NewSuppressionReader(strings.NewReader("reason,note\n")); err == nil || !strings.Contains(err.Error(), "address or hash") {
		t.Errorf("header without address: %v", err)
	}
	r, err := NewSuppressionReader(strings.NewReader("address,who\n"))
	if err != nil || len(r.Warnings()) != 1 {
		t.Errorf("%v, %v", r, err)
	}
}
