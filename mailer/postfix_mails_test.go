package mailer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// awkwardMails are what mail systems like to spoil, by name.
func awkwardMails(t *testing.T) (names []string, mails posted) {
	add := func(name string, m Message) {
		m.ID = name
		names, mails = append(names, name), append(mails, m)
	}
	body := func(name, text string) { add(name, Message{Body: []byte(dkimHeader + "\r\n" + text)}) }
	header := func(name, fields string) {
		add(name, Message{Body: []byte(dkimHeader + fields + "\r\nGood morning.\r\n")})
	}
	long := strings.Repeat("x", 998)
	body("empty", "")
	body("dots", ".\r\n..\r\n...\r\n. \r\n.x\r\n..y\r\n\r\n.\r\n")
	body("dot last", "x\r\n.\r\n")
	body("long lines", long[:990]+"\r\n"+long+"\r\n"+strings.Repeat(".", 998)+"\r\n."+long[:997]+"\r\n"+strings.Repeat(" ", 990)+"\r\n")
	body("blanks", "a \r\nb\t\r\n  c  \t \r\n \r\n\t\r\n\r\nend \r\n \r\n\r\n\r\n")
	body("From", "From ada Thu Nov 26 07:00:00 2026\r\n>From bob\r\n\r\nFrom \r\nFrom: carl@lantern.example\r\n")
	body("commands", "QUIT\r\nRSET\r\nDATA\r\nBDAT 5 LAST\r\nMAIL FROM:<>\r\n")
	body("controls", "\x01\x02\x07\x08\x0b\x0c\x1a\x1b[1m\x7f\r\n")
	body("large", strings.Repeat("."+long[:75]+"\r\n", 8000))
	header("folding", "X-Tabs: a\r\n\tb\r\n \t c  \r\n  d\r\nX-Long: "+long[:980]+"\r\nX-Many:"+strings.Repeat(" word\r\n", 200)+" end\r\n"+
		"X-List: "+strings.Repeat("<mailto:a@lantern.example>,\r\n ", 50)+"<mailto:b@lantern.example>\r\n")
	header("addresses", "Sender: \"Lantern, The\" <NEWS@Lantern.Example> (the desk)\r\n"+
		"Cc: =?utf-8?q?J=C3=BCrgen?= <j@reader.example>,\r\n\t \"a b\"@reader.example , Group: x@reader.example;\r\n")
	eight := []byte(dkimHeader + "\r\nGrüße, 日本語, " + "\x80\x85\xa0\xff\xfe raw\r\n.é\r\n" + strings.Repeat("é", 499) + "\r\n")
	add("8-bit", Message{Body: eight, EightBit: true})
	wide := strings.Replace(dkimHeader, "Subject: ", "Subject: Fähren 渡し船 ", 1)
	wide = strings.Replace(wide, "The Daily", "Die tägliche", 1)
	add("UTF-8 header", Message{Body: []byte(wide + "X-Note: ü\r\n\r\nGrüße\r\n"), EightBit: true, UTF8: true})
	files, err := filepath.Glob("../digest/testdata/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatal("no digests: ", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		add(filepath.Base(f), Message{Body: text})
	}
	return names, mails
}
