package report

import (
	"regexp"
	"strings"
)

var (
	officeName = regexp.MustCompile(`(?i)^(mailer[-_. ]?daemon|mail[-_. ]?daemon|post?master|poostmaster|mail[-_. ]?delivery|mail[-_. ]?administrator|mailadmin|system[-_. ]?administrator|mdaemon|mail[-_. ]?system|delivery|bounces?|no-?reply-?bounce|undeliver|microsoftexchange|ndr$|imss|e?\d*_?smtp|antivirus|symantec|scanner|mailgate|mail-?gw|mta)`)
	officeWord = regexp.MustCompile(`(?i)mail delivery|mailer.?daemon|mail system|delivery (sub)?system|system administrator|mail administrator|postmaster|content.filter|exchange|mail server|e-?mail delivery|internet mail|interconnect|message router|mail transfer|\bndr\b`)

	// plainOffice is the name of a mail server that nobody else has.
	plainOffice = regexp.MustCompile(`(?i)daemon|post?master|poostmaster|mail[-_. ]?(delivery|system|admin)|(e-?mail|mail) delivery|delivery (sub)?system|(mail|system)[-_. ]?administrator|microsoftexchange|mail (server|transfer)|internet mail|\bndr\b`)

	// returnSubject is what servers write above mail that they send back.
	returnSubject = regexp.MustCompile(`(?i)un-?deliver|non-?deliver|not (be )?delivered|(mail|message|e-?mail|delivery).{0,30}(fail|error|problem|reject|bounce|return|status|undeliver|delay|notification|notice|report)|delivery|fail(ure|ed).{0,20}(notice|notif|mail|deliver|message|report)|returned (mail|message|to)|return(ed)? .{0,20}mail|could not (be )?(send|sent|deliver)|can(not|'t) (be )?deliver|user unknown|unknown user|loop alert|bounce|rejected|returning|sender notif|(nicht|fehler).{0,20}(zugestellt|zustell)|unzustellbar|non remis|échec|non distribu|no se (ha )?(pudo|podido) entregar|no entregad|não entreg|nao entreg|mancata consegna|impossibile recapitare|не доставлен|недоставлен|не удалось доставить|配信|配送|送信.{0,10}エラー|不達|退信|投递失败`)

	// returnWords is what servers say in them.
	returnWords = regexp.MustCompile(`(?i)(could|can|was|were|did|has|have)(n't| ?not)( yet)? (be |been )?(be |successfully )?(deliver|reach|accept|process|sent|route)|(not|un)able to (deliver|send|process|route)|un-?deliver(ed|able)|deliver[a-z]* (to .{0,60} )?(has |have |had )?(fail|error|problem|not)|failed (permanently|recipient|address|to deliver)|fail(ed|ure) .{0,40}deliver|(permanent|fatal|transient) .{0,20}(error|failure)|not (be |been )?delivered|been (rejected|returned|delayed|postponed|refused|bounced)|(was|is|were) (rejected|returned|refused|bounced|undeliverable|being returned)|returned (to|mail|message)|transcript of (the )?session|rejected (your|the following|for)|the following (recipient|address|destination|user|error)|user unknown|unknown user|unknown recipient|mail system error|error (was|occurred|from|message).{0,60}(deliver|mail|remote)|(non|mail) ?delivery (failure|notif|error|status|report|problem)|delivery status notification|nicht (zugestellt|ausgeliefert|zustell)|n'(a|ont) (pas )?pu être|no se (ha )?(pudo|podido) entregar|não (foi possível|pôde)|non è stato possibile|не удалось доставить|не (был[оа]? )?доставлен|配信できま|送信できま|配送できま|届けられ|届きません|配達でき|お届け|エラー|存在し`)

	// sureSubject is what hardly anybody else does.
	sureSubject = regexp.MustCompile(`(?i)un-?deliver(able|ed)|non-?delivery|(mail|message|e-?mail|delivery) .{0,20}(fail|could not|error)|(fail|error).{0,20}deliver|failure notice|returned mail|could not be delivered|delivery (warning|status|notif|report|delay)|non remis`)

	// noReturn is what no server writes above mail that it sends back.
	noReturn = regexp.MustCompile(`(?i)^\W*(auto[a-z]*[- :]*(repl|respon|antwort)|automatic|automatische|out of|vacation|abwesen|on (leave|holiday|vacation)|away|re[:：]|réponse auto|respuesta auto|risposta auto|read:|gelesen:|lu ?:|leído:|accepted:|declined:|tentative:|fwd?:|wg:|tr:|rv:)`)
)

