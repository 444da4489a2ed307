package room

// Proofs is what is done before an issue goes: look at it, approve it, try it.
type Proofs interface{}

func (rm *Room) proofRoutes() []route { return nil }
