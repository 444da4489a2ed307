package room

// Audit is what the page of the audit log reads.
type Audit interface{}

func (rm *Room) auditRoutes() []route { return nil }
