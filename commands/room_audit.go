package commands

import (
	"context"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// roomAudit meets [room.Audit].
type roomAudit struct{ *engine }

// Entries meets [room.Audit].
func (w roomAudit) Entries(ctx context.Context, q room.AuditQuery, limit int) (list []operators.Entry, err error) {
	for e, err := range w.db.Audit(ctx, store.AuditFilter{Who: q.Who, Act: q.Act, Object: q.Object, Since: q.Since, Before: q.Before}) {
		if err != nil {
			return nil, err
		}
		if list = append(list, e); len(list) == limit {
			break
		}
	}
	return list, nil
}
