package report

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"broadsheet/mailer"
)

// readAnswer reads what a person wrote. It is an answer if it answers something: mail that merely
// comes in is nothing that we know of.
func readAnswer(m *message, r *Report) {
	text := spoken(m.firstText())
	r.Text = text
	r.Leave = asksToLeave(text) || !isReply(r.Subject) && asksToLeave(r.Subject)
	if len(r.Refers) > 0 || isReply(r.Subject) || strings.Contains(first(r.To), "+") {
		r.Class = mailer.Answer
	}
}

// replySubject begins subjects of answers, in the languages of the usual mail programs.
var replySubject = regexp.MustCompile(`(?i)^\s*(\[[^\]]*\]\s*)?(re|aw|antw|antwort|sv|vs|vá|odp|ynt|rif|ris|res|رد|回复|回覆|答复|답장|отв)(\s*\[\d+\]|\(\d+\))?\s*[:：]`)

func isReply(subject string) bool { return replySubject.MatchString(bareSubject(subject)) }

// What is looked at of a person's words.
const (
	textMax  = 64 << 10 // octets
	linesMax = 2000
)

// spoken returns what a person wrote: without lines quoted, what a mail program put over them, and
// the signature. Where lines that were not quoted follow, it goes on: some write between them.
func spoken(text string) string {
	lines := textLines(text)
	bare := bareLines(text)
	var out []string
	for i := 0; i < len(lines); i++ {
		if bare[i] == "--" || cutHere(bare[i:]) { // "-- " is RFC 3676 section 4.3
			break
		}
		if n := attribution(bare[i:]); n > 0 {
			next := i + n
			for next < len(bare) && bare[next] == "" {
				next++
			}
			if next == len(bare) || !strings.HasPrefix(bare[next], ">") {
				break // what follows is the other mail, without any sign
			}
			i = next - 1
			continue
		}
		if !strings.HasPrefix(bare[i], ">") {
			out = append(out, strings.TrimRight(strings.Map(visible, lines[i]), " \t"))
		}
	}
	for len(out) > 0 && (strings.TrimSpace(out[len(out)-1]) == "" || sentFrom.MatchString(strings.TrimSpace(out[len(out)-1]))) {
		out = out[:len(out)-1]
	}
	return strings.Trim(strings.Join(out, "\n"), "\n")
}

// textLines returns the lines of a text, as far as it is looked at.
func textLines(text string) []string {
	if len(text) > textMax {
		text = strings.ToValidUTF8(text[:textMax], "")
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	return lines[:min(len(lines), linesMax)]
}

// bareLines returns them without what cannot be seen.
func bareLines(text string) []string {
	bare := textLines(text)
	for i, line := range bare {
		bare[i] = strings.TrimSpace(strings.Map(visible, line))
	}
	return bare
}

// visible drops what has no width and no meaning for us: marks of direction, joiners, soft hyphens.
func visible(r rune) rune {
	switch {
	case r == 0xAD, r == 0xFEFF, r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x2064, r >= 0x2066 && r <= 0x2069:
		return -1
	case r == 0xA0, r == 0x202F:
		return ' '
	}
	return r
}

// What stands over a quoted mail: "On 26 Nov 2026, at 08:00, Ada wrote:", "في ٢٦ نوفمبر ٢٠٢٦ كتب …:".
var (
	wroteBegins = regexp.MustCompile(`(?i)^[*_]*((on|le|am|el|il|op|em|den|dia|w dniu|dne|\d{1,4}[-./年])\b|(в|في|وفي|بتاريخ|كتب|كتبت|يوم)[\s:])`)
	addressEnds = regexp.MustCompile(`<[^<>\s]+@[^<>\s]+>[^<>]*[:：]$`)
	digit       = regexp.MustCompile(`\p{Nd}`)
)

// wroteWords say that somebody wrote, in lower case.
var wroteWords = []string{"wrote", "writes", "a écrit", "schrieb", "escribió", "ha scritto", "schreef", "escreveu", "skrev", "napisał", "napisał(a)", "napisała", "napsal", "napsal(a)",
	"пишет", "писал", "писал(а)", "написал", "yazdı", "كتب", "كتبت", "كتب(ت)", "كتب (ت)", "تمت كتابة ما يلي"}

// saysWrote reports whether a line holds one of those words. A regular expression takes too long
// where each of many lines could be one.
func saysWrote(line string) bool {
	line = " " + strings.ToLower(line) + " "
	for _, w := range wroteWords {
		if strings.Contains(line, " "+w+" ") {
			return true
		}
	}
	return false
}

// attribution returns how many lines at the beginning say who wrote what is quoted below; 0 if none do.
func attribution(lines []string) int {
	if lines[0] == "" || strings.HasPrefix(lines[0], ">") {
		return 0
	}
	joined := ""
	for n := 0; n < min(4, len(lines)) && lines[n] != "" && !strings.HasPrefix(lines[n], ">"); n++ {
		joined = strings.TrimSpace(joined + " " + lines[n])
		if len(joined) > 600 {
			return 0
		}
		end := strings.TrimRight(joined, "*_ ")
		if line := strings.TrimRight(end, ":："); line != end && saysWrote(line) && wroteBegins.MatchString(joined) && digit.MatchString(joined) {
			return n + 1
		}
		if n+1 < len(lines) && strings.HasPrefix(lines[n+1], ">") && addressEnds.MatchString(joined) {
			return n + 1
		}
	}
	return 0
}

var (
	originalLine = regexp.MustCompile(`(?i)^[-_*= >]{2,}\s*(original message|original appointment|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|reply (message|above)|الرسالة الأصلية|رسالة أصلية|رسالة محولة|رسالة معاد توجيهها|الرسالة المعاد توجيهها)\s*[-_*= ]*$|^(begin forwarded message|بدء الرسالة المعاد توجيهها)\s*:`)
	headerLine   = regexp.MustCompile(`(?i)^[*_]*(from|sent|date|to|cc|subject|von|gesendet|an|betreff|de|envoyé|à|objet|enviado|para|asunto|da|inviato|oggetto|من|تاريخ الإرسال|تم الإرسال|أرسلت|تاريخ|التاريخ|إلى|الى|نسخة|الموضوع|موضوع)\s*[*_]*\s*[:：][*_]*(\s|$)`)
	fromLine     = regexp.MustCompile(`(?i)^[*_]*(from|von|de|da|من)\s*[*_]*\s*[:：][*_]*\s`)
	sentFrom     = regexp.MustCompile(`(?i)^(sent from (my|outlook|mail|yahoo|the|proton|samsung|gmail)|sent (via|with|using) |get \[?outlook for|envoyé de mon|von meinem .* gesendet|enviado desde|(تم الإرسال|أُ?رسلت|ارسلت|مرسلة?) (من|بواسطة) |(احصل|الحصول) على outlook|_{8,}$)`)
)

// cutHere reports whether the other mail begins with the line, by a rule or by its fields, as
// Outlook shows them.
func cutHere(lines []string) bool {
	if lines[0] == "" {
		return false
	}
	// Nearly all lines are told by their first octet; the expressions take long.
	c := lines[0][0]
	if (c >= utf8.RuneSelf || strings.IndexByte("-_*= >bB", c) >= 0) && originalLine.MatchString(lines[0]) {
		return true
	}
	if c < utf8.RuneSelf && strings.IndexByte("*_fFvVdD", c) < 0 || !fromLine.MatchString(lines[0]) {
		return false
	}
	n := 0
	for _, line := range lines[1:min(len(lines), 8)] {
		if headerLine.MatchString(line) {
			n++
		}
	}
	return n >= 2
}
