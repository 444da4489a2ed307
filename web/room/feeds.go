package room

// Feeds is what the page of feeds reads and does.
type Feeds interface{}

func (rm *Room) feedRoutes() []route { return nil }
