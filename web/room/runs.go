package room

import "context"

// Runs is how an operator steps into a run: pause, resume, stop, retry, settle.
type Runs interface{}

func (rm *Room) runRoutes() []route { return nil }

// actsOf is what the page of an issue needs to offer acts.
func (rm *Room) actsOf(ctx context.Context, issue int64) (any, error) { return nil, nil }
