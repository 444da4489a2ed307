package report

import "strings"

// surest are statuses that mean one thing, whatever stands beside them.
var surest = map[string]string{
	"5.7.25": "requireptr", "5.7.26": "authfailure", "5.7.20": "authfailure",
}

// statusReasons says what an enhanced code means where words do not (RFC 3463 section 3, RFC 7372,
// RFC 7505, RFC 6710 and the registry of RFC 5248), the class digit left out.
var statusReasons = map[string]string{
	"1.1": "userunknown", "1.2": "hostunknown", "1.3": "userunknown", "1.6": "hasmoved",
	"1.90": "ratelimited", "2.121": "ratelimited", "2.122": "ratelimited", "4.300": "expired", "4.310": "hostunknown", "4.312": "networkerror", "4.316": "networkerror", "4.317": "networkerror", "7.64": "norelaying",
	"7.124": "filtered", "7.133": "filtered", "7.134": "filtered", "7.135": "filtered", "7.136": "filtered", "1.7": "rejected", "1.8": "rejected", "1.9": "systemerror", "1.10": "notaccept",
	"2.0": "filtered", "2.1": "suspend", "2.2": "mailboxfull", "2.3": "mesgtoobig", "2.4": "filtered",
	"3.0": "systemerror", "3.1": "systemfull", "3.2": "notaccept", "3.3": "systemerror", "3.4": "mesgtoobig", "3.5": "systemerror", "3.6": "systemerror",
	"4.0": "networkerror", "4.1": "networkerror", "4.2": "networkerror", "4.3": "systemerror", "4.4": "networkerror", "4.5": "networkerror",
	"4.6": "networkerror", "4.7": "expired", "4.8": "networkerror",
	"5.0": "syntaxerror", "5.1": "syntaxerror", "5.2": "syntaxerror", "5.3": "exceedlimit", "5.4": "syntaxerror", "5.5": "syntaxerror", "5.6": "exceedlimit",
	"6.0": "contenterror", "6.1": "contenterror", "6.2": "contenterror", "6.3": "contenterror", "6.4": "contenterror", "6.5": "contenterror",
	"6.6": "contenterror", "6.7": "contenterror", "6.8": "contenterror", "6.9": "contenterror", "6.10": "contenterror",
	"7.0": "policyviolation", "7.1": "policyviolation", "7.2": "filtered", "7.3": "securityerror", "7.4": "securityerror", "7.5": "securityerror", "7.6": "securityerror",
	"7.7": "securityerror", "7.8": "securityerror", "7.9": "policyviolation", "7.13": "suspend", "7.17": "hasmoved", "7.18": "hasmoved",
	"7.20": "authfailure", "7.21": "authfailure", "7.22": "authfailure", "7.23": "authfailure", "7.24": "authfailure", "7.25": "requireptr",
	"7.26": "authfailure", "7.27": "rejected", "7.28": "ratelimited", "7.29": "authfailure",
}

// statusReason returns what a status means by itself, or "".
func statusReason(status string) string {
	if len(status) < 3 {
		return ""
	}
	if r, ok := statusReasons[status[2:]]; ok {
		return r
	}
	switch {
	case strings.HasPrefix(status[2:], "7."):
		return "policyviolation"
	case strings.HasPrefix(status[2:], "6."):
		return "contenterror"
	}
	return ""
}
