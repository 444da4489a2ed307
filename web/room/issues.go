package room

// Issues is what the pages of issues read: books, plots, deliveries.
type Issues interface{}

func (rm *Room) issueRoutes() []route { return nil }
