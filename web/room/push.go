package room

import (
	"context"
	"errors"
	"net/http"

	"broadsheet/operators"
)

// Push is how a newsroom's own system brings its stories and readers, by its own ids. Every call may be
// made again: the same body twice is nothing new.
type Push interface {
	// PutReader makes a reader or changes what is given of one. It brings nobody back who has left or is
	// barred.
	PutReader(ctx context.Context, by operators.By, externalID string, r PushedReader) (PushedOutcome, error)
}

// PushedReader is a reader as another system knows them. What is left out stays as it is. The forms are
// those of an import.
type PushedReader struct {
	Reasoned
	Email         string  `json:"email"`
	Name          *string `json:"name,omitempty"`
	Sections      *string `json:"sections,omitempty"` // ids with semicolons between
	Editions      *string `json:"editions,omitempty"`
	Hour          *string `json:"hour,omitempty"`
	Days          *string `json:"days,omitempty"`
	Zone          *string `json:"zone,omitempty"`
	Language      *string `json:"language,omitempty"`
	Format        *string `json:"format,omitempty"`
	Status        *string `json:"status,omitempty"`
	ConsentSource *string `json:"consent_source,omitempty"`
	ConsentAt     *string `json:"consent_at,omitempty"`
	PausedUntil   *string `json:"paused_until,omitempty"`
}

// Columns are the given fields by their names.
func (p *PushedReader) Columns() map[string]*string {
	return map[string]*string{"name": p.Name, "sections": p.Sections, "editions": p.Editions, "hour": p.Hour, "days": p.Days, "zone": p.Zone, "language": p.Language,
		"format": p.Format, "status": p.Status, "consent_source": p.ConsentSource, "consent_at": p.ConsentAt, "paused_until": p.PausedUntil}
}

// PushedOutcome is what came of a push.
type PushedOutcome struct {
	ExternalID string `json:"external_id"`
	ID         int64  `json:"id"`   // ours; 0 where it failed
	Came       string `json:"came"` // new, changed or same; "" where it failed
	Error      string `json:"error,omitempty"`
}

// ReaderRow is a reader among several.
type ReaderRow struct {
	ExternalID string `json:"external_id"`
	PushedReader
}

// ReaderRows are several readers.
type ReaderRows struct {
	Reasoned
	Readers []ReaderRow `json:"readers"`
}

// RowOutcomes is what came of each row, in their order.
type RowOutcomes struct {
	Rows   []PushedOutcome `json:"rows"`
	Failed int             `json:"failed"`
}

// mostRows is how many readers one request may bring.
const mostRows = 500

func (rm *Room) pushEndpoints() []endpoint {
	return []endpoint{
		act(http.MethodPut, "/push/readers/{external_id}", operators.Act, "Make a reader by another system's id, or change what is given",
			func(ctx context.Context, by operators.By, r *http.Request, in PushedReader) (PushedOutcome, error) {
				return rm.Push.PutReader(ctx, by, r.PathValue("external_id"), in)
			}),
		act(http.MethodPut, "/push/readers", operators.Act, "The same for up to 500 readers; each row is its own outcome", rm.putReaders),
	}
}

// putReaders brings rows one by one: a bad one stops no other.
func (rm *Room) putReaders(ctx context.Context, by operators.By, _ *http.Request, in ReaderRows) (out RowOutcomes, err error) {
	if len(in.Readers) > mostRows {
		return out, statusError{http.StatusRequestEntityTooLarge, "there are more than 500 readers in it"}
	}
	for _, row := range in.Readers {
		o, err := rm.Push.PutReader(ctx, by, row.ExternalID, row.PushedReader)
		if err != nil {
			if !isPersonal(err) {
				return out, err
			}
			o = PushedOutcome{ExternalID: row.ExternalID, Error: err.Error()}
			out.Failed++
		}
		out.Rows = append(out.Rows, o)
	}
	return out, nil
}

// isPersonal reports whether an error is about one row alone.
func isPersonal(err error) bool {
	_, invalid := errors.AsType[Invalid](err)
	return invalid || errors.Is(err, ErrRefused) || errors.Is(err, ErrNotFound)
}
