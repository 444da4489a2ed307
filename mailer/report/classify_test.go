package report

import (
	"strings"
	"testing"

	"broadsheet/mailer"
)

// TestClassify tells refusals of many servers and providers apart. A reader is charged for what is said of
// the mailbox alone.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		class  mailer.Class
		reason string // "" = any of the class
		text   string
	}{
		// No such mailbox.
		{mailer.Hard, "userunknown", "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address"},
		{mailer.Hard, "userunknown", "550-5.1.1 The email account that you tried to reach does not exist. Please 550 5.1.1 try double-checking"},
		{mailer.Hard, "userunknown", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."},
		{mailer.Hard, "userunknown", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ada@reader.example not found by SMTP address lookup"},
		{mailer.Hard, "userunknown", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"},
		{mailer.Hard, "userunknown", "554 delivery error: dd Requested mail action aborted, mailbox not found - mta4.mail.example"},
		{mailer.Hard, "userunknown", "550 5.1.1 <ada@reader.example>: user does not exist"},
		{mailer.Hard, "userunknown", "550 5.1.1 <ada@reader.example> Recipient not found. <http://x.example/postmaster/errors.html#550-5.1.1>"},
		{mailer.Hard, "userunknown", "550 5.1.1 RCP-P1 http://postmaster.example/response_codes#rcp Invalid recipient"},
		{mailer.Hard, "userunknown", "550 Mailbox not found"},
		{mailer.Hard, "userunknown", "550 5.2.1 The user you are trying to contact does not exist (in reply to RCPT TO command)"},
		{mailer.Hard, "userunknown", "550 5.1.1 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]"},
		{mailer.Hard, "userunknown", "5.1.1 - Bad destination email address 'reject by behavior'"},
		{mailer.Hard, "userunknown", "553 5.1.1 sorry, no mailbox here by that name"},
		{mailer.Hard, "userunknown", "550 No such user - ada@reader.example (in reply to RCPT TO command)"},
		{mailer.Hard, "userunknown", "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)"},
		{mailer.Hard, "userunknown", "550 5.1.3 Bad recipient address syntax"},
		{mailer.Hard, "userunknown", "unrouteable address"},
		{mailer.Hard, "hasmoved", "551 5.1.6 User has moved; please try <eve@other.example>"},
		{mailer.Hard, "notaccept", "556 5.1.10 Recipient address has null MX"},
		{mailer.Hard, "notaccept", "Domain reader.example does not accept mail (nullMX)"},
		{mailer.Hard, "hostunknown", "Host or domain name not found. Name service error for name=reader.example type=A: Host not found"},
		{mailer.Hard, "hostunknown", "550 5.4.310 DNS domain reader.example does not exist [Message=InfoDomainNonexistent]"},
		{mailer.Hard, "hostunknown", "550 5.1.2 Bad destination host 'DNS Hard Error looking up reader.example (MX): NXDomain'"},
		// Perhaps no such mailbox, or for now.
		{mailer.Soft, "userunknown", "550 Unknown user ada@reader.example"},
		{mailer.Soft, "userunknown", "450 4.1.1 <ada@reader.example>: Recipient address rejected: User unknown in local recipient table"},
		{mailer.Soft, "", "450 4.2.0 <ada@reader.example>: Recipient address rejected: unverified address: Address lookup failed"},
		// Full, out of order.
		{mailer.Soft, "mailboxfull", "552-5.2.2 The email account that you tried to reach is over quota. Please direct 552 5.2.2 the recipient to"},
		{mailer.Soft, "mailboxfull", "552 5.2.2 This message is larger than the current system limit or the recipient's mailbox is full. Create a shorter message"},
		{mailer.Soft, "mailboxfull", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded"},
		{mailer.Soft, "mailboxfull", "552 1 Requested mail action aborted, mailbox not found: quota exceeded"},
		{mailer.Soft, "mailboxfull", "422 The recipient's mailbox is over its storage limit"},
		{mailer.Soft, "mailboxfull", "452 4.2.2 The recipient's inbox is out of storage space."},
		{mailer.Soft, "mailboxfull", "5.2.2 Boite du destinataire pleine. Recipient overquota. OFR_417 [417]"},
		{mailer.Soft, "mailboxfull", "450 4.2.2 ada is over quota"},
		{mailer.Soft, "suspend", "550 5.2.1 The email account that you tried to reach is disabled."},
		{mailer.Soft, "suspend", "550 5.2.1 The email account that you tried to reach is inactive."},
		{mailer.Soft, "suspend", "554 delivery error: dd This account has been temporarily suspended. Please try again later"},
		{mailer.Soft, "suspend", "554 delivery error: dd Sorry your message to ada cannot be delivered. This account has been disabled or discontinued [#102]."},
		{mailer.Soft, "suspend", "525 5.7.13 Disabled recipient address"},
		{mailer.Soft, "suspend", "550 5.2.1 Mailbox has been frozen"},
		{mailer.Soft, "expired", "4.4.7 Message expired: unable to deliver in 840 minutes"},
		{mailer.Soft, "", "421 4.4.2 Connection timed out"},
		{mailer.Soft, "networkerror", "connect to mx.reader.example[192.0.2.1]:25: Connection refused"},
		{mailer.Soft, "networkerror", "554 5.4.6 Too many hops 26 (25 max)"},
		{mailer.Soft, "systemfull", "452 4.3.1 Insufficient system storage"},
		{mailer.Soft, "", "550 5.4.317 Message expired, cannot connect to remote server"},
		{mailer.Soft, "mailererror", `Command died with status 127: "/usr/bin/vacation"`},
		{mailer.Soft, "", "451 4.3.0 Temporary lookup failure"},
		{mailer.Soft, "", "550 5.0.350 Remote server returned an error"},
		{mailer.Soft, "undefined", ""},
		// Not from us, not so, not now.
		{mailer.Policy, "norelaying", "554 5.7.1 <ada@reader.example>: Relay access denied"},
		{mailer.Policy, "norelaying", "550 5.7.64 TenantAttribution; Relay Access Denied"},
		{mailer.Policy, "norelaying", "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"},
		{mailer.Policy, "blocked", "550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using zen.spamhaus.example"},
		{mailer.Policy, "policyviolation", "554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.example"},
		{mailer.Policy, "blocked", "550 SC-001 (BAY004) Unfortunately, messages from 192.0.2.1 weren't sent. Please contact your Internet service provider since part of their network is on our block list"},
		{mailer.Policy, "blocked", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]"},
		{mailer.Policy, "", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list"},
		{mailer.Policy, "", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints"},
		{mailer.Policy, "", "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently deferred; Retrying will NOT succeed"},
		{mailer.Policy, "blocked", "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@x.example to clarify.) (BL)"},
		{mailer.Policy, "badreputation", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation"},
		{mailer.Policy, "badreputation", "554-mx.example 554 Your access to this mail system has been rejected due to the sending MTA's poor reputation"},
		{mailer.Policy, "authfailure", "550-5.7.26 This mail has been blocked because the sender is unauthenticated. 550-5.7.26 requires all senders to authenticate with either SPF or DKIM"},
		{mailer.Policy, "authfailure", "550 5.7.515 Access denied, sending domain paper.example does not meet the required authentication level"},
		{mailer.Policy, "authfailure", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"},
		{mailer.Policy, "authfailure", "554 5.7.5 Permanent error evaluating DMARC policy"},
		{mailer.Policy, "authfailure", "550 5.7.1 SPF unauthorized mail is prohibited."},
		{mailer.Policy, "requireptr", "550 5.7.25 The IP address sending this message does not have a PTR record setup"},
		{mailer.Policy, "requireptr", "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"},
		{mailer.Policy, "rejected", "553 5.1.8 <x@paper.example>... Domain of sender address x@paper.example does not exist"},
		{mailer.Policy, "rejected", "550 5.1.0 <x@paper.example> sender rejected: user unknown"},
		{mailer.Policy, "rejected", "550 Sender verify failed: no such user"},
		{mailer.Policy, "rejected", "550 5.7.1 Adresse d expediteur inconnue. Invalid sender address. OFR004_204 [204]"},
		{mailer.Policy, "", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed because the sender was not authenticated"},
		{mailer.Policy, "filtered", "550 5.7.1 RCP-P2 Refused due to recipient preferences"},
		{mailer.Policy, "", "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy"},
		{mailer.Policy, "", "550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized"},
		{mailer.Policy, "", "550 Administrative prohibition - envelope blocked"},
		{mailer.Policy, "spamdetected", "554 5.7.1 Message scored too high on spam scale. For help, please quote incident ID 1"},
		{mailer.Policy, "spamdetected", "550-5.7.1 Our system has detected that this message is 550-5.7.1 likely unsolicited mail."},
		{mailer.Policy, "", "550 High probability of spam"},
		{mailer.Policy, "", "554 Message not allowed - [PH01] Email not accepted for policy reasons."},
		{mailer.Policy, "", "550 5.7.0 Blocked by the recipient's content filter"},
		{mailer.Content, "virusdetected", "554 5.7.1 The file document.pdf (details:trojan) is infected"},
		{mailer.Policy, "", "421 4.7.28 Our system has detected an unusual rate of unsolicited mail originating from your IP address"},
		{mailer.Policy, "", "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered"},
		{mailer.Policy, "toomanyconn", "421 4.7.0 Too many connections from your host"},
		{mailer.Policy, "toomanyconn", "421 Too many concurrent SMTP connections; please try again later"},
		{mailer.Policy, "", "550 5.7.1 Connection refused by your policy: Mail appears to be unsolicited"},
		{mailer.Policy, "", "550 5.7.0 Local Policy Violation"},
		{mailer.Policy, "", "530 5.7.0 Must issue a STARTTLS command first"},
		{mailer.Policy, "", "535 5.7.8 Error: authentication failed"},
		{mailer.Policy, "", "554 5.7.1 : (RLY:B1) http://postmaster.example"},
		{mailer.Policy, "", "550 Mail content denied http://service.example/cgi-bin/help?id=20022"},
		{mailer.Policy, "", "550 Ip frequency limited. http://service.example"},
		{mailer.Policy, "", "550 Connection frequency limited"},
		{mailer.Policy, "spamdetected", "554 DT:SPM mx12,x9,1 please see the pages for postmasters"},
		// It was tried for days, and nobody has said that they do not want it.
		{mailer.Soft, "greylisted", "450 4.7.1 Greylisted, please try again later"},
		{mailer.Soft, "greylisted", "450 4.2.0 <ada@reader.example>: Recipient address rejected: Greylisted for 300 seconds (in reply to RCPT TO command)"},
		// Too large, or broken.
		{mailer.Content, "mesgtoobig", "552 5.3.4 Message size exceeds fixed limit"},
		{mailer.Content, "mesgtoobig", "552-5.2.3 Your message exceeded Google's message size limits."},
		{mailer.Content, "mesgtoobig", "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient"},
		{mailer.Content, "virusdetected", "550 A virus was found in this message: Test-Signature (in reply to end of DATA command)"},
		{mailer.Content, "notcompliantrfc", "550-5.7.1 This message is not RFC 5322 compliant. There are multiple Subject 550-5.7.1 headers."},
		{mailer.Content, "notcompliantrfc", "550 5.6.11 Invalid characters: bare linefeed in message body"},
		{mailer.Content, "contenterror", "554 5.6.1 Body type not supported by remote host"},
		{mailer.Content, "contenterror", "552 5.6.0 Submitted message contains an attachment that is blocked"},
		{mailer.Content, "", "500 Line too long"},
		{mailer.Content, "", "553 5.6.7 SMTPUTF8 is required, but was not offered by host"},
		{mailer.Content, "exceedlimit", "452 4.5.3 Too many recipients"},
	} {
		class, reason := Classify("", 0, c.text)
		if class != c.class || c.reason != "" && reason != c.reason {
			t.Errorf("%s %s, want %s %s: %s", class, reason, c.class, c.reason, c.text)
		}
	}
}

// TestClassifyFields tells what the fields of a report add to what a server said.
func TestClassifyFields(t *testing.T) {
	for _, c := range []struct {
		status string
		code   int
		text   string
		class  mailer.Class
		reason string
	}{
		{"5.1.1", 550, "", mailer.Hard, "userunknown"},
		{"5.1.1", 0, "User unknown", mailer.Hard, "userunknown"},
		{"5.1.1", 450, "User unknown", mailer.Soft, "userunknown"},
		{"4.1.1", 0, "User unknown", mailer.Soft, "userunknown"},
		{"5.1.1", 0, "550 Access denied", mailer.Policy, "policyviolation"}, // 5.1.1 is what a relay made of 550
		{"5.1.1", 0, "550 5.7.1 IP address blacklisted", mailer.Policy, "blocked"},
		{"5.0.0", 0, "550 5.1.1 User unknown", mailer.Hard, "userunknown"},
		{"5.2.2", 0, "", mailer.Soft, "mailboxfull"},
		{"5.2.2", 552, "552 5.2.2 <mailboxfull@reader.example>", mailer.Soft, "mailboxfull"},
		{"5.0.0", 550, "<user-unknown@reader.example>: 550 <no-such-user@reader.example>", mailer.Soft, "undefined"}, // a name is no word
		{"5.7.1", 0, "", mailer.Policy, "policyviolation"},
		{"5.7.999", 0, "", mailer.Policy, "policyviolation"},
		{"5.3.4", 552, "", mailer.Content, "mesgtoobig"},
		{"", 551, "", mailer.Hard, "hasmoved"},
		{"", 552, "", mailer.Soft, "mailboxfull"},
		{"", 0, "", mailer.Soft, "undefined"},
		{"x", -5, "\xff\x00", mailer.Soft, "undefined"},
	} {
		if class, reason := Classify(c.status, c.code, c.text); class != c.class || reason != c.reason {
			t.Errorf("%s %d %q: %s %s, want %s %s", c.status, c.code, c.text, class, reason, c.class, c.reason)
		}
	}
}

// TestClassifyLog classifies what a log says by the words that it has: they tell that RCPT was refused,
// and the same server's report says no more.
func TestClassifyLog(t *testing.T) {
	for text, class := range map[string]mailer.Class{
		"host mx.reader.example[192.0.2.1] said: 550 No such user here (in reply to RCPT TO command)":              mailer.Hard,
		"host mx.reader.example[192.0.2.1] said: 550 unknown user (in reply to RCPT TO command)":                   mailer.Hard,
		"host mx.reader.example[192.0.2.1] said: 550 Invalid recipient ada (in reply to RCPT TO command)":          mailer.Hard,
		"host mx.reader.example[192.0.2.1] said: 550-unknown user 550 see https://x (in reply to RCPT TO command)": mailer.Hard,
		"host mx.reader.example[192.0.2.1] said: 550 No such user here (in reply to end of DATA command)":          mailer.Soft,
		"host mx.reader.example[192.0.2.1] said: 550 No such user here":                                            mailer.Soft,
		"host mx.reader.example[192.0.2.1] said: 450 No such user here (in reply to RCPT TO command)":              mailer.Soft,
		"host mx.reader.example[192.0.2.1] said: 550 sender blocked (in reply to RCPT TO command)":                 mailer.Policy,
	} {
		code := 550
		if strings.Contains(text, "said: 450") {
			code = 450
		}
		if got, reason := Classify("5.0.0", code, text); got != class {
			t.Errorf("%s %s, want %s: %s", got, reason, class, text)
		}
		report := "--b\nContent-Type: text/plain\n\nIt came back.\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.one.example\n\n" +
			"Final-Recipient: rfc822; ada@reader.example\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; " + text + "\n--b--\n"
		r := Read([]byte("Return-Path: <>\nFrom: mailer-daemon@mx.one.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n" + report))
		if r.Class != class {
			t.Errorf("a report says %s, want %s: %s", r.Class, class, text)
		}
	}
}
