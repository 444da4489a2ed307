package report

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// asksToLeave reports whether a person's own words ask that mail end, in English or Arabic. It is
// for a person to act on: in doubt it says yes, but not where somebody asks to stay. text must be
// without quotes, for our own mail speaks of leaving at its foot.
func asksToLeave(text string) bool {
	if len(text) > leaveMax {
		text = text[:leaveMax]
	}
	text = strings.NewReplacer("’", "'", "‘", "'", "`", "'").Replace(strings.Map(visible, text))
	low := strings.ToLower(text)
	for n, c := range clauses(text) {
		c = strings.ToLower(c)
		arabic := plainArabic(c)
		if n == 0 && leaveAlone.MatchString(arabic) || leavesEnglish(c, low) || leavesArabic(arabic) {
			return true
		}
	}
	return false
}

// leaveMax is how much of a text is looked at, in octets: a wish to leave stands at the beginning.
const leaveMax = 2 << 10

// leaveAlone are words that say it when they stand alone.
var leaveAlone = regexp.MustCompile(`^(please |pls |just |kindly |من فضلك |رجاء )*(stop|discontinue|stop it|stop this|please stop|unsub|remove|delete|cancel|quit|leave|off|enough|no more|توقف|توقفوا|قف|كفي|الغاء|الغي|ايقاف|حذف|ازاله|خروج|انسحاب)( please| now| thanks| من فضلكم| من فضلك| رجاء| شكرا)*$`)

// wrapped is how long a line is at least that a mail program has broken.
const wrapped = 50

// clauses cuts a text into what is said at a time.
func clauses(text string) (list []string) {
	var b strings.Builder
	end := func() {
		if s := strings.Join(strings.Fields(b.String()), " "); s != "" {
			list = append(list, s)
		}
		b.Reset()
	}
	lines := strings.Split(text, "\n")
	for n, line := range lines {
		if strings.Contains(line, "://") { // a foot that was not quoted
			end()
			continue
		}
		for _, word := range strings.Fields(line) {
			if word == "but" || word == "لكن" || word == "ولكن" {
				end()
			}
			bare := strings.Trim(word, `"()[]<>*_~`)
			b.WriteString(strings.TrimRight(bare, ".,;:!?،؛؟…—–-") + " ")
			if strings.ContainsAny(bare[max(0, len(bare)-3):], ".,;:!?،؛؟…—") || word == "-" || word == "–" {
				end()
			}
		}
		if n+1 == len(lines) || utf8.RuneCountInString(line) < wrapped && !goesOn(lines[n+1]) {
			end()
		}
	}
	end()
	return list
}

// goesOn reports whether a line can only be the rest of the sentence above it.
func goesOn(line string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(line, " \t"))
	return unicode.IsLower(r)
}

