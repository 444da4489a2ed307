package mailer

// HandBack is what the token of a delivery is called among what a provider hands back with all that it
// reports of a mail.
const HandBack = "broadsheet"

// HandBackField is the header field that makes a provider do so: what stands before the token and what
// behind it, with line ends. The provider takes the field out of the mail. ok is false for those that
// name the envelope sender, which has the token already, and for no provider at all.
func HandBackField(provider string) (before, behind string, ok bool) {
	switch provider {
	case "postmark": // a value may have 80 characters
		return "X-PM-Metadata-" + HandBack + ": ", "\r\n", true
	case "mailgun": // JSON, in which there may be blanks
		return `X-Mailgun-Variables: {"` + HandBack + "\":\r\n \"", "\"}\r\n", true
	}
	return "", "", false
}
