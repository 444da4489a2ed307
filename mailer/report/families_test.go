package report

import (
	"strings"
	"testing"

	"broadsheet/mailer"
)

// families are reports as servers of all kinds write them, in short. The first line is From and
// Subject with a '|' between.
var families = []struct {
	name, text string
	class      mailer.Class
	reason     string
	to         string
}{
	{"qmail", `MAILER-DAEMON@mx.one.example|failure notice

Hi. This is the qmail-send program at mx.one.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ada@reader.example>:
Sorry, no mailbox here by that name. (#5.1.1)

--- Below this line is a copy of the message.

Return-Path: <bounce+abc@paper.example>
From: paper@paper.example
To: ada@reader.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"qmail full", `MAILER-DAEMON@mx.one.example|failure notice

Hi. This is the qmail-send program at mx.one.example.
I'm afraid I wasn't able to deliver your message to the following addresses.

<ada@reader.example>:
The users mailfolder is over the allowed quota (size). (#5.2.2)
`, mailer.Soft, "mailboxfull", "ada@reader.example"},
	{"qmail host", `MAILER-DAEMON@mx.one.example|failure notice

<ada@reader.example>:
Sorry, I couldn't find any host named reader.example. (#5.1.2)
I'm afraid I wasn't able to deliver your message to the following addresses.
`, mailer.Hard, "hostunknown", "ada@reader.example"},
	{"exim", `Mail Delivery System <Mailer-Daemon@mx.one.example>|Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@reader.example
    SMTP error from remote mail server after RCPT TO:<ada@reader.example>:
    host mx.reader.example [192.0.2.1]: 550 No such user here

------ This is a copy of the message, including all the headers. ------

Return-path: <bounce+abc@paper.example>
From: paper@paper.example
To: ada@reader.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"exim routed", `Mail Delivery System <Mailer-Daemon@mx.one.example>|Mail delivery failed: returning message to sender

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@reader.example
    Unrouteable address
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"exim late", `Mail Delivery System <Mailer-Daemon@mx.one.example>|Warning: message 1AbCdE-000123-Ef delayed 24 hours

This message was created automatically by mail delivery software.
A message that you sent has not yet been delivered to one or more of its
recipients after more than 24 hours on the queue on mx.one.example.

The address to which the message has not yet been delivered is:

  ada@reader.example
    Delay reason: Connection timed out

No action is required on your part. Delivery attempts will continue for
some time, and this warning may be repeated at intervals if the message
remains undelivered.
`, mailer.Put, "", "ada@reader.example"},
	{"exim expired", `Mail Delivery System <Mailer-Daemon@mx.one.example>|Mail delivery failed: returning message to sender

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ada@reader.example
    retry timeout exceeded
`, mailer.Soft, "expired", "ada@reader.example"},
	{"gmail of old", `Mail Delivery Subsystem <mailer-daemon@googlemail.com>|Delivery Status Notification (Failure)

Delivery to the following recipient failed permanently:

     ada@reader.example

Technical details of permanent failure:
Google tried to deliver your message, but it was rejected by the recipient domain. We recommend contacting the other email provider for further information about the cause of this error. The error that the other server returned was: 550 550 5.1.1 <ada@reader.example>: Email address could not be found, or was misspelled (state 14).

----- Original message -----

MIME-Version: 1.0
Received: by 10.0.0.1 with SMTP id x
From: paper@paper.example
To: ada@reader.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"sendmail of old", `Mail Delivery Subsystem <MAILER-DAEMON@mx.one.example>|Returned mail: User unknown

The original message was received at Tue, 3 Mar 1998 10:00:00 GMT
from localhost

   ----- The following addresses had permanent fatal errors -----
<ada@reader.example>

   ----- Transcript of session follows -----
... while talking to mx.reader.example.:
>>> RCPT To:<ada@reader.example>
<<< 550 <ada@reader.example>... User unknown
550 <ada@reader.example>... User unknown

   ----- Message header follows -----
Return-Path: <bounce+abc@paper.example>
Received: by mx.one.example
Date: Tue, 3 Mar 1998 10:00:00 GMT
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"exchange of old", `System Administrator <postmaster@reader.example>|Undeliverable: Morning

Your message

  To:      ada@reader.example
  Subject: Morning
  Sent:    Tue, 3 Mar 2003 10:00:00 -0000

did not reach the following recipient(s):

ada@reader.example on Tue, 3 Mar 2003 10:00:01 -0000
    The e-mail account does not exist at the organization this message
    was sent to. Check the e-mail address, or contact the recipient
    directly to find out the correct address.
    <mx.reader.example #5.1.1>
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"exchange full", `System Administrator <postmaster@reader.example>|Undeliverable: Morning

Your message did not reach some or all of the intended recipients.

The following recipient(s) could not be reached:

      ada@reader.example on 03.03.2003 10:00
            The recipient's mailbox is full and can't accept messages now.
            <mx.reader.example #5.2.2 smtp;552 5.2.2 over quota>
`, mailer.Soft, "mailboxfull", "ada@reader.example"},
	{"notes", `Postmaster@reader.example|DELIVERY FAILURE: User ada (ada@reader.example) not listed in Domino Directory

Your message

  Subject: Morning

was not delivered to:

  ada@reader.example

because:

  User ada (ada@reader.example) not listed in Domino Directory
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"marshal", `Mail Gateway <postmaster@reader.example>|Undeliverable: Morning

Your message:
   From:    paper@paper.example
   Subject: Morning

Could not be delivered because of

550 5.1.1 User unknown

The following recipients were affected:
    ada@reader.example

Additional Information
======================
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"scanner", `"InterScan Gateway" <scanner@reader.example>|Mail could not be delivered

Sent <<< RCPT TO:<ada@reader.example>
Received >>> 550 5.1.1 <ada@reader.example>... user unknown
Unable to deliver message to <ada@reader.example>.
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"java server", `postmaster@reader.example|Re: Morning

Hi. This is the James mail server at mx.reader.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out. Below
I include the list of recipients and the reason why I was unable to deliver
your message.

ada@reader.example
550 - Requested action not taken: no such user here
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"yahoo", `MAILER-DAEMON@yahoo.com|Failure Notice

Sorry, we were unable to deliver your message to the following address.

<ada@reader.example>:
Remote host said: 554 delivery error: dd This user doesn't have a yahoo.com account (ada@reader.example) [0] - mta1.mail.example [BODY]

--- Below this line is a copy of the message.

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"portal", `"Mail Delivery System" <mailer-daemon@web.example>|Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of
its recipients. The following addresses failed:

<ada@reader.example>

SMTP error from remote server after transfer of mail text:
host: mx.reader.example
5.7.1 Message contains spam or virus.

--- The header of the original message is following. ---

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Content, "virusdetected", "ada@reader.example"},
	{"open", `Mailer Daemon <MAILER-DAEMON@mx.one.example>|Delivery status notification: error

    Hi!

    This is the MAILER-DAEMON, please DO NOT REPLY to this email.

    An error has occurred while attempting to deliver a message for
    the following list of recipients:

ada@reader.example: 550 5.2.2 <ada@reader.example>... Mailbox Full

    Below is a copy of the original message:

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Soft, "mailboxfull", "ada@reader.example"},
	{"dragonfly", `MAILER-DAEMON <>|Mail delivery failed

This is the DragonFly Mail Agent v0.13 at mx.one.example.

There was an error delivering your mail to <ada@reader.example>.

mx.reader.example [192.0.2.1] did not like our RCPT TO:
550 5.1.1 <ada@reader.example>: Recipient address rejected: User unknown

Message headers follow.

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"mobile", `Postmaster@phone.example|Mail System Error - Returned Mail

The following message could not be delivered:

<ada@reader.example>

The user(s) account is temporarily over quota.
`, mailer.Soft, "mailboxfull", "ada@reader.example"},
	{"imail", `"Postmaster" <postmaster@reader.example>|Undeliverable Mail

Invalid final delivery userid: ada@reader.example

Original message follows.

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"german", `Mail Delivery System <mailer-daemon@mx.one.example>|Mail konnte nicht zugestellt werden

Ihre Nachricht konnte nicht zugestellt werden an:

ada@reader.example

Grund: 550 5.1.1 Benutzer unbekannt
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"groupwise", `<postmaster@reader.example>|Message status - undeliverable

The message that you sent was undeliverable to the following:
	ada@reader.example (user not found)

Possibly truncated original message follows:

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"mdaemon", `MDaemon at reader.example <MDaemon@reader.example>|Warning: ada@reader.example - User unknown!

The attached message had PERMANENT fatal delivery errors!

After one or more unsuccessful delivery attempts the attached message has
been removed from the mail queue on this server.

YOUR MESSAGE WAS NOT DELIVERED TO ONE OR MORE RECIPIENTS!

Failed address: ada@reader.example

--- Session Transcript ---
 Tue 2003-03-03 10:00:01: <-- 550 5.1.1 <ada@reader.example>, Recipient unknown
--- End Transcript ---
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"text message", `postmaster@text.example|Undeliverable Message

Error: The message to <2025550100@text.example> could not be delivered.
No valid recipients for this MM
`, mailer.Hard, "userunknown", "2025550100@text.example"},
	{"mercury", `Electronic Postmaster <postmaster@reader.example>|Postmaster Notify: Delivery Failure.

With respect to your message about "Morning":

The local mail transport system has reported the following problems
it encountered while trying to deliver your message:

*** ada@reader.example
    550 user unknown.
`, mailer.Soft, "userunknown", "ada@reader.example"},
	{"russian", `mailer-daemon@corp.mail.example|Ваше сообщение не доставлено. Mail failure.

К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

ada@reader.example

  550 spam message rejected. Please visit http://help.example/notspam
`, mailer.Policy, "spamdetected", "ada@reader.example"},
	{"chinese", `postmaster@mail.example|系统退信

550 5.1.1 <ada@reader.example> user not exist
收件人不存在, failed to deliver
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"big", `Mail Delivery System <mailer-daemon@mx.one.example>|Undelivered Mail Returned to Sender

Your message could not be delivered.

<ada@reader.example>: message size 40000000 exceeds size limit 20000000 of
    server mx.reader.example[192.0.2.1]
`, mailer.Content, "mesgtoobig", "ada@reader.example"},
	{"sender refused", `Mail Delivery System <mailer-daemon@mx.one.example>|Undelivered Mail Returned to Sender

Your message could not be delivered.

<ada@reader.example>: host mx.reader.example[192.0.2.1] said: 550 5.1.8
    <bounce+abc@paper.example>: Sender address rejected: Domain not found (in reply
    to RCPT TO command)
`, mailer.Policy, "rejected", "ada@reader.example"},
	{"for now", `Mail Delivery System <mailer-daemon@mx.one.example>|Undelivered Mail Returned to Sender

Your message could not be delivered.

<ada@reader.example>: mx.reader.example said 450 user unknown
The last command was RCPT TO.
`, mailer.Soft, "userunknown", "ada@reader.example"},
	{"old transcript", `Mail Delivery Subsystem <MAILER-DAEMON@reader.example>|Returned mail: User unknown

   ----- The following addresses have delivery notifications -----
<ada@reader.example>  (unrecoverable error)

   ----- Transcript of session follows -----
550 <ada@reader.example>... User unknown

   ----- Original message follows -----

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"recipient and reason", `Mailer Daemon <MAILER-DAEMON@reader.example>|Delivery status notification

    An error has occurred while attempting to deliver a message.

    Recipient: ada@reader.example
    Reason:
    550 Invalid recipient: <ada@reader.example>

    Below is a copy of the original message:

Received: from x by y
From: paper@paper.example
Subject: Morning
`, mailer.Hard, "userunknown", "ada@reader.example"},
	{"greylisted", `Mail Delivery System <mailer-daemon@mx.one.example>|Undelivered Mail Returned to Sender

Your message could not be delivered for more than 5 days.

<ada@reader.example>: host mx.reader.example[192.0.2.1] said: 450 4.1.1
    <ada@reader.example>: Recipient address rejected: User unknown in local
    recipient table (in reply to RCPT TO command)
`, mailer.Soft, "userunknown", "ada@reader.example"},
}

func TestFamilies(t *testing.T) {
	for _, f := range families {
		head, body, _ := strings.Cut(f.text, "\n")
		from, subject, _ := strings.Cut(head, "|")
		raw := "Return-Path: <>\nTo: bounce+abc@paper.example\nFrom: " + from + "\nSubject: " + subject + "\n" + body
		r := Read([]byte(raw))
		if r.Class != f.class || len(r.News) != 1 {
			t.Errorf("%s: class %s, want %s; %+v", f.name, r.Class, f.class, r.News)
			continue
		}
		n := r.News[0]
		if n.Recipient != f.to || f.reason != "" && n.Reason != f.reason {
			t.Errorf("%s: %s %s, want %s %s; %s", f.name, n.Recipient, n.Reason, f.to, f.reason, n.Text)
		}
	}
}