var (
	// leaveAsk are the ways to ask for it, if nothing before them takes it back.
	leaveAsk = regexp.MustCompile(`\b(un ?-?su[bs]*c?ri?bee?|unsubscribing|unsubscription|unsub|de-?subscribe|opt(ing)?[ -]?(me )?out|optout` +
		`|(remove|removing|delete|deleting|erase) (me|us|my|(this|the) (e-?mail|address)|\S+@\S+)|(take|get|drop|strike|kick) (me|us|my (name|e-?mail|address|e-?mail address)) (off|from|out)` +
		`|(stop|quit|cease|discontinue|end|ending|stopping)( with| the| all| these| this| those| your| any| of| my| these| me| to)* (sending|send|getting|receiving|e-?mail(s|ing)?|mail(s|ing)?|spam(ming)?|writing|bothering|contacting|subscriptions?|newsletters?|digests?|messages?|deliver(y|ing))` +
		`|(cancel|cancelling|canceling|terminate|close) (\S+ ){0,3}(subscriptions?|memberships?|newsletters?|digests?|e-?mails?|mails?|account|registration)|cancel (me|it)` +
		`|leave (the|this|your|all|these) (list|mailing|newsletters?|digests?|editions?|mails?|e-?mails?)|sign (me )?(off|out)|(want|let me|get me) out|(to be|to get|get me|have me) (unsubscribed|removed|taken off))\b`)
	leaveDone = regexp.MustCompile(`\bi( have|'ve| had)?( already| just)? unsubscribed\b`)
	leaveYet  = regexp.MustCompile(`\b(still|again|keep|keeps|yet|twice|times|continue)\b`)
	// leaveNot takes a request back, leaveCannot does not: who cannot leave asks to.
	leaveNot    = regexp.MustCompile(`\b(not|never|without|instead of|rather than|no need to|ignore|disregard|won't|nobody should|\w+n't|dont|wont)\b`)
	leaveCannot = regexp.MustCompile(`\b(can't|cannot|cant|can not|could not|couldn't|unable|not (able|possible|allow\w*|let|letting|find|see|know|understand|work\w*|sure|figure|clear)|n't (let|allow|find|see|know|understand|work|figure|seem)|dont know|(why|if) (do|does|did|don't|won't|doesn't|can't|will|not)( you| it)?( not)?|(why|if) you (don't|do not|won't|will not))\b`)
	leaveBreak  = regexp.MustCompile(`\b(please|pls|so|and|therefore|just|kindly)\b`)

	// leaveSlip follows a word that somebody pressed unawares.
	leaveSlip = regexp.MustCompile(`^( \S+){0,2} (by (mistake|accident)|accidentally|mistakenly)\b`)

	// leaveWant say it by a "not" of their own.
	leaveWant = regexp.MustCompile(`\b(don't|dont|do not|not|no longer|never)( really| longer| any longer| any ?more)? (want|wish|need|wanting|interested|care)( to| in| for)?( receive| receiving| get| getting| have| hear| hearing| be sent| being sent| see| be on)?( \S+){0,3} ?\b(e-?mails?|mails?|newsletters?|digests?|messages?|from you|any ?more|any longer|subscription|mailing list|your list|this list)\b` +
		`|\bno longer (want|wish|interested|need)|\b(don't|dont|do not|never)( ever)? (send|e-?mail|mail|write|contact|spam|bother)( to)? (me|us)( (any ?more|again|anything|\S* ?(e-?mails?|mails?|messages?|newsletters?|digests?|stuff|this|these))\b|$)` +
		`|\b(don't|dont|do not|never) send (anything|any ?more|more)\b|\b(never|didn't|did not) (sign(ed)? up|subscribed?|ask(ed)? (for|to get|to receive)) ?(for |to )?(this|these|it|your|any|$)` +
		`|\bno more (of )?(these |this |your |such )?(e-?mails?|mails?|newsletters?|digests?|messages?)`)
	leaveStay = regexp.MustCompile(`\b(stop|stopped|stopping|end|lose|losing|miss|missing|unsubscrib\w*|leave|cancel\w*|remov\w*|change|changed)\b`)
)

func leavesEnglish(clause, text string) bool {
	if m := leaveWant.FindStringIndex(clause); m != nil && !leaveStay.MatchString(clause[m[0]:]) {
		return true
	}
	if leaveDone.MatchString(clause) && leaveYet.MatchString(text) {
		return true
	}
	for _, m := range leaveAsk.FindAllStringIndex(clause, 20) {
		before := clause[:m[0]]
		if leaveSlip.MatchString(clause[m[1]:]) {
			continue
		}
		if leaveCannot.MatchString(before) || !takenBack(before, 4, leaveNot, leaveBreak) {
			return true
		}
	}
	return false
}

// takenBack reports whether among the last words before a request is one that denies it, and
// nothing between the two that begins anew.
func takenBack(before string, words int, not, anew *regexp.Regexp) bool {
	found := not.FindAllStringIndex(before, -1)
	if found == nil {
		return false
	}
	between := before[found[len(found)-1][1]:]
	return len(strings.Fields(between)) <= words && !anew.MatchString(between)
}

// plainArabic writes Arabic as it is compared: without vowel signs and tatweel, one form of each of
// alif, ya and ta marbuta.
func plainArabic(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 0x64B && r <= 0x65F, r == 0x670, r == 0x640:
			return -1
		case r == 'أ', r == 'إ', r == 'آ', r == 'ٱ':
			return 'ا'
		case r == 'ى', r == 'ی':
			return 'ي'
		case r == 'ة':
			return 'ه'
		case r == 'ک':
			return 'ك'
		}
		return r
	}, strings.Map(visible, s))
}

