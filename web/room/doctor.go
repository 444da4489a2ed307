package room

// Doctor is what examines the installation.
type Doctor interface{}

func (rm *Room) doctorRoutes() []route { return nil }
