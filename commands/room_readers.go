package commands

// roomReaders meets [room.Readers].
type roomReaders struct{ *engine }
