package schedule

import "strings"

// onlyTo reads to whom alone mail goes; nil if the file does not say.
func (r *reader) onlyTo(t *table) (list []string) {
	if !t.has("only_to") {
		return nil
	}
	values, places := t.texts("only_to", `addresses such as ada@lantern.example or domains such as "@lantern.example"`)
	for i, s := range values {
		local, domain, found := strings.Cut(s, "@")
		switch {
		case !found || strings.Contains(domain, "@") || strings.ContainsAny(s, " \t"):
			t.wrong(places[i], `only_to: %q is neither an address nor a domain; write e.g. ada@lantern.example or "@lantern.example"`, clip(s))
		case local != "" && domain == "", domain == "", hostProblem(domain) != "":
			t.wrong(places[i], `only_to: %q is not a domain; write it in its xn-- form if it has other letters than those of English`, clip(domain))
		default:
			list = append(list, strings.ToLower(s))
		}
	}
	if len(values) == 0 && len(r.problems) == 0 {
		t.bad("only_to", `only_to is empty: nobody would get mail; name addresses or domains, or take the key out`)
	}
	return list
}

// MayGet reports whether mail may go to an address: to any, or to those of only_to. A domain stands
// for itself and not for those below it.
func (c *Config) MayGet(address string) bool {
	if c.OnlyTo == nil {
		return true
	}
	address = strings.ToLower(address)
	domain := ""
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		domain = address[at:]
	}
	for _, s := range c.OnlyTo {
		if s == address || s == domain {
			return true
		}
	}
	return false
}
