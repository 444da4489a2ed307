package report

import "strings"

// rule gives a reason to texts that hold one of its phrases.
type rule struct {
	reason  string
	perhaps bool // see [doubtful]
	phrases []string
}

// rules are looked through from the top; the first phrase that is found decides. So what is said of
// the sender, the network and the content stands before what is said of the mailbox: "sender
// rejected: user unknown" is no word about the reader, and "user unknown" the last thing to believe.
// Phrases are in lower case, without addresses, reply codes and links, a '*' stands for up to gap
// other octets. (Collected from what servers say; RFC 3463 codes come after them, in [statusReasons].)
var plainRules = []rule{
	{"norelaying", false, []string{
		"relay access denied", "relay access is denied", "relaying denied", "relaying is denied", "relay denied", "relay not permitted",
		"relaying not permitted", "relaying not allowed", "relaying is not allowed", "relaying prohibited",
		"relay is prohibited", "relay prohibited", "unable to relay", "cannot relay", "can't relay",
		"not permitted to relay", "not allowed to relay", "we do not relay", "don't relay", "do not relay", "no relaying", "no relay ",
		"relay operation rejected", "relay rejected", "mail relaying", "not a relay", "not an open relay",
		"open relay", "as a relay", "in my list of allowed rcpthosts", "isn't in my list of allowed", "unauthorized relay",
		"relay not allowed", "relay attempt", "third party relay", "this system is not configured to relay",
		"insecure mail relay", "mail server requires authentication when attempting to send to a non-local",
		"is not a gateway", "relayed through this", "domain isn't allowed to be relayed", "domain is not hosted here",
		"relaying to*prohibited", "relaying to*denied", "relaying mail to",
	}},
	{"notcompliantrfc", false, []string{
		"not rfc", "rfc compliant", "rfc-compliant", "rfc 5322", "rfc5322", "rfc 2822", "rfc2822", "rfc 5321", "rfc 2821", "rfc2821", "rfc 2045",
		"rfc 2047", "rfc 6532", "non-compliant", "not compliant", "does not comply", "not comply", "violates rfc", "duplicate header", "multiple*header",
		"multiple addresses in from", "addresses in from", "addresses in the from", "missing*header", "missing from", "missing date", "missing message-id",
		"no message-id", "invalid message-id", "malformed header", "bad header", "invalid header", "header*invalid", "syntax*header", "bare lf",
		"bare line feed", "bare cr", "bare newline", "stray newline", "see http://pobox.com/~djb/docs/smtplf", "line*too long", "line length",
		"line limit", "lines too long", "long line", "maximum line", "non-ascii", "not properly formatted", "improperly formatted", "header fields",
		"date header", "from:*header*missing", "header syntax", "8-bit*header",
	}},
	{"authfailure", false, []string{
		"dmarc", "dkim*fail", "dkim*invalid", "dkim*required", "dkim*did not pass", "fails dkim", "failed dkim", "invalid dkim", "dkim signature",
		"spf check", "spf fail", "spf validation", "spf unauthorized", "spf record", "fails spf", "failed spf", "spf hard", "spf soft", "spf error",
		"spf lookup", "spf: ", "spf (sender policy", "rejected by spf", "because of spf", "(spf)", "spf result", "spf policy", "does not pass spf",
		"spf =", "spf=", " spf -",
		"sender policy framework", "openspf", "unauthenticated mail", "unauthenticated email", "unauthenticated sender", "unauthenticated message",
		"email is unauthenticated", "message is unauthenticated", "is not authenticated",
		"authentication checks", "authentication results", "has not been authenticated", "sender authentication", "domain authentication",
		"failed authentication check",
		"not authorized to send on behalf", "not authorised to send on behalf",
		"not authorized to send from", "not allowed to send mail from", "not permitted to send mail from", "is not a designated", "not a permitted sender",
		"does not meet the required authentication level", "arc validation", "ip*not allowed to send mail*domain", "must be authenticated with",
		"sender*not authenticated", "required authentication level", "you must publish", "sender id",
	}},
	{"requireptr", false, []string{
		"ptr record", "reverse dns", "reverse-dns", "rdns", "reverse host", "reverse lookup", "reverse record", "reverse address", "reverse name",
		"no ptr", "missing ptr", "without ptr", "invalid ptr", "bad ptr", "fcrdns", "generic ptr", "dynamic ptr", "ptr lookup", "ptr/reverse", " ptr ",
		"ptr:",
		"cannot find your hostname", "cannot find your reverse", "ip name lookup failed", "ip name possibly forged", "possibly forged",
		"cannot resolve your", "can't resolve your", "unable to resolve your",
		"domain of*does not resolve to", "dns records*do not match", "your hostname*not", "ip address*no hostname", "ip does not resolve",
		"does not have a valid hostname",
		"your ip address*resolve", "unresolvable relay", "unresolvable host", "no hostname", "client host*not resolv",
		"forward dns",
	}},
	{"badreputation", false, []string{
		"reputation", "sender score", "senderscore", "senderbase", "sender base", "poor score", "trust score", "low trust",
	}},
	{"toomanyconn", false, []string{
		"too many connection", "too many concurrent", "too many simultaneous", "too many open connection", "connection limit", "connections limit",
		"connection rate", "maximum*connections",
		"max*connections", "concurrent connection", "simultaneous connection", "too many sessions", "too many smtp sessions", "connection count",
		"exceeded*connections", "concurrent smtp", "max concurrent", "parallel connections", "connection frequency",
	}},
	{"speeding", false, []string{
		"too fast", "slow down", "sending too quickly", "at a rate that prevents", "receiving mail too quickly", "mail too quickly",
		"receiving email too quickly",
		"receiving rate", "user is receiving mail at",
	}},
	{"ratelimited", false, []string{
		"rate limit", "rate-limit", "ratelimit", "throttl", "unusual rate", "sending rate", "message rate", "mail rate", "rate control", "rate exceed",
		"exceeded the rate", "exceeds rate",
		"too many messages from", "too many emails", "too many mails", "too many messages in", "too much mail", "too much email", "exceeded*per hour",
		"exceeded*per day", "messages per hour", "messages per day",
		"emails per hour", "emails per day", "hourly*limit", "daily*limit", "daily*quota", "relay quota", "hourly*quota", "sending limit",
		"daily user sending", "sending quota", "message quota exceeded",
		"temporarily deferred due to", "excessive*volume", "high volume", "volume of mail", "unexpected volume", "frequency limit",
		"limit exceeded for sender",
		"too many recipients*hour", "too many recipients this", "max emails", "too many errors", "too many bad", "too many invalid", "too many unknown",
	}},
	{"blocked", false, []string{
		"spamhaus", "spamcop", "sorbs", "barracudacentral", "barracuda reputation", "uceprotect", "surbl", "uribl", "psbl", "njabl", "cbl.abuseat",
		"abuseat", "dnsbl", "rbl", "invaluement", "spamrats", "backscatterer",
		"mailspike", "proofpoint", "cloudmark", "trendmicro", "mail-abuse", "dynablock", "truncate.gbudb", "0spam",
		"blocklist", "block list", "block-list", "blacklist", "black list", "black-list", "blackhole", "black hole", "denylist", "deny list", "badlist",
		"bad list", "real-time", "realtime", "listed at", "listed by", "listed on", "is listed", "are listed", "been listed",
		"client host rejected", "client host*blocked", "helo command rejected", "helo rejected", "helo name", "helo host", "helo argument", "invalid helo",
		"bad helo", "ehlo*rejected", "helo*not", "host rejected", "host*denied", "server*denied access", "client*denied", "client rejected",
		"client*blocked",
		"your ip", "ip address*block", "ip*block", "ip address*banned", "ip*banned", "ip*denied", "ip address*rejected", "ip*rejected",
		"ip address*refused", "ip*not allowed", "ip*is not authorized", "bad ip", "from your ip",
		"your server*block", "your mail server*block", "your host*block", "your network", "your domain*block", "your isp", "server ip",
		"server*has been blocked", "server*banned", "servers*blocked",
		"source ip", "source address*block", "sending ip", "sending mta", "sending server", "sending host", "mail server [", "ip network", "netblock",
		"network block",
		"connection refused by policy", "connection not allowed", "connections not accepted", "connection not accepted", "not accepting connections",
		"not accept connection", "connection rejected", "connection denied", "connection dropped", "connection blocked", "connection refused due to",
		"connection refused from", "refused your connection", "we don't accept mail from", "we do not accept mail from", "not accept mail from",
		"not accept email from", "not accepting mail from", "no mail accepted from", "mail from*blocked", "email from*blocked", "messages from*blocked",
		"messages from*deferred", "will be permanently deferred",
		"mail from*not allowed", "mail from*is denied", "mail*refused from", "refuse to accept mail from", "rejected*your mail server",
		"not accept mail from your", "go away", "service refuse", "you are not welcome", "not welcome",
		"dynamic ip", "dynamic address", "dynamic host", "dialup", "dial-up", "residential", "dynamic pool", "dynamic range", "dynamically assigned",
		"from dynamic", "generic hostname",
		"temporarily blocked", "temporarily banned", "has been blocked", "you are blocked", "is blocked", "was blocked by", "are blocked", "blocked using",
		"blocked by", "blocked because", "blocked due", "blocked -", "(blocked)", "hard block", "currently blocked", "banned", "access denied*s3", "(s3",
		"esmtp not accepting", "no longer accepts mail from", "access from ip", "access denied. ip", "access denied by", "smtp access denied", "greylist",
		"graylist", "grey list", "gray list", "greylisted", "try again later*policy", "early talker", "earlytalker", "spoke too early", "botnet", "zombie",
		"snowshoe",
		"tls required", "tls is required", "must issue a starttls", "starttls first", "encryption required", "require*encryption",
	}},
	{"virusdetected", false, []string{
		"virus", "malware", "infected", "trojan", "malicious", "ransomware",
	}},
	{"spamdetected", false, []string{
		"spamassassin", "spam-assassin", "rspamd", "dspam", "considered spam", "considered to be spam", "identified as spam", "classified as spam",
		"marked as spam", "detected as spam", "flagged as spam", "recognized as spam", "recognised as spam", "regarded as spam",
		"considered as spam", "treated as spam", "categorized as spam", "likely spam", "possible spam", "probable spam", "probably spam", "suspected spam",
		"suspected to be spam", "spam suspect", "appears to be spam", "seems to be spam", "seems like spam", "looks like spam", "look like spam",
		"appears*spam", "is spam", "as spam", "be spam", "not spam", "like spam",
		"spam message", "spam email", "spam e-mail", "spam mail", "spam content", "spam score", "spam detected", "spam found", "spam classification",
		"spam-like", "spam filter", "spam policy", "spam reject", "spam refused", "spam block", "spam level", "spam check", "spam engine", "spam rule",
		"spam threshold", "spam source", "spam not", "spam is not", "spam from", "spam host", "spam report", "spam complaint", "spam: ", "spam (", "spam)",
		"spam.", "- spam", "contains spam", "contain spam", "sending spam", "send spam", "to spam", "of spam", "no spam", "for spam", "anti-spam",
		"antispam", "spamming", "spammer", "spammy", "spam activity", "spam domain", "spam url", "spam link", "high spam", "blocked as spam",
		"unsolicited", "junk mail", "junk e-mail", "junk email", "junk filter", "bulk mail", "bulk email", "bulk e-mail", "mass mail", "phish", "spoof",
		"content filter", "content rejected", "content refused", "content denied", "content*not acceptable", "message content*unacceptable",
		"content block", "rejected*content", "denied by content", "content-based", "forbidden content", "objectionable",
		"suspicious", "bayes", "cyren", "mailguard", "ironport", "bogofilter", "pyzor", "blocked url", "url*listed", "link*listed", "contains*url",
		"contained unsafe content", "unsafe content", "spf/spam", "message looks like", "transaction failed*reported", "(aup)", "aup#",
		"mail appears to be",
	}},
	{"mailboxfull", false, []string{
		"mailbox exceed", "mailbox is over", "mailbox size", "mailbox has exceeded", "mailbox*exceeded", "mailbox would exceed", "mailbox for*exceed",
		"mailbox is larger", "mailbox too", "mailbox is too", "over quota", "quota exceeded", "exceeded*quota", "exceeds*quota",
	}},
	{"mesgtoobig", false, []string{
		"message too large", "message too big", "message is too large", "message is too big", "mail too large", "mail too big", "mail is too large",
		"message was too large", "message was too big", "mail was too big", "too large for", "e-mail too large", "email too large", "email is too large",
		"message file too big", "message size", "message*too large", "message*too big",
		"size exceeds", "exceeds*size", "exceeding*size", "exceeded*message size", "exceed*maximum*size", "exceed*message size", "size limit",
		"size restriction", "maximum size", "max size", "maximum*message*size", "max message size", "message length exceed", "message*larger than",
		"larger than the", "larger than*current system limit", "size of your message", "too much mail data", "too much data", "resolver.rst.sendsizelimit",
		"resolver.rst.recipsizelimit", "sendsizelimit", "recipsizelimit", "recvsizelimit",
		"fixed maximum message", "body too large", "body too big", "data too large", "content length", "attachment*too large", "attachment*too big",
		"messagelimit", "bigger than", "over size", "oversize", "size*over", "line*message size", "header too large", "headers too large",
		"headers are too", "message header size",
	}},
	{"exceedlimit", false, []string{
		"too many recipients", "recipient limit", "recipients limit", "too many rcpt", "maximum number of recipients", "number of recipients"}},
	{"networkerror", false, []string{
		"too many hops", "hop count", "too many received", "too many levels", "mail loop", "mail forwarding loop", "forwarding loop", "routing loop",
		"loop detected", "looping", "loops back to myself", "message is looping", "hopcount",
	}},
	{"rejected", false, []string{
		"sender address rejected", "sender rejected", "sender address*reject", "sender*rejected", "sender refused", "sender denied", "sender*denied",
		"sender is denied", "sender*blocked", "sender blocked", "sender*block", "sender*not allowed", "sender not allowed", "sender is not",
		"sender*not permitted", "sender*not accept", "sender not accept", "sender*refused", "sender*prohibited", "sender*banned", "sender*not authorized",
		"sender verify failed", "sender verify", "sender verification", "verify sender", "verifying sender", "sender callout", "callout verification",
		"sender could not be verified", "callback*sender", "could not verify sender", "unverified sender",
		"sender domain", "sender's domain", "domain of sender", "sender address*domain", "sender address*exist", "sender address*not",
		"sender does not exist", "sender*not exist", "sender*unknown", "unknown sender", "invalid sender", "bad sender", "sender invalid",
		"sender*invalid", "sender unknown", "sender not found", "sender*not found", "sender id (pra)", "illegal sender", "forged sender", "sender address",
		"sender mailbox", "local sender", "null sender", "empty sender", "null envelope", "empty envelope", "envelope sender", "empty return",
		"null reverse", "invalid*return path", "return-path", "return path", "reverse-path", "reverse path", "from address", "from domain", "valid from",
		"from: address", "from: header", "from header", "from field", "header from", "mail from:", "mail from <", "mail from: <", "mail from domain",
		"mailfrom", "your email address", "your e-mail address", "domain of your", "backscatter", "bounce message*not", "does not accept bounces",
		"dsn*not accept", "unresolvable domain", "unable to verify user", "unroutable sender", "unrouteable sender", "sending domain", "prohibited sender",
		"from <>", "from is not", "from*not allowed to", "rejected: from", "sent from*not", "you are not allowed to send mail",
		"you are not authorized to send", "permission to post", "permission to send", "not have permission", "not a member", "not subscribed",
		"non-member", "members only", "only members", "subscribers only", "posting to*group", "post to the group", "moderator", "group*not accept",
		"group you tried", "mailing list*rejected", "rejected by the mailing list", "not authorized to post", "post messages to", "restricted list",
		"this group",
	}},
	{"contenterror", false, []string{
		"attachment*not allowed", "attachment*blocked", "attachment*rejected", "attachment*prohibited", "attachment*not permitted", "attachment type", "illegal attachment", "media error", "8-bit data", "body type", "character set",
		"malformed message", "malformed mail", "malformed content", "malformed body", "executable", "file type", "file extension",
		"zip file", "message format error", "unable to decode", "improper use", "nul character",
		"smtputf8", "internationalized", "utf8", "media not supported",
	}},
	{"mailboxfull", false, []string{
		"mailbox full", "mailbox is full", "mailbox*full", "mail box full", "mail-box full", "mail box is full", "maildrop full", "mailfolder is full",
		"inbox is full", "inbox full", "mailbox for*is full", "user is full", "folder is full", "box is full", "account is full", "full mailbox",
		"mailboxfull", "mail file is full", "storage is full", "user mailbox is", "mailbox is over",
		"over quota", "overquota", "over-quota", "over their quota", "over his quota", "over its quota", "over the quota", "over the allowed quota",
		"exceeded quota", "exceeded*quota", "exceeds*quota", "exceed*quota", "quota exceed", "quota*exceed", "quota violation", "quota is full",
		"quota full", "quota error", "quota reached", "quota limit", "quota has been", "disk quota", "disc quota", "storage quota", "mailbox quota",
		"mail quota", "user quota", "account quota", "hard quota", "quota-problem", "quota (mailbox", "out of quota", "no quota", "quota", "edquot",
		"exceeded storage", "exceeded*storage", "exceeds*storage", "storage allocation", "storage limit", "out of storage", "storage space",
		"not enough storage", "insufficient storage", "insufficient space", "not enough space", "not enough disk space*mailbox", "no space left*mailbox",
		"no space left for", "no room in", "no more space", "run out of space", "out of space in", "lack of*space", "space is not enough",
		"mailbox has reached", "mailbox limit", "mailbox too full", "mailbox too big", "mailbox too large", "mailbox is too large",
		"mailbox contains too many", "too many messages on this mailbox", "too many mail data", "user has too many messages", "user has exceeded",
		"user has exhausted", "account is over", "account*exceeded", "account has exceeded", "account has reached", "recipient has exceeded",
		"recipient exceeded", "recipient reached", "recipient*over", "exceeded the maximum number of messages", "max*messages*mailbox", "maximum allowed",
		"insufficient system storage*mailbox", "exceeded his", "exceeded their", "is full", "bytes*allowed", "le compte est plein", "boite pleine",
		"boîte*pleine", "postfach ist voll", "postfach*voll", "casella piena", "casella*piena", "buzón lleno", "buzon lleno", "caixa cheia",
		"mailbox voll", "переполнен", "превышена квота", "volle mailbox",
	}},
	{"suspend", false, []string{
		"account disabled", "account is disabled", "account*disabled", "mailbox disabled", "mailbox is disabled", "mailbox*disabled", "user disabled",
		"user is disabled", "user*disabled", "address disabled", "recipient disabled", "disabled recipient", "disabled mailbox", "disabled account",
		"disabled user", "has been disabled", "is disabled", "currently disabled", "temporarily disabled", "disabled or discontinued", "disabled due to",
		"been disabled",
		"suspended", "is suspended", "suspend", "inactive", "not active", "no longer active", "deactivated", "not been activated", "not activated",
		"unactivated", "dormant", "account is locked", "account locked", "mailbox locked", "mailbox is locked", "mailbox*locked", "user locked",
		"is locked", "mailbox is frozen", "frozen", "account blocked", "mailbox blocked", "mailbox is blocked", "user blocked", "account*blocked",
		"account expired", "account has expired", "mailbox expired", "account on hold", "on hold", "out of order", "closed temporarily",
		"account is temporarily", "account temporarily", "mailbox temporarily unavailable", "temporarily inactive", "temporarily unavailable",
		"invalid/inactive", "account is not able to receive", "not able to receive", "cannot receive", "can't receive", "unable to receive",
		"not currently accept", "mailbox currently", "user*not accepting", "mailbox*not accepting", "not accepting messages", "not accepting mail",
		"not accepting email", "is not accepting", "mailbox is not available", "account closed", "mailbox closed", "expired account", "expired mailbox",
		"administratively", "deferred mailbox", "vdelivermail: account is locked", "boîte*désactivée", "заблокирован",
	}},
	{"filtered", false, []string{
		"only accept", "only receive", "accepts mail only", "accepts messages only", "restricted to", "is restricted", "restricted recipient",
		"recipient restrict", "has restricted", "recipient's*filter", "user*filter", "rejected by recipient", "rejected by the recipient",
		"refused by recipient", "refused by the recipient", "rejected by user", "rejected by the user", "blocked by recipient", "blocked by the recipient",
		"denied by recipient", "does not want", "recipient preference", "doesn't want", "do not want", "not want to receive", "unwilling to",
		"refuses to receive", "refuses to accept", "refuses to take", "not accept mail from this sender", "does not accept messages from",
		"not in the list of allowed", "not on the list", "not in allow", "not in whitelist", "whitelist", "white list", "allowlist", "allow list",
		"safe list", "safelist", "challenge", "c/r", "resolver.rst", "notauthorized", "authrequired", "not authorized", "not authorised",
		"delivery not authorized", "delivery*refused", "message refused", "message denied", "message filtered", "mail filter", "domain specified",
		"specified reception", "you have been blocked by the recipient", "transport.rules", "transport.rule", "rejected by header", "user refused",
		"recipient refused", "recipient*refused to", "recipient denied", "sieve", "not deliverable to", "private mailbox", "recipnotpermitted",
	}},
	{"policyviolation", false, []string{
		"policy reason", "policy violation", "policy restriction", "policy rejection", "local policy", "security policy", "for policy", "per policy",
		"due to policy", "because of policy", "by policy", "site policy", "content policy", "policy of", "violates*policy", "violation of",
		"against*policy", "administrative prohibition", "administratively prohibited", "potential security", "presents a potential", "security reasons",
		"rejected for policy", "terms of service", "acceptable use",
	}},
	{"mailererror", false, []string{
		"pipe to |", "procmail:", "couldn't create", "pipe to command", "pipe|", "x-unix",
	}},
	{"hasmoved", false, []string{
		"has moved", "user moved", "mailbox moved", "moved to", "has changed address", "address has changed", "address changed", "new address",
		"has been replaced by", "replaced by", "no longer*use*instead", "user not local; please try", "not local; please", "please try <", "please use <",
		"please resend to", "not our customer", "not our user", "forward to", "changed its address", "a déménagé", "unbekannt verzogen", "has left",
		"left the company", "no longer employed", "no longer works", "no longer with", "not longer with",
	}},
	{"notaccept", false, []string{
		"null mx", "nullmx", "does not accept mail", "doesn't accept mail", "does not accept email", "does not accept e-mail", "does not receive mail",
		"doesn't receive mail", "does not receive email", "doesn't receive email", "never accepts mail", "never receives mail", "never accept",
		"domain*not accept", "domain*does not accept", "host*does not accept", "accepts no mail", "accept no mail", "no mail accepted",
		"no mx record found", "no mx record", "not handle mail", "does not handle mail", "does not have an mx", "smtp service not available here",
		"not receive mail", "host/domain does not accept", "no smtp service here", "no mail service", "not a mail server", "invalid mx record",
		"recipient domain not allowed", "domain not in use",
	}},
	{"hostunknown", false, []string{
		"host unknown", "unknown host", "host not found", "host*not found", "hostname not found", "no such host", "no such domain", "no such site",
		"unknown domain", "domain unknown", "domain not found", "domain name not found", "domain*not found", "domain not known", "domain does not exist",
		"domain*does not exist", "domain*not exist", "domain doesn't exist", "non-existent domain", "nonexistent domain", "non-existent host",
		"nonexistent host", "host does not exist", "host*does not exist", "domain must exist", "domain name invalid", "invalid domain", "bad domain",
		"bad destination host", "bad destination system", "illegal host/domain", "illegal domain", "illegal host", "domain is not reachable",
		"domain*not reachable", "domain is not valid", "domain not valid", "couldn't find any host named", "couldn't find a host named",
		"couldn't find any host by that name", "host name*unknown", "host name is unknown", "host lookup did not", "name or service not known", "nxdomain",
		"no dns information was found", "no dns entry", "dns*domain*not", "unrouteable mail domain", "unroutable mail domain", "no a record",
		"name server: host not found", "host name lookup failure", "host not listed", "server*not found", "doesn't have any mx", "unable to find domain",
		"no host found", "domain has no", "domain*expired", "domain is no longer", "domain no longer",
		"all relevant mx records point to non-existent hosts",
	}},
	{"userunknown", false, []string{
		"#5.1.0 address rejected", "no such mailbox", "no such address", "no such account", "no such person", "no such virtual user", "no such email", "no such name", "no such id",
		"no such customer", "there is no such", "no account by that name", "no account with", "no mailbox here", "no mailbox by that name",
		"no mailbox found", "no mailbox with", "no mailbox for", "no mailbox", "no local mailbox", "no thank you rejected: account unavailable",
		"invalid final delivery", "not a valid mailbox", "not a valid address", "not known at", "not known here", "recipnotfound",
		"recipientnotfound", "recipient name is not recognized", "invalid mailbox", "invalid email", "invalid e-mail", "invalid local",
		"bad destination mailbox", "bad mailbox", "illegal alias", "recipient address rejected*user", "recipient address rejected*unknown",
		"unknown address", "unknown mailbox", "unknown account", "unknown local", "unknown virtual", "unknown alias", "unknown email",
		"unknown or illegal", "local recipient", "mailbox unknown", "mailbox is unknown", "mailbox not found", "mailbox*not found", "mailbox not exist",
		"mailbox does not exist", "mailbox doesn't exist", "mailbox*not exist", "mailbox*does not exist", "mailbox name not allowed", "mailbox is invalid",
		"mailbox invalid", "mailbox name invalid", "mailbox has been deleted", "mailbox deleted", "mailbox no longer", "account unknown",
		"account not found", "account*not found", "account does not exist", "account doesn't exist", "account*does not exist", "account*not exist",
		"account is invalid", "account has been deleted", "account deleted", "account*deleted", "account that you tried to reach does not exist",
		"account terminated", "account*terminated", "account cancelled", "account canceled", "address unknown", "address is unknown", "address*unknown",
		"address not found", "address wasn't found", "address couldn't be found", "address*couldn't be found", "wasn't found at", "couldn't be found",
		"could not be found", "cannot be found", "can't be found", "address*not found", "address*not listed", "address does not exist",
		"address doesn't exist", "address*not exist", "address no longer", "address is no longer", "address*no longer", "address is invalid",
		"address invalid", "address is not valid", "address not valid", "address not in table", "address not known", "address incorrect",
		"does not exist here", "does not exist in", "does not exist on", "does not exist at", "doesn't exist here", "does not have an account",
		"doesn't have an account", "does not have a mailbox", "doesn't have a mailbox", "doesn't have a yahoo", "this user doesn't have",
		"doesn't handle mail for that user", "name is not recognized", "not listed in public name", "not listed in domino directory", "not listed in",
		"name & address book", "name and address book", "name*not recognized", "address*not recognized", "user account*not", "unrouteable address",
		"unroutable address", "unrouteable mail", "unable to route", "non-existent mailbox", "non-existent address", "delivery to*unknown",
		"alias*not found", "alias*unknown", "dd this user", "dd sorry", "dd requested", "sorry, no mailbox", "sorry, i couldn't find",
		"mail receiving disabled", "cannot find name", "can't locate", "couldn't locate", "unable to locate", "domain mailbox*not", "ldap*not found",
		"#5.1.1", "utilisateur inconnu", "n'existe pas", "existe pas", "inconnu", "boite aux lettres inconnue", "destinataire inconnu",
		"empfänger unbekannt", "empfaenger unbekannt", "unbekannt", "existiert nicht", "benutzer*unbekannt", "usuario desconocido", "usuario no existe",
		"no existe", "não existe", "nao existe", "desconhecido", "utente sconosciuto", "sconosciuto", "non esiste", "inesistente", "gebruiker onbekend",
		"onbekend", "okänd", "nieznany", "nie istnieje", "не существует", "не найден", "нет такого", "неизвестн", "存在しません", "存在しない", "見つかりません",
		"見つかりませんでした", "不存在", "알 수 없", "존재하지", "no valid recipients for this", "mail.local: unknown user",
	}},
	{"userunknown", true, []string{
		"recipient address rejected: access denied", "not a registered", "user unknown", "unknown user", "user not found", "user*not found", "no such user",
		"no such recipient", "no such local user", "there is no user", "no user by that name", "no user here", "no user with", "not a known user",
		"not a valid user", "not a valid recipient", "not a user", "unknown recipient", "recipient unknown", "recipient is unknown", "recipient*unknown",
		"recipient not known", "recipient*not found", "recipient not found", "recipient does not exist", "recipient doesn't exist", "recipient*not exist",
		"recipient is not exist", "recipient not exist", "recipient*not recognized", "recipient not ok", "recipient is invalid", "recipient invalid",
		"recipient is not valid", "recipient*not valid", "invalid recipient", "invalid user", "bad recipient", "illegal user", "incorrect recipient",
		"wrong recipient", "local user unknown", "recipient not listed", "user does not exist", "user doesn't exist", "user*not exist", "user not exist",
		"user*does not exist", "user not known", "user is unknown", "user*unknown", "user invalid", "user*is not local", "user not local",
		"user terminated", "user deleted", "user*deleted", "user has been deleted", "user cannot be found", "user could not be found",
		"user not recognized", "user*not recognized", "user not in", "user no longer", "username*not", "nonexistent user", "non-existent recipient",
		"couldn't find any user", "can't verify recipient", "cannot verify recipient", "unable to verify recipient", "could not verify recipient",
		"unable to validate recipient", "unable to find recipient", "unable to find user", "could not find user", "can't find user", "cannot find user",
	}},
}

