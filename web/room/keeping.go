package room

// Keeping is how this copy of the database stands: its backups, whether it may mail.
type Keeping interface{}

func (rm *Room) keepingRoutes() []route { return nil }
