package report

// findReturned returns the mail that came back: the last message that is sent along.
func findReturned(p *part) *part {
	var found *part
	for q := range p.own() {
		if holdsMessage(q.kind) && len(q.parts) > 0 {
			found = q.parts[0]
		}
	}
	return found
}
