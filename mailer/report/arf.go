package report

// readFeedback reports whether the message is a complaint of RFC 5965 or its like.
func readFeedback(*message, *Report) bool { return false }
