package report

// readWords reports whether the message is a delivery report in words alone, and reads it.
func readWords(*message, *Report) bool { return false }