var (
	// A word may have "and", "so", "by" or "for" written to it.
	arabAsk = regexp.MustCompile(`(^|\s)[وفبل]{0,2}(` +
		`(الغاء|الغ|الغي|الغوا|الغو|تلغي|تلغوا|تلغو|تلغون|ايقاف|اوقف|اوقفوا|اوقفو|توقفوا|وقف|وقفوا|انهاء|انهوا) (\S+ ){0,2}?(ال|لل|با?ل)?(اشتراك|نشره|نشرتكم|رسائل|ارسال|بريد|ايميل|تسجيل|متابعه|عضوي|هذه|هذا)` +
		`|(ازل|ازيلوا|ازيلو|ازاله|تزيلوا|احذف|احذفوا|احذفو|حذف|تحذفوا|امسح|امسحوا|مسح|شيلوا|شيلو|شيل|اشطبوا|شطب|ارفعوا|اخراج) (\S+ ){0,2}?(اسمي|بريدي|عنواني|ايميلي|حسابي|بياناتي|من القائمه|من قائم|من النشره|من الاشتراك)` +
		`|(ازيلوني|احذفوني|احذفني|تحذفوني|شيلوني|اخرجوني|اخرجني|امسحوني|اشطبوني|ازالتي|حذفي)` +
		`|(توقف|توقفوا|توقفو|التوقف|كف|كفوا|بطل|بطلوا|تتوقفوا) (عن )?(ال)?(ارسال|مراسل|ازعاج|ترسل|بعث)` +
		`|(انسحب|الانسحاب|انسحاب|اغادر|مغادره|الخروج|اخرج) (من )?(هذه |هذا )?(القائمه|النشره|الاشتراك|قائم|نشرتكم)` +
		`|(ارجو|ارجوكم|نرجو|رجاء|الرجاء|يرجي|اطلب)( منكم)? ب?عدم (ال)?(ارسال|مراسل|ازعاج)|عدم (ال)?(ارسال|مراسلتي|مراسله|ازعاجي) (رجاء|لي|الي|من فضلكم|من فضلك|لو سمحتم)` +
		`|(كفي|يكفي|كفايه) (رسائل|رسايل|ايميلات))`)
	arabNot    = regexp.MustCompile(`(^|\s)(و|ف)?(لا|لم|لن|ليس|بدون|دون|بلا|تجاهل|تجاهلوا|تجاهلو|ما|مش|مو|عدم|اياكم|تم|هل تم|جري|لماذا تم)(\s|$)`)
	arabCannot = regexp.MustCompile(`(لا|لم|ما|لست|لن|مش|غير) (\S+ )?(استطيع|استطع|اقدر|قادر|يمكنني|اتمكن|اعرف|عارف|اجد|يمكن|يتم|ينجح|تمكنت|استطعت)|لماذا لا|لم لا|ليش ما|ليه ما|يتعذر`)
	arabBreak  = regexp.MustCompile(`(^|\s)(و?ارجو|و?رجاء|و?الرجاء|من فضلك|من فضلكم|لو سمحت|لو سمحتم|واريد|واطلب|وارغب)(\s|$)`)

	arabWant = regexp.MustCompile(`(^|\s)(و|ف)?(لا|ما|لم اعد|مش|مو|لست)( \S+)? ?(اريد|ارغب|احتاج|عايز|عايزه|عاوز|ابي|ابغي|مهتم|مهتما|مهتمه|راغب|راغبا|راغبه|اود|بدي)( \S+){0,3} [بفل]?(ال)?(استلام|تلقي|استقبال|وصول|رسائل|رسايل|رساله|نشره|نشرتكم|مزيد|بريد|ايميل|اشتراك|استمرار|رسائلكم)` +
		`|(^|\s)(و|ف)?(لم|ما) (اطلب|طلبت) (هذه|هذا|رسائل|النشره|اي)|(^|\s)(و|ف)?(لم|ما) (اشترك|اشتركت|اسجل|سجلت)( \S+)? ?(في|ب|عندكم|معكم)` +
		`|(^|\s)(و|ف)?لم اعد (ارغب|اريد|مهتم|احتاج|اود|اهتم)` +
		`|(^|\s)(و|ف)?(لا|ما) (ترسلوا|ترسل|ترسلون|ترسلو|تراسلوني|تراسلني|تبعثوا|تبعثون|تزعجوني)( لي| الي| لنا|$)`)
	arabStay = regexp.MustCompile(`(الغاء|ايقاف|انقطاع|تتوقف|توقف|حذف|فقدان|تفويت|انهاء|مغادر|الغي|الخروج)`)
)

func leavesArabic(clause string) bool {
	if m := arabWant.FindStringIndex(clause); m != nil && !arabStay.MatchString(clause[m[0]:]) {
		return true
	}
	for _, m := range arabAsk.FindAllStringIndex(clause, 20) {
		before := clause[:m[0]]
		if arabCannot.MatchString(before) || !takenBack(before+" ", 3, arabNot, arabBreak) {
			return true
		}
	}
	return false
}
