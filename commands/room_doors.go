package commands

// roomDoors meets [room.Doors].
type roomDoors struct{ *engine }
