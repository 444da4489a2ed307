package room

import (
	"context"
	"net/http"
	"strings"

	"broadsheet/operators"
)

// Readers' bodies.
type (
	// UntilBody says until when a reader pauses.
	UntilBody struct {
		Reasoned
		Until string `json:"until"` // a day, e.g. 2026-05-01
	}
	// ChangeBody is what changes of a reader, in the forms of an import. What is left out stays.
	ChangeBody struct {
		Reasoned
		Name       *string `json:"name,omitempty"`
		Sections   *string `json:"sections,omitempty"`
		Editions   *string `json:"editions,omitempty"`
		Hour       *string `json:"hour,omitempty"`
		Days       *string `json:"days,omitempty"`
		Zone       *string `json:"zone,omitempty"`
		Language   *string `json:"language,omitempty"`
		Format     *string `json:"format,omitempty"`
		ExternalID *string `json:"external_id,omitempty"`
	}
	// TypedBody repeats an address, for what cannot be undone.
	TypedBody struct {
		Reasoned
		Address string `json:"address"`
	}
	// BarBody bars an address.
	BarBody struct {
		Reasoned
		Address string `json:"address"`
		Reason  string `json:"reason"`
		Note    string `json:"note,omitempty"`
	}
	// TaskBody says how a task ends.
	TaskBody struct {
		Reasoned
		Leave bool `json:"leave,omitempty"` // its reader leaves everything first
	}
	// WaveBody names a wave of hard bounces.
	WaveBody struct {
		Reasoned
		Domain string `json:"domain"`
	}
	// FeedBody names a feed by its id in the list.
	FeedBody struct {
		Reasoned
		ID string `json:"id"`
	}
)

