package room

// Readers is what the pages of subscribers, explanations and suppressions read and do.
type Readers interface{}

func (rm *Room) readerRoutes() []route { return nil }
