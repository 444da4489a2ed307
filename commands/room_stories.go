package commands

// roomStories meets [room.Stories].
type roomStories struct{ *engine }
