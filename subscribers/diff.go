package subscribers

// Difference is a field that two settings decide differently, in the form of a CSV cell.
type Difference struct {
	Field string `json:"field"` // name of the column
	Was   string `json:"was"`
	Is    string `json:"is"`
}

// Differences lists what t decides differently from s, in the order of the columns.
func (s Settings) Differences(t Settings) (list []Difference) {
	for i := range columns {
		c := &columns[i]
		if was, is := c.cell(&s), c.cell(&t); was != is {
			list = append(list, Difference{c.name, was, is})
		}
	}
	return list
}
