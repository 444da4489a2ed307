package mailer

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func read(s string) (Reply, error) { return ReadReply(bufio.NewReader(strings.NewReader(s)), false) }

func TestReadReply(t *testing.T) {
	tests := []struct {
		in   string
		want Reply
	}{
		{"250 2.0.0 taken as 4Xy\r\n", Reply{250, "2.0.0", "taken as 4Xy"}},
		{"250\r\n", Reply{250, "", ""}},
		{"250 \n", Reply{250, "", ""}},
		{"550-5.1.1 no such\r\n550-5.1.1 reader\r\n550 5.1.1 here\r\n", Reply{550, "5.1.1", "no such reader here"}},
		{"550 5.1.10 null MX\r\n", Reply{550, "5.1.10", "null MX"}},
		{"550 4.1.1 of another class\r\n", Reply{550, "", "4.1.1 of another class"}},
		{"550 5.1.1\r\n", Reply{550, "5.1.1", ""}},
		{"550 5.1.1234 no code\r\n", Reply{550, "", "5.1.1234 no code"}},
		{"250-a\r\n250\r\n", Reply{250, "", "a"}},
		{"250 tab\there\x01\r\n", Reply{250, "", "tab here"}},
	}
	for _, tt := range tests {
		got, err := read(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
}

func TestReadReplyRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"no code":           "hello\r\n",
		"empty line":        "\r\n",
		"code 099":          "099 what\r\n",
		"code 600":          "600 what\r\n",
		"code 150":          "150 what\r\n",
		"letter in code":    "25O what\r\n",
		"no blank":          "250what\r\n",
		"changing code":     "250-a\r\n251 b\r\n",
		"8-bit":             "250 gr\xc3\xbcn\r\n",
		"NUL":               "250 a\x00b\r\n",
		"a megabyte":        "250 " + strings.Repeat("x", 1<<20) + "\r\n",
		"10,000 lines":      strings.Repeat("250-x\r\n", 9999) + "250 x\r\n",
		"100 lines of 1 KB": strings.Repeat("250-"+strings.Repeat("x", 1000)+"\r\n", 100) + "250 x\r\n",
	} {
		src := strings.NewReader(in)
		if _, err := ReadReply(bufio.NewReader(src), false); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: error is %v", name, err)
		}
		if read := len(in) - src.Len(); read > maxReplyBytes+maxReplyLine+4096 {
			t.Errorf("%s: %d octets were read", name, read)
		}
	}
	if _, err := read("250-a\r\n250-b"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut within a line: %v", err)
	}
	if _, err := read("250-a\r\n"); !errors.Is(err, io.EOF) {
		t.Errorf("cut between lines: %v", err)
	}
	r, err := ReadReply(bufio.NewReader(strings.NewReader("250 2.1.5 grün\r\n")), true)
	if err != nil || r.Text != "grün" {
		t.Errorf("UTF-8 where it was asked for: %+v, %v", r, err)
	}
}

func FuzzReadReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "421\n", "250-\r\n250 \xff\r\n", "\x00", "354 go\r\n250 more\r\n"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, wide bool) {
		src := bufio.NewReaderSize(strings.NewReader(s), 64)
		r, err := ReadReply(src, wide)
		if err != nil {
			if r != (Reply{}) {
				t.Fatalf("an error and a reply: %+v, %v", r, err)
			}
			return
		}
		if r.Code < 200 || r.Code > 599 || strings.ContainsAny(r.Text, "\r\n\x00") {
			t.Fatalf("%q gave %+v", s, r)
		}
		if r.Enhanced != "" && int(r.Enhanced[0]-'0') != r.Code/100 {
			t.Fatalf("%q: class of %s", s, r.Enhanced)
		}
		// What String writes reads as the same reply again.
		if again, err := ReadReply(bufio.NewReader(strings.NewReader(r.String()+"\r\n")), true); len(r.Text) < 1000 && r.Enhanced != "" && (err != nil || again != r) {
			t.Fatalf("%q: %+v became %+v, %v", s, r, again, err)
		}
	})
}
