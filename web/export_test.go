package web

// Patterns lists the patterns of the router.
func (p *Pages) Patterns() (list []string) {
	for _, r := range p.routes() {
		list = append(list, r.pattern)
	}
	return list
}
