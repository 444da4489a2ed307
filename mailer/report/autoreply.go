package report

// readAutoReply reports whether a machine wrote the message by itself (RFC 3834).
func readAutoReply(*message, *Report) bool { return false }
