package report

import (
	"regexp"
	"strings"
)

var (
	officeName = regexp.MustCompile(`(?i)^(mailer[-_. ]?daemon|mail[-_. ]?daemon|post?master|poostmaster|mail[-_. ]?delivery|mail[-_. ]?administrator|mailadmin|system[-_. ]?administrator|mdaemon|mail[-_. ]?system|delivery|bounces?|no-?reply-?bounce|undeliver|microsoftexchange)`)
	officeWord = regexp.MustCompile(`(?i)mail delivery|mailer.?daemon|mail system|delivery (sub)?system|system administrator|mail administrator|postmaster|content.filter|exchange|mail server|e-?mail delivery|internet mail|interconnect|message router|mail transfer`)

	// returnSubject is what servers write above mail that they send back.
	returnSubject = regexp.MustCompile(`(?i)un-?deliver|non-?deliver|not (be )?delivered|(mail|message|e-?mail|delivery).{0,30}(fail|error|problem|reject|bounce|return|status|undeliver|delay|notification|notice|report)|delivery|fail(ure|ed).{0,20}(notice|notif|mail|deliver|message|report)|returned (mail|message|to)|return(ed)? .{0,20}mail|could not (be )?(send|sent|deliver)|can(not|'t) (be )?deliver|user unknown|unknown user|loop alert|bounce|rejected|returning|sender notif|(nicht|fehler).{0,20}(zugestellt|zustell)|unzustellbar|non remis|échec|non distribu|no se (ha )?(pudo|podido) entregar|no entregad|não entreg|nao entreg|mancata consegna|impossibile recapitare|не доставлен|недоставлен|не удалось доставить|配信|配送|送信.{0,10}エラー|不達|退信|投递失败`)

	// returnWords is what servers say in them.
	returnWords = regexp.MustCompile(`(?i)(could|can|was|were|did|has|have)(n't| ?not)( yet)? (be |been )?(be |successfully )?(deliver|reach|accept|process|sent|route)|(not|un)able to (deliver|send|process|route)|un-?deliver(ed|able)|deliver[a-z]* (to .{0,60} )?(has |have |had )?(fail|error|problem|not)|failed (permanently|recipient|address|to deliver)|fail(ed|ure) .{0,40}deliver|(permanent|fatal|transient) .{0,20}(error|failure)|not (be |been )?delivered|been (rejected|returned|delayed|refused|bounced)|(was|is|were) (rejected|returned|refused|bounced|undeliverable|being returned)|returned (to|mail|message)|transcript of (the )?session|rejected (your|the following|for)|the following (recipient|address|destination|user|error)|user unknown|unknown user|unknown recipient|mail system error|error (was|occurred|from|message).{0,60}(deliver|mail|remote)|(non|mail) ?delivery (failure|notif|error|status|report|problem)|delivery status notification|nicht (zugestellt|ausgeliefert|zustell)|n'(a|ont) (pas )?pu être|no se (ha )?(pudo|podido) entregar|não (foi possível|pôde)|non è stato possibile|не удалось доставить|не (был[оа]? )?доставлен|配信できま|送信できま|配送できま|届けられ|届きません|配達でき|お届け|エラー|存在し`)

	// noReturn is what no server writes above mail that it sends back.
	noReturn = regexp.MustCompile(`(?i)^\W*(auto[a-z]*[- :]*(repl|respon|antwort)|automatic|automatische|out of|vacation|abwesen|on (leave|holiday|vacation)|away|re:|réponse auto|respuesta auto|risposta auto|read:|gelesen:|lu ?:|leído:|accepted:|declined:|tentative:)`)
)

// postOffice reports whether an address is that of a mail server.
func postOffice(address string) bool { return officeName.MatchString(address) }

// fromPostOffice reports whether a message is from a mail server about a mail that it could not
// deliver. Two things must be so: the sender is one, and subject or words are.
func fromPostOffice(m *message, r *Report) bool {
	if m.header.has("X-Failed-Recipients") {
		return true
	}
	h := m.header
	if m.kind == "multipart/report" && strings.Contains(strings.ToLower(m.params["report-type"]), "disposition") {
		return false
	}
	report := m.kind == "multipart/report" && !strings.Contains(strings.ToLower(m.params["report-type"]), "feedback")
	sender := report || postOffice(r.From) || officeWord.MatchString(r.FromName) || nullPath(h) || r.From == "" && officeWord.MatchString(h.get("From")) || h.has("X-MLServer")
	if !sender || noReturn.MatchString(r.Subject) && !report && !postOffice(r.From) {
		return false
	}
	subject := returnSubject.MatchString(r.Subject)
	text := wordsFor(m)
	if len(text) > 64<<10 {
		text = text[:64<<10]
	}
	if returnWords.MatchString(oneLine(text)) {
		return subject || report || m.returned != nil || postOffice(r.From) || officeWord.MatchString(r.FromName)
	}
	return subject && (m.returned != nil || replies(text) != "")
}

// emptyPath reports whether the envelope sender was <>.
func emptyPath(h header) bool {
	v, ok := h.get("Return-Path"), h.has("Return-Path")
	return ok && strings.Trim(v, " <>") == ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(quotesTable.Replace(s)), " ") }

var (
	lateWords  = regexp.MustCompile(`(?i)warning message only|do not need to re-?send|has been delayed|been delayed|is delayed|delivery (is |of your message )?delayed|will (still )?be retried|will (continue|keep|go on) (to )?(try|retry)|still (being|trying|in the queue)|(has|have)(n't| not) (yet )?been delivered (yet)?|not yet (been )?delivered|will be (re)?tried|no action is required|attempts will continue|will continue to be|continue trying|next attempt|retry(ing)? (for|until)|could not send message for past|wird weiterhin versucht|noch nicht zugestellt`)
	finalWords = regexp.MustCompile(`(?i)permanent|given up|giving up|will not be retried|no (further|more) (attempt|retr|deliver)|gave up|could not be delivered\.? .{0,40}return|returned to sender|failed permanently|has failed|have failed|did not reach|could not be delivered within|expired|been removed|message was not delivered|undeliverable`)
	lateTitle  = regexp.MustCompile(`(?i)delay|warning|retry|verz[oö]gert|will be retried|still trying`)
	finalTitle = regexp.MustCompile(`(?i)fail|undeliver|returned|non-?deliver`)
)

// putOff reports whether a report in words says that the mail is on its way still.
func putOff(subject, text string) bool {
	if finalTitle.MatchString(subject) && !lateTitle.MatchString(subject) {
		return false
	}
	text = oneLine(text)
	return lateWords.MatchString(text) && (lateTitle.MatchString(subject) || !finalWords.MatchString(text))
}
