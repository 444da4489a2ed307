package room

func (rm *Room) apiRoutes() []route { return nil }
