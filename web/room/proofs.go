package room

import "context"

// Proofs is what is done before an issue goes: look at it, approve it, try it.
type Proofs interface{}

func (rm *Room) proofRoutes() []route { return nil }

// proofOf is what the page of an issue says of what is to be looked at before it goes.
func (rm *Room) proofOf(ctx context.Context, issue int64) (any, error) { return nil, nil }
