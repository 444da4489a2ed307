package report

import (
	"testing"

	"broadsheet/mailer"
)

// note is a machine's answer with these fields.
func note(subject, fields, body string) []byte {
	return []byte("From: Ada Example <ada@reader.example>\nTo: bounce+abc@meridian.example\nSubject: " + subject + "\nDate: Thu, 26 Nov 2026 09:00:00 +0000\n" + fields + "\n" + body)
}

func TestAutoReplies(t *testing.T) {
	const refused = "550 5.1.1 user unknown: this mailbox does not exist any more.\n"
	for name, raw := range map[string][]byte{
		"rfc 3834":        note("Re: Morning", "Auto-Submitted: auto-replied\n", "I am away.\n"),
		"with a comment":  note("Re: Morning", "Auto-Submitted: auto-replied (vacation)\n", refused),
		"exchange":        note("Automatic reply: Morning", "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n", refused),
		"old unix":        note("away from my mail", "Precedence: bulk\nIn-Reply-To: <1@meridian.example>\n", "I will not be reading my mail for a while.\n"),
		"precedence":      note("Re: Morning", "Precedence: auto_reply\n", refused),
		"x-autoreply":     note("Re: Morning", "X-Autoreply: yes\n", refused),
		"no longer works": note("Re: Morning", "X-Autorespond: Morning\n", "Ada no longer works here; user unknown.\n"),
		"null path":       append([]byte("Return-Path: <>\n"), note("Urlaub", "", "Bin weg. 550 5.1.1\n")...),
		"null, plain":     append([]byte("Return-Path: <>\n"), note("Re: Morning", "", "Thank you for your mail.\n")...),
		"apple":           note("Re: Morning", "X-Apple-Action: EDIT_TEXT VACATION\n", "x\n"),
		"receipt":         note("Read: Morning", "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n", "--b\n\nYour message was read.\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; ada@reader.example\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--\n"),
		"in words":        note("Re: Morning", "In-Reply-To: <1@meridian.example>\n", "Hello,\n\nI am out of the office until Monday 30 November. In urgent cases ask Bo.\n\nAda\n"),
		"in arabic words": note("Re: Morning", "", "شكرًا لرسالتكم. أنا حاليًا في إجازة حتى ٣٠ نوفمبر. للضرورة يرجى التواصل مع زميلي.\n"),
		"ask to confirm":  note("Re: Morning", "Auto-Submitted: auto-replied\n", "To unsubscribe me or stop these e-mails, do nothing.\n"),
	} {
		if r := Read(raw); r.Class != mailer.AutoReply || len(r.News) != 1 || r.News[0].Class != mailer.AutoReply || r.News[0].Recipient != "ada@reader.example" || r.Leave {
			t.Errorf("%s: %s %+v leave=%v", name, r.Class, r.News, r.Leave)
		}
	}
	for _, subject := range []string{"Automatic reply: Morning", "Auto: Morning", "Out of Office: Morning", "Out of the office", "AutoReply: x", "[Auto-Reply] x",
		"Abwesenheitsnotiz: x", "Automatische Antwort: x", "=?utf-8?q?R=C3=A9ponse_automatique?= : x", "Absence du bureau: x", "Respuesta automática: x", "Risposta automatica: x", "Fuori sede: x",
		"Resposta automática: x", "Automatisch antwoord: x", "Autosvar: x", "Automatiskt svar: x", "Automaattinen vastaus: x", "Odpowiedź automatyczna: x", "Automatická odpověď: x",
		"Automatikus válasz: x", "Răspuns automat: x", "Автоматический ответ: x", "Автоматична відповідь: x", "Αυτόματη απάντηση: x", "Otomatik yanıt: x", "מענה אוטומטי: x",
		"رد تلقائي: x", "\u200fخارج المكتب: x", "自动回复: x", "自動応答: x", "자동 회신: x", "Trả lời tự động: x", "Balasan otomatis: x"} {
		if r := Read(note(subject, "", refused)); r.Class != mailer.AutoReply || r.News[0].Reason != "vacation" {
			t.Errorf("%q: %s", subject, r.Class)
		}
	}
	for name, tt := range map[string]struct {
		raw   []byte
		class mailer.Class
	}{
		"a person on a note":  {note("Re: Automatic reply: Morning", "Auto-Submitted: no\n", "Welcome back!\n"), mailer.Answer},
		"a person on leave":   {note("Re: Five ideas for your vacation", "", "I was away last week and loved the one with the ferry.\n"), mailer.Answer},
		"a person, away":      {note("Re: Morning", "", "I am on vacation until Monday and will read it when I return.\n\nOn 26 Nov 2026, X wrote:\n> a\n"), mailer.Answer},
		"a machine's mail":    {[]byte("From: cron@host.example\nTo: root@host.example\nSubject: backup\nAuto-Submitted: auto-generated\n\ndone\n"), mailer.NoBounce},
		"a list's mail":       {[]byte("From: news@other.example\nTo: bounce+abc@meridian.example\nSubject: Re: News\nList-Id: <news.other.example>\nAuto-Submitted: auto-generated\n\nunsubscribe\n"), mailer.NoBounce},
		"our own mail, moved": {[]byte(ourMail), mailer.NoBounce},
	} {
		if r := Read(tt.raw); r.Class != tt.class {
			t.Errorf("%s: %s, want %s", name, r.Class, tt.class)
		}
	}
}
