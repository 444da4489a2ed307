package commands

// roomIssues meets [room.Issues].
type roomIssues struct{ *engine }
