package digest

// maxKnown is how many digests an opening knows by id at least, if there are as many: some 3 MB.
const maxKnown = 50_000

// known are ids of digests on record, those that were asked for last: of most there is one reader.
// One that is forgotten is laid out again, and the ledger gives it the id it has. The zero value
// with a max is ready. Not safe for concurrent use.
type known struct {
	max        int
	young, old map[key]int64
}

// id is 0 if k is not known.
func (m *known) id(k key) int64 {
	if id := m.young[k]; id != 0 {
		return id
	}
	id := m.old[k]
	if id != 0 {
		m.young[k] = id
	}
	return id
}

func (m *known) add(k key, id int64) {
	if m.young == nil {
		m.young = map[key]int64{}
	}
	m.young[k] = id
}

// trim forgets, if there are many, what was not asked for or added since it last did.
func (m *known) trim() {
	if len(m.young) >= m.max {
		m.young, m.old = map[key]int64{}, m.young
	}
}
