package report

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// Limits of what is kept of a header that anybody may have written.
const (
	addressesMax = 50
	refersMax    = 50
	lineMax      = 998 // octets of a name or subject
)

// readWho fills what the header says of where the message came from and to.
func readWho(m *message, r *Report) {
	h := m.header
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To",
		"Original-Recipient", "To", "Cc", "Resent-To", "Apparently-To"} {
		for _, v := range h.all(name) {
			r.To = appendNew(r.To, addressesMax, addressesIn(v)...)
		}
	}
	for _, v := range r.To {
		r.name(InAddress, nameIn(v))
	}
	r.FromName, r.From = sender(h.get("From"))
	r.Subject = cutText(h.text("Subject"))
	r.MessageID = first(messageIDs(h.get("Message-ID")))
	for _, v := range append(h.all("In-Reply-To"), h.all("References")...) {
		r.Refers = appendNew(r.Refers, refersMax, messageIDs(v)...)
	}
	namesOf(m, r)
}

// namesOf adds what may be a token in what came back.
func namesOf(m *message, r *Report) {
	for p := range m.own() {
		if isStatus(p.kind) || p.kind == "message/feedback-report" {
			for _, f := range scanFields(p) {
				switch strings.ToLower(f.name) {
				case "original-envelope-id":
					r.name(InEnvelope, cutText(f.value))
				case "original-mail-from":
					r.name(InEnvelope, nameIn(first(addressesIn(f.value))))
				}
			}
		}
	}
	h := returnedHeader(m)
	for _, f := range []struct {
		name  string
		place Place
	}{{"Return-Path", InSender}, {"X-Broadsheet-Delivery", InSender}, {"List-Unsubscribe", InUnsubscribe}, {"X-Envelope-From", InSender}, {"Reply-To", InWords}} {
		for _, v := range h.all(f.name) {
			if f.name == "X-Broadsheet-Delivery" {
				r.name(f.place, cutText(v))
				continue
			}
			for _, a := range addressesIn(v) {
				r.name(f.place, nameIn(a))
			}
		}
	}
}

// name adds what may be a token, unless it is there from that place.
func (r *Report) name(place Place, token string) {
	n := Name{token, place}
	if token != "" && len(r.Names) < 2*addressesMax && !slices.Contains(r.Names, n) {
		r.Names = append(r.Names, n)
	}
}

func returnedHeader(m *message) header {
	if m.returned == nil {
		return nil
	}
	return m.returned.header
}

var addressForm = regexp.MustCompile(`[^\s<>()\[\],;:"'\\|=?]+@[A-Za-z0-9\x{80}-\x{10FFFF}._-]*[A-Za-z0-9\x{80}-\x{10FFFF}]`)

// addressesIn finds the bare addresses in a value, whatever stands around them.
func addressesIn(s string) []string {
	if len(s) > 64<<10 {
		s = s[:64<<10]
	}
	found := addressForm.FindAllString(s, addressesMax)
	for i, a := range found {
		// mailto:, rfc822; and the like stand before it.
		found[i] = strings.Trim(a, ".")
	}
	return found
}

// nameIn returns what stands behind the first '+' of a local part; "" if there is none.
func nameIn(address string) string {
	local, _, _ := strings.Cut(address, "@")
	_, name, _ := strings.Cut(local, "+")
	if len(name) > 200 {
		return ""
	}
	return name
}

// sender reads From with tolerance: the name is decoded, the address is bare.
func sender(v string) (name, address string) {
	v = v[:min(len(v), wordsMax)]
	if a, err := mail.ParseAddress(v); err == nil {
		address = a.Address
	} else if found := addressesIn(v); len(found) > 0 {
		address = found[0]
	}
	name, _, ok := strings.Cut(v, "<")
	if !ok {
		name = ""
		if _, comment, ok := strings.Cut(v, "("); ok {
			name, _, _ = strings.Cut(comment, ")")
		}
	}
	name = strings.Trim(strings.TrimSpace(name), `"`)
	return cutText(decodeWords(strings.ReplaceAll(name, `\`, ""))), address
}

var messageIDForm = regexp.MustCompile(`<([^<>\s]{1,500})>`)

// messageIDs returns the ids in a value without their brackets.
func messageIDs(v string) []string {
	if len(v) > 64<<10 {
		v = v[:64<<10]
	}
	var ids []string
	for _, m := range messageIDForm.FindAllStringSubmatch(v, refersMax) {
		ids = append(ids, m[1])
	}
	if v = strings.TrimSpace(v); len(ids) == 0 && v != "" && !strings.ContainsAny(v, " <>") && len(v) <= 500 {
		ids = []string{v}
	}
	return ids
}

// appendNew appends what is not empty and not there yet, up to most.
func appendNew(list []string, most int, values ...string) []string {
	for _, v := range values {
		if v != "" && len(list) < most && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// cutText makes a value one line that is not too long.
func cutText(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > lineMax {
		s = strings.ToValidUTF8(s[:lineMax], "")
	}
	return s
}
