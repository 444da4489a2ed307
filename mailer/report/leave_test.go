package report

import (
	"strings"
	"testing"
)

func TestAsksToLeave(t *testing.T) {
	for _, s := range []string{
		"Unsubscribe", "unsubscribe.", "UNSUBSCRIBE ME NOW!!!", "STOP", "Stop\n\nAda", "please stop", "remove",
		"Please unsubscribe me from this list.", "How do I unsubscribe?", "Can you please unsubcribe me", "pls unsuscribe",
		"I can't unsubscribe, the link is broken", "I do not know how to unsubscribe.", "Why don't you unsubscribe me?",
		"I was not able to unsubscribe", "I did not sign up for this please unsubscribe me",
		"I don't want this any more, unsubscribe me", "I don't read it so please remove me from your list",
		"Take me off your mailing list.", "take my name off this list please", "Remove my email address", "Please delete my account",
		"Stop sending me these emails", "stop emailing me", "Please stop these newsletters.", "cancel my subscription please",
		"Please cancel my daily subscription", "I want to opt out", "opt-out", "opt me out", "I no longer wish to receive this digest",
		"I don't want to receive your e-mails any more.", "I do not wish to get any more mails", "Don’t send me any more mail",
		"do not email me", "no more emails please", "I'm no longer interested", "We are not interested in receiving your newsletter",
		"I have unsubscribed three times and you keep writing", "I asked to be unsubscribed", "I already unsubscribed but still get this",
		"Dear editors,\n\nI have enjoyed your digest for a year, but my inbox is too full and I would like you to\nunsubscribe me from it as of next week.\n\nBest,\nAda",
		"Please remove ada@reader.example from your mailing list", "kindly take us off your list", "Remove this email", "Do not send anything more", "Kindly discontinue.",
		"I never signed up for this", "I did not subscribe to your newsletter", "Unsubscribe me, I was added by mistake", "can u remove me pls",
		"أرجو عدم إرسال رسائل لي", "عدم الإرسال رجاءً", "كفى رسائل", "ما أبي رسايلكم", "لم أطلب هذه الرسائل", "هل يمكن إيقاف الإيميلات؟", "أود إلغاء اشتراكي",
		"Leave this list", "How can I get out of here?\nRemove me.", "sign me off", "I want out",
		"إلغاء الاشتراك", "أرجو إلغاء اشتراكي في هذه النشرة.", "من فضلكم ألغوا اشتراكي", "أريد إلغاء الاشتراك", "الغاء اشتراك",
		"لا أريد استلام هذه الرسائل", "لا أرغب في تلقي المزيد من رسائلكم.", "لم أعد أرغب في النشرة", "توقفوا عن الإرسال", "توقفوا عن مراسلتي",
		"احذفوا بريدي من القائمة", "أزيلوا عنواني من قائمتكم لو سمحتم", "احذفوني", "شيلوني من القائمة", "أوقفوا هذه الرسائل", "أرجو إيقاف النشرة",
		"لا ترسلوا لي شيئًا بعد اليوم", "لا أستطيع إلغاء الاشتراك", "لماذا لا تلغون اشتراكي؟", "كيف ألغي الاشتراك؟", "كيف يمكنني إلغاء اشتراكي", "توقف",
		"السلام عليكم،\nأرجو منكم التكرم بإلغاء اشتراكي في النشرة اليومية، وشكرًا لكم على ما قدمتموه في السنوات الماضية.",
		"لم يعجبني الموضوع وأرجو حذف بريدي من القائمة", "لَا أُرِيدُ هَذِهِ الرَّسَائِلَ",
	} {
		if !asksToLeave(s) {
			t.Errorf("not taken for asking to leave: %q", s)
		}
	}
	for _, s := range []string{
		"", "Thank you for the digest.", "I love it!", "Don't unsubscribe me!", "Please don't unsubscribe me.", "please do not ever unsubscribe me",
		"I do not want to unsubscribe", "I don't want to unsubscribe, I only want it later in the day.", "I will never unsubscribe", "I'd read it without unsubscribing",
		"I've changed my mind, no need to unsubscribe me", "Please ignore my request to unsubscribe", "Sorry, I clicked unsubscribe by mistake", "I didn't mean to unsubscribe",
		"please resubscribe me", "لا تلغي اشتراكي", "أعيدوا اشتراكي", "تجاهلوا طلب إلغاء الاشتراك", "لاحظت عدم إرسال النشرة اليوم",
		"Why was I unsubscribed?", "I was unsubscribed by mistake, please put me back", "Please do not remove me from the list",
		"Don't stop sending these emails", "please never stop sending me this newsletter", "I don't want to stop receiving your digest",
		"Do not cancel my subscription", "I don't think I want to unsubscribe", "please don't\nunsubscribe me", "I don't want to miss these emails",
		"The ferry will stop at Porthaven from May on. Good.", "The minister should leave.", "When will the strike end?", "I cannot open the second link",
		"They removed the statue years ago.", "Your story on cancelled trains was not right", "I don't want your newsletter to change",
		"Great piece about mail. More of these messages from the islands, please.", "I do not need an umbrella in Cairo",
		"Leave Morning Edition:\nhttps://news.example/l/abc", "Unsubscribe: https://news.example/l/abc",
		"شكرًا لكم على النشرة", "لا تلغوا اشتراكي من فضلكم", "لا أريد إلغاء الاشتراك", "لا أرغب في إلغاء اشتراكي", "لماذا تم إلغاء اشتراكي؟", "تم إلغاء اشتراكي بالخطأ",
		"لا تحذفوا بريدي من القائمة", "لا تتوقفوا عن الإرسال", "أريد الاشتراك في النشرة", "أرجو تغيير ساعة الإرسال", "لا أريد أن تتوقف النشرة",
		"\u200fإلغاء الاشتراك في \u2068Morning Edition\u2069: https://news.example/l/abc", "متى ألغت المحكمة القرار؟", "لم ألغ اشتراكي",
	} {
		if asksToLeave(s) {
			t.Errorf("taken for asking to leave: %q", s)
		}
	}
}

// FuzzLeave: no text takes long or breaks anything, and a link never asks.
func FuzzLeave(f *testing.F) {
	for _, s := range []string{"unsubscribe me", "لا أريد إلغاء الاشتراك", strings.Repeat("not ", 100) + "unsubscribe", "a\n> b\n\nOn 1 May X wrote:\n> unsubscribe", "\xff\u202e؟"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := spoken(s)
		if strings.Contains(text, "\n>") || strings.HasPrefix(text, ">") {
			t.Errorf("a quoted line stays in %q", text)
		}
		asksToLeave(text)
		saysAway(s)
		htmlText(s)
		if asksToLeave("https://" + strings.Join(strings.Fields(s), "")) {
			t.Errorf("a link asks to leave: %q", s)
		}
	})
}