// clearlyOffice reports whether the sender's name is that of a mail server alone: shops have a "delivery"
// too.
func clearlyOffice(m *message, r *Report) bool {
	return isReport(m) || m.header.has("X-Failed-Recipients") || plainOffice.MatchString(m.header.text("From"))
}

// postOffice reports whether an address is that of a mail server.
func postOffice(address string) bool { return officeName.MatchString(address) }

// namedOffice reports whether the sender of a message is a mail server by its name or by the form of the
// message.
func namedOffice(m *message, r *Report) bool {
	return isReport(m) || m.header.has("X-Failed-Recipients") || postOffice(r.From) || officeWord.MatchString(r.FromName) ||
		r.From == "" && officeWord.MatchString(m.header.get("From")) || m.header.has("X-MLServer")
}

// surelyOffice reports whether the sender is one by its name, the form of the message, or the empty
// envelope sender. Machines that answer for people have that one too.
func surelyOffice(m *message, r *Report) bool { return namedOffice(m, r) || nullPath(m.header) }

// byMachine reports whether the message's sender is none that a person writes from, as far as its header
// tells: a postmaster may be one.
func byMachine(m *message, r *Report) bool {
	v := strings.Trim(m.header.get("Return-Path"), " <>")
	return v == "" || postOffice(v) || daemon.MatchString(r.From)
}

// isReport reports whether a message has the form of a delivery report (RFC 6522).
func isReport(m *message) bool {
	kind := strings.ToLower(m.params["report-type"])
	return m.kind == "multipart/report" && (kind == "" || strings.Contains(kind, "delivery"))
}

// fromPostOffice reports whether a message is from a mail server about a mail that it could not
// deliver. Two things must be so: the sender is one, and subject or words are. Where the sender does
// not look like one, subject and words and what is sent along must be.
func fromPostOffice(m *message, r *Report) bool {
	if m.header.has("X-Failed-Recipients") {
		return true
	}
	if m.kind == "multipart/report" && !isReport(m) || noReturn.MatchString(r.Subject) && !isReport(m) && (!postOffice(r.From) || len(r.Refers) > 0) {
		return false
	}
	sure := namedOffice(m, r)
	if !sure && !m.cameBack() {
		return false // whatever it says: people speak of mail that failed, and machines that answer for them do
	}
	if sure = sure || nullPath(m.header); !sure && (len(r.Refers) > 0 || !sureSubject.MatchString(r.Subject)) { // most mail ends here, before its text is searched
		return false
	}
	text := m.words()
	if sure && fieldsForm.MatchString(text) {
		return true
	}
	text = oneLine(text[:min(len(text), 8<<10)]) // what it is, a report says first
	words, proof := returnWords.MatchString(text), m.returned != nil || replies(text) != ""
	switch {
	case !sure:
		return words && proof
	case words:
		return returnSubject.MatchString(r.Subject) || proof || !nullPath(m.header)
	}
	return returnSubject.MatchString(r.Subject) && proof || m.returned != nil && daemon.MatchString(r.From)
}

var daemon = regexp.MustCompile(`(?i)^mailer[-_. ]?daemon@`)

func oneLine(s string) string { return strings.Join(strings.Fields(quotesTable.Replace(s)), " ") }

var (
	lateWords  = regexp.MustCompile(`(?i)warning message only|do not need to re-?send|has been (delayed|postponed)|been delayed|is delayed|delivery (is |of your message )?delayed|will (still )?be retried|will (continue|keep|go on) (to )?(try|retry)|still (being|trying|in the queue)|(has|have)(n't| not) (yet )?been delivered (yet)?|not yet (been )?delivered|will be (re)?tried|no action is required|attempts will continue|will continue to be|continue trying|next attempt|retry(ing)? (for|until)|could not send message for past|wird weiterhin versucht|noch nicht zugestellt`)
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
