package room

// Stories is what the pages of stories read and do.
type Stories interface{}

func (rm *Room) storyRoutes() []route { return nil }
