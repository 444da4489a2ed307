package commands

// roomAudit meets [room.Audit].
type roomAudit struct{ *engine }