// readerEndpoints are readers, who is barred, what came back, and feeds.
func (rm *Room) readerEndpoints() []endpoint {
	onReader := func(name, summary string, do func(ctx context.Context, by operators.By, id int64) (string, error)) endpoint {
		return act(http.MethodPost, "/subscribers/{id}/"+name, operators.Act, summary, onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return do(ctx, by, id)
		}))
	}
	onWave := func(name, summary string, do func(ctx context.Context, by operators.By, issue int64, domain string) (string, error)) endpoint {
		return act(http.MethodPost, "/issues/{id}/waves/"+name, operators.Act, summary, onID(func(ctx context.Context, by operators.By, id int64, in WaveBody) (string, error) {
			return do(ctx, by, id, in.Domain)
		}))
	}
	return []endpoint{
		look("/explain", operators.Look, "Why a reader got the mail of an issue, or none", []param{{"as", "address or number of the reader"}, {"issue", "number; without it, the latest"}},
			func(r *http.Request) (*Explanation, error) {
				return rm.Readers.Explain(r.Context(), r.URL.Query().Get("as"), page(r, "issue"))
			}),
		look("/subscribers", operators.Look, "Readers", []param{{"q", "what to look for"}, {"in", "address, name or external"}, {"status", ""}, {"section", ""}, {"edition", ""}, {"after", "next of the page before"}},
			func(r *http.Request) (*ReaderList, error) {
				q := r.URL.Query()
				return rm.Readers.Find(r.Context(), ReaderSearch{Text: q.Get("q"), In: q.Get("in"), Status: q.Get("status"), Section: q.Get("section"), Edition: q.Get("edition"), After: q.Get("after")})
			}),
		look("/subscribers/{id}", operators.Look, "A reader with the timeline", []param{{"page", "of the timeline, from 0"}}, func(r *http.Request) (*Reader, error) {
			id, err := numberIn(r, "id")
			if err != nil {
				return nil, err
			}
			return rm.Readers.Reader(r.Context(), id, int(page(r, "page")))
		}),
		act(http.MethodPatch, "/subscribers/{id}", operators.Act, "Change what is given of a reader", onID(rm.changeReader)),
		act(http.MethodPost, "/subscribers/{id}/pause", operators.Act, "Pause a reader until a day", onID(func(ctx context.Context, by operators.By, id int64, in UntilBody) (string, error) {
			return rm.Readers.Pause(ctx, by, id, in.Until)
		})),
		onReader("resume", "End a reader's pause", func(ctx context.Context, by operators.By, id int64) (string, error) {
			return rm.Readers.Resume(ctx, by, id)
		}),
		onReader("unsubscribe", "Have a reader leave everything", func(ctx context.Context, by operators.By, id int64) (string, error) {
			return rm.Readers.Unsubscribe(ctx, by, id)
		}),
		onReader("link", "Send a reader a fresh link to their settings", func(ctx context.Context, by operators.By, id int64) (string, error) {
			return rm.Readers.SendLink(ctx, by, id)
		}),
		act(http.MethodPost, "/subscribers/{id}/erase", operators.Act, "Erase a reader; the address is given once more", onID(func(ctx context.Context, by operators.By, id int64, in TypedBody) (string, error) {
			return rm.Readers.Erase(ctx, by, id, in.Address)
		})),
		look("/suppressions", operators.Look, "Addresses that get no mail, with reasons", []param{{"q", "how the address begins"}, {"reason", ""}, {"after", "next of the page before"}}, func(r *http.Request) (*BarList, error) {
			q := r.URL.Query()
			return rm.Readers.Suppressions(r.Context(), BarSearch{Text: q.Get("q"), Reason: q.Get("reason"), After: q.Get("after")})
		}),
		act(http.MethodPost, "/suppressions", operators.Act, "Bar an address", func(ctx context.Context, by operators.By, _ *http.Request, in BarBody) (Done, error) {
			return done(rm.Readers.Suppress(ctx, by, in.Address, in.Reason, in.Note))
		}),
		act(http.MethodPost, "/suppressions/lift", operators.Act, "Let an address get mail again", func(ctx context.Context, by operators.By, _ *http.Request, in TypedBody) (Done, error) {
			if strings.TrimSpace(in.Address) == "" {
				return Done{}, Invalid{"address: is missing"}
			}
			return done(rm.Readers.Lift(ctx, by, in.Address))
		}),
		act(http.MethodPost, "/tasks/{id}/done", operators.Act, "Close a task", onID(func(ctx context.Context, by operators.By, id int64, in TaskBody) (string, error) {
			return rm.WayBack.FinishTask(ctx, by, id, in.Leave)
		})),
		onWave("undo", "Hard bounces of a domain are a false alarm", func(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
			return rm.WayBack.UndoWave(ctx, by, issue, domain)
		}),
		onWave("apply", "Hard bounces of a domain are true", func(ctx context.Context, by operators.By, issue int64, domain string) (string, error) {
			return rm.WayBack.ApplyWave(ctx, by, issue, domain)
		}),
		look("/messages/{id}", operators.Look, "A message that came in", nil, byID(func(ctx context.Context, id int64) (*Letter, error) { return rm.WayBack.Letter(ctx, id) })),
		look("/feeds", operators.Look, "The health of feeds and folders", nil, func(r *http.Request) (*FeedList, error) { return rm.Feeds.List(r.Context()) }),
		act(http.MethodPost, "/feeds/try", operators.Act, "Fetch a feed now", func(ctx context.Context, by operators.By, _ *http.Request, in FeedBody) (*Trial, error) {
			return rm.Feeds.Try(ctx, by, in.ID)
		}),
	}
}

// changeReader sets what is given of a reader; the rest of the form stays as it is.
func (rm *Room) changeReader(ctx context.Context, by operators.By, id int64, in ChangeBody) (string, error) {
	reader, err := rm.Readers.Reader(ctx, id, 0)
	if err != nil {
		return "", err
	}
	f := reader.Form
	for _, c := range []struct{ to, from *string }{{&f.Name, in.Name}, {&f.Sections, in.Sections}, {&f.Editions, in.Editions}, {&f.Hour, in.Hour}, {&f.Days, in.Days},
		{&f.Zone, in.Zone}, {&f.Language, in.Language}, {&f.Format, in.Format}, {&f.ExternalID, in.ExternalID}} {
		if c.from != nil {
			*c.to = *c.from
		}
	}
	return rm.Readers.Change(ctx, by, id, f)
}
