package room

// Runs is how an operator steps into a run: pause, resume, stop, retry, settle.
type Runs interface{}

func (rm *Room) runRoutes() []route { return nil }