// vagueRules are for what may mean this or that: they come after codes that are definite.
var vagueRules = []rule{
	{"contenterror", false, []string{
		"attachment", "charset", "content-type", "content type", "content-transfer", "message body", "multipart", "corrupt",
		"filename", "file name", "illegal character", "invalid character", "body part", "8bitmime", "7bit", "8bit",
	}},
	{"rejected", false, []string{
		"google groups", "different address or alias",
	}},
	{"userunknown", true, []string{
		"address rejected", "address*rejected", "rcpt*rejected", "mailbox unavailable", "mailbox not available", "invalid address", "bad address",
		"address error", "account unavailable", "not known to", "undeliverable address", "address lookup*failed", "does not exist", "doesn't exist",
		"not exist", "non exist", "nonexistent", "non existent", "non-existing", "is not a valid", "unknown at", "verify recipient", "recipient verif",
		"not located", "non-existent user", "rcpt*unknown",
	}},
	{"mailererror", false, []string{
		"command died", "died with status", "command failed", "command output", "command time limit", "local mailer", "unknown mailer error",
		"mailer error", "mailer software", "local delivery*failed", "pipe command", "procmail", "vdelivermail", "maildrop:", "child process",
		"child status", "exit status", "exited with", "returned*from", "service unavailable*mailer", "deliver: ", "lmtp*fail", "operating system error",
		"internal software error",
	}},
	{"expired", false, []string{
		"message expired", "expired", "delivery time", "delivery timed out", "timed out", "time out", "timeout", "time-out", "retry time", "retry timeout",
		"retry limit", "retry count", "too old", "queue too long", "in queue too long", "been in the queue", "too long in", "in the queue too long",
		"stuck in the queue", "could not be delivered for", "not be delivered within", "not be delivered in", "could not deliver*days",
		"could not deliver*hours", "for more than", "was not delivered within", "unable to deliver in", "cannot send message for",
		"could not send message for", "giving up", "given up", "give up", "hold timer", "has been delayed", "delivery*delayed", "delayed",
		"not responding", "did not respond", "no answer", "host*unreachable for", "will be retried", "will not be retried", "have been failing",
		"has failed for",
	}},
	{"systemfull", false, []string{
		"disk full", "disk is full", "file system full", "filesystem full", "filesystem is full", "no space left on device", "insufficient system storage",
		"insufficient disk", "not enough disk", "out of disk", "system storage", "mail system full", "system is full", "insufficient system resources",
	}},
	{"networkerror", false, []string{
		"connection refused", "connect refused", "connection reset", "connection timed", "connection closed", "connection lost", "connection died",
		"lost connection", "connection broken", "connection failed", "connection failure", "connection terminated", "connection dropped",
		"unable to connect", "could not connect", "couldn't connect", "cannot connect", "can't connect", "failed to connect",
		"establish an smtp connection", "establish*connection", "no route", "unreachable", "network*down", "network error", "network is", "host is down",
		"host down", "socket", "broken pipe", "name server", "name service error", "nameserver", "mx lookup", "no mx", "lookup fail", "lookup*fail",
		"bad mx", "mx*invalid", "malformed or unexpected name server reply", "handshake", "certificate", "congestion",
		"did not accept our requests to connect", "not accept our requests", "unable to deliver*host",
	}},
	{"syntaxerror", false, []string{
		"syntax error", "command not", "not implemented", "unrecognized command", "unknown command", "bad sequence", "improper sequence",
		"sequence of commands", "need mail", "need rcpt", "nested mail", "protocol error", "parameter*not", "unexpected command", "command unrecognized",
		"invalid command", "command*unknown",
	}},
	{"policyviolation", false, []string{
		"policy", "policies", "prohibited", "forbidden", "not acceptable", "unacceptable", "not permitted", "not allowed", "disallowed", "violat",
		"security", "compliance", "rejected for", "administrative", "not accepted", "not be accepted", "refused", "denied", "access denied",
		"unauthorized", "not authenticated", "authentication required",
	}},
	{"systemerror", false, []string{
		"system error", "system problem", "internal error", "internal server error", "server error", "configuration error", "configuration problem",
		"config error", "misconfig", "local error", "local problem", "local configuration", "local processing", "temporary problem", "temporary failure",
		"temporarily", "try again", "server busy", "server is busy", "service unavailable", "service not available", "service currently", "unavailable",
		"resources", "out of memory", "i/o error", "input/output", "read error", "write error", "error in processing", "error writing", "cannot open",
		"could not open", "unable to open", "can't create", "cannot create", "cannot write", "unable to write", "backend", "shutting down", "overload",
		"too busy", "load too high", "loadavg", "not configured", "best-preference mx", "cname lookup", "system is not", "exception", "fatal error",
		"cannot append message", "delivery error", "error occurred",
	}},
}

// gap is the most that a '*' in a phrase stands for.
const gap = 60

// holds reports whether text holds the phrase, from the beginning of a word on.
func holds(text, phrase string) bool {
	piece, rest, more := strings.Cut(phrase, "*")
	for at := 0; ; {
		i := strings.Index(text[at:], piece)
		if i < 0 {
			return false
		}
		i += at
		at = i + 1
		if (i == 0 || !wordByte(text[i-1]) || !wordByte(piece[0])) && (!more || follows(text[i+len(piece):], rest)) {
			return true
		}
	}
}

// follows reports whether the rest of a phrase stands within gap octets.
func follows(text, phrase string) bool {
	piece, rest, more := strings.Cut(phrase, "*")
	i := strings.Index(text[:min(len(text), gap+len(piece))], piece)
	return i >= 0 && (!more || follows(text[i+len(piece):], rest))
}

// wordByte reports whether a word goes on with c.
func wordByte(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
