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
	// PutStory adds a story or changes it to what it is given as. [Invalid] says what is wrong with it;
	// [ErrRefused] that it was withdrawn.
	PutStory(ctx context.Context, by operators.By, externalID string, s PushedStory) (PushedOutcome, error)
	// PatchStory changes what is given of a story; [ErrNotFound] if there is none.
	PatchStory(ctx context.Context, by operators.By, externalID string, s StoryPatch) (PushedOutcome, error)
	// DropStory withdraws a story at once, also from a run that is on its way.
	DropStory(ctx context.Context, by operators.By, externalID string) (said string, err error)
	// PutReader makes a reader or changes what is given of one. It brings nobody back who has left or is
	// barred.
	PutReader(ctx context.Context, by operators.By, externalID string, r PushedReader) (PushedOutcome, error)
}

// PushedStory is a story as a newsroom gives it. What is left out is empty.
type PushedStory struct {
	Reasoned
	Headline  string       `json:"headline"`
	Sections  []string     `json:"sections"` // ids of the configuration, one at least
	URL       string       `json:"url,omitempty"`
	Lead      string       `json:"lead,omitempty"`
	Blocks    []StoryBlock `json:"blocks,omitempty"`
	Byline    string       `json:"byline,omitempty"`
	Authors   []string     `json:"authors,omitempty"`
	Tags      []string     `json:"tags,omitempty"`
	Language  string       `json:"language,omitempty"`  // BCP 47
	Published string       `json:"published,omitempty"` // RFC 3339; in the future, the story waits for it
	Image     *StoryImage  `json:"image,omitempty"`
}

// StoryPatch is what changes of a story. What is left out stays.
type StoryPatch struct {
	Reasoned
	Headline  *string       `json:"headline,omitempty"`
	Sections  *[]string     `json:"sections,omitempty"` // more of them: a story leaves none
	URL       *string       `json:"url,omitempty"`
	Lead      *string       `json:"lead,omitempty"`
	Blocks    *[]StoryBlock `json:"blocks,omitempty"`
	Byline    *string       `json:"byline,omitempty"`
	Authors   *[]string     `json:"authors,omitempty"`
	Tags      *[]string     `json:"tags,omitempty"`
	Language  *string       `json:"language,omitempty"`
	Published *string       `json:"published,omitempty"`
	Image     *StoryImage   `json:"image,omitempty"`
}

// StoryBlock is a part of a story's text, as plain text.
type StoryBlock struct {
	Type string `json:"type"` // p, crosshead, quote or list
	Text string `json:"text"`
}

// StoryImage is a story's picture.
type StoryImage struct {
	URL     string `json:"url"`
	Alt     string `json:"alt,omitempty"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Credit  string `json:"credit,omitempty"`
	Caption string `json:"caption,omitempty"`
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
		act(http.MethodPut, "/push/stories/{external_id}", operators.Act, "Add a story by the newsroom's own id, or change it to this",
			func(ctx context.Context, by operators.By, r *http.Request, in PushedStory) (PushedOutcome, error) {
				return rm.Push.PutStory(ctx, by, r.PathValue("external_id"), in)
			}),
		act(http.MethodPatch, "/push/stories/{external_id}", operators.Act, "Change what is given of a story",
			func(ctx context.Context, by operators.By, r *http.Request, in StoryPatch) (PushedOutcome, error) {
				return rm.Push.PatchStory(ctx, by, r.PathValue("external_id"), in)
			}),
		act(http.MethodDelete, "/push/stories/{external_id}", operators.Act, "Withdraw a story, also from a run that is on its way",
			func(ctx context.Context, by operators.By, r *http.Request, _ Reasoned) (Done, error) {
				return done(rm.Push.DropStory(ctx, by, r.PathValue("external_id")))
			}),
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
