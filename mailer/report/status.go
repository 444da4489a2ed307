package report

// isStatus reports whether parts of the kind are delivery reports (RFC 3464, RFC 6533).
func isStatus(kind string) bool {
	return kind == "message/delivery-status" || kind == "message/global-delivery-status"
}

// scanFields reads all that looks like a field in a part that holds groups of fields, the groups one
// after the other. Where the blank line behind the part's header was lost, they stand there.
func scanFields(p *part) []field {
	var all []field
	for rest := p.body(); len(rest) > 0 && len(all) < fieldsMax; {
		h, _, body := readHeader(rest)
		all = append(all, h...)
		if len(h) == 0 {
			_, next := lineAt(rest, 0)
			body = rest[next:]
		}
		rest = body
	}
	return append(all, p.header...)
}

// readStatus reports whether the message is a delivery report of RFC 3464, and reads it.
func readStatus(*message, *Report) bool { return false }
