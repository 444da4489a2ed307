package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// roomPush meets [room.Push].
type roomPush struct{ *engine }

// longestExternalID is how long another system's own id may be.
const longestExternalID = 200

func checkExternalID(id string) error {
	if strings.TrimSpace(id) == "" || len(id) > longestExternalID || printable(id) != id || !utf8.ValidString(id) {
		return room.Invalid{fmt.Sprintf("external_id: has 1 to %d octets, without control characters", longestExternalID)}
	}
	return nil
}

// fieldsOf are the columns that a pushed reader may give.
var fieldsOf = map[string]subscribers.Fields{"name": subscribers.FieldName, "sections": subscribers.FieldSections, "editions": subscribers.FieldEditions,
	"hour": subscribers.FieldHour, "days": subscribers.FieldDays, "zone": subscribers.FieldZone, "language": subscribers.FieldLanguage, "format": subscribers.FieldFormat,
	"status": subscribers.FieldStatus, "consent_source": subscribers.FieldConsentSource, "consent_at": subscribers.FieldConsentAt, "paused_until": subscribers.FieldPausedUntil}

// PutReader meets [room.Push].
func (w roomPush) PutReader(ctx context.Context, by operators.By, externalID string, r room.PushedReader) (out room.PushedOutcome, err error) {
	if err := checkExternalID(externalID); err != nil {
		return out, err
	}
	row := subscribers.Row{Settings: subscribers.NewSettings("")}
	var wrong room.Invalid
	set := func(column string, value *string) {
		if value == nil {
			return
		}
		row.Given |= fieldsOf[column]
		if err := row.Settings.Set(column, *value); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	set("email", &r.Email)
	set("external_id", &externalID)
	for column, value := range r.Columns() {
		set(column, value)
	}
	if err := known(w.cfg).Check(&row.Settings); err != nil {
		wrong = append(wrong, err.Error())
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return out, wrong
	}
	s, came, err := w.db.UpsertReader(ctx, by, externalID, row, w.now())
	switch {
	case errors.Is(err, store.ErrErased), errors.Is(err, store.ErrTaken), errors.Is(err, store.ErrNotHere):
		return out, fmt.Errorf("%w: %w", room.ErrRefused, err)
	case err != nil:
		return out, err
	}
	return room.PushedOutcome{ExternalID: externalID, ID: s.ID, Came: came}, nil
}
