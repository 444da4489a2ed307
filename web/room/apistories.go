package room

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"broadsheet/operators"
)

// StoryList is a page of stories, the latest first.
type StoryList struct {
	Stories []StoryLine `json:"stories"`
	Next    int64       `json:"next"` // before of the next page; 0 = this is the last
}

// HavingList is who has a story, or may have.
type HavingList struct {
	Having []StoryHaving `json:"having"`
}

// havingEndpoint tells all who have a story, as it is read: it may be everybody.
func (rm *Room) havingEndpoint() endpoint {
	e := look("/stories/{id}/having", operators.Act, "Who has a story, or may have: all of them, as they are read", nil, func(*http.Request) (none HavingList, err error) { return none, nil })
	e.serve = func(r *http.Request, _ operators.By, _ any) (any, error) {
		id, err := numberIn(r, "id")
		if err != nil {
			return nil, err
		}
		if err := rm.Stories.Exists(r.Context(), id); err != nil {
			return nil, err
		}
		return havingStream{rm, r, id}, nil
	}
	return e
}

// havingStream writes a [HavingList].
type havingStream struct {
	rm *Room
	r  *http.Request
	id int64
}

func (s havingStream) writeTo(w http.ResponseWriter) error {
	return s.rm.download(w, s.r, "application/json", "", func(to io.Writer) error {
		out := bufio.NewWriter(to) // what goes wrong is told by the flush
		before := `{"having":[`
		for h, err := range s.rm.Stories.Having(s.r.Context(), s.id) {
			if err != nil {
				return err
			}
			b, err := json.Marshal(withLists(h))
			if err != nil {
				return err
			}
			_, _ = out.WriteString(before)
			_, _ = out.Write(b)
			before = ","
		}
		if before != "," {
			_, _ = out.WriteString(before)
		}
		_, _ = out.WriteString("]}\n")
		return out.Flush()
	})
}

// Editors' bodies.
type (
	// PinBody pins a story in a section; 0 = no longer.
	PinBody struct {
		Reasoned
		Section string `json:"section"`
		Pin     int    `json:"pin"`
	}
	// LeadBody makes a story the lead of an edition or section, until a time.
	LeadBody struct {
		Reasoned
		Edition string `json:"edition,omitempty"`
		Section string `json:"section,omitempty"`
		Until   string `json:"until,omitempty"`
	}
	// CorrectBody is another wording.
	CorrectBody struct {
		Reasoned
		StoryCorrection
	}
	// TestBody says of which edition a test copy goes to whom.
	TestBody struct {
		Reasoned
		Edition string `json:"edition"`
		Address string `json:"address"`
	}
)

// storyEndpoints are stories, what is done before an issue goes, and the examination.
func (rm *Room) storyEndpoints() []endpoint {
	return []endpoint{
		look("/stories", operators.Look, "Stories, the latest first", []param{{"text", "in the headline"}, {"section", ""}, {"source", ""}, {"state", "held, pinned, lead, corrected or withdrawn"},
			{"since", "from this day on"}, {"before", "only stories with a lower id"}}, func(r *http.Request) (out StoryList, err error) {
			out.Stories, err = rm.Stories.Find(r.Context(), storyQuery(r.URL.Query()), apiPage+1)
			if len(out.Stories) > apiPage {
				out.Stories = out.Stories[:apiPage]
				out.Next = out.Stories[apiPage-1].ID
			}
			return out, err
		}),
		look("/stories/{id}", operators.Look, "A story with all that is known of it", nil, byID(func(ctx context.Context, id int64) (*Story, error) { return rm.Stories.Story(ctx, id) })),
		rm.havingEndpoint(),
		act(http.MethodPost, "/stories/{id}/pin", operators.Act, "Pin a story in a section", onID(func(ctx context.Context, by operators.By, id int64, in PinBody) (string, error) {
			return rm.Stories.Pin(ctx, by, id, in.Section, in.Pin)
		})),
		act(http.MethodPost, "/stories/{id}/lead", operators.Act, "Make a story the lead", onID(func(ctx context.Context, by operators.By, id int64, in LeadBody) (string, error) {
			return rm.Stories.Lead(ctx, by, id, in.Edition, in.Section, in.Until)
		})),
		act(http.MethodPost, "/stories/{id}/unlead", operators.Act, "A story is the lead no longer", onID(func(ctx context.Context, by operators.By, id int64, in LeadBody) (string, error) {
			return rm.Stories.Unlead(ctx, by, id, in.Edition, in.Section)
		})),
		act(http.MethodPost, "/stories/{id}/hold", operators.Act, "Hold a story back until a time", onID(func(ctx context.Context, by operators.By, id int64, in UntilBody) (string, error) {
			return rm.Stories.Hold(ctx, by, id, in.Until)
		})),
		act(http.MethodPost, "/stories/{id}/release", operators.Act, "Let a story that is held go", onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return rm.Stories.Release(ctx, by, id)
		})),
		act(http.MethodPost, "/stories/{id}/correct", operators.Act, "Give a story another wording", onID(func(ctx context.Context, by operators.By, id int64, in CorrectBody) (string, error) {
			return rm.Stories.Correct(ctx, by, id, in.StoryCorrection)
		})),
		act(http.MethodPost, "/stories/{id}/withdraw", operators.Act, "Withdraw a story, also from a run that is on its way", onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return rm.Stories.Withdraw(ctx, by, id)
		})),
		look("/preview", operators.Act, "The mail of a reader of an edition, as it would go: subject, size, links, what is wrong with it",
			[]param{{"edition", "its name"}, {"as", "address of the reader"}, {"at", "when, e.g. 2026-04-02T07:00"}, {"issue", "number; without it, the one at that time"}},
			func(r *http.Request) (*Preview, error) {
				return rm.Proofs.Preview(r.Context(), previewQuery(r.URL.Query()))
			}),
		look("/forecast", operators.Look, "The coming issues: readers, digests, size, time needed", nil, func(r *http.Request) (*Forecast, error) { return rm.Proofs.Forecast(r.Context()) }),
		look("/issues/{id}/proof", operators.Look, "How an issue stands before it goes", nil, byID(func(ctx context.Context, id int64) (*Proof, error) {
			p, err := rm.Proofs.Proof(ctx, id)
			if err != nil {
				return nil, err
			}
			return p, rm.Proofs.Sample(ctx, p)
		})),
		act(http.MethodPost, "/issues/{id}/approve", operators.Act, "Let an issue's slot go", onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return rm.Proofs.Approve(ctx, by, id)
		})),
		act(http.MethodPost, "/issues/{id}/disapprove", operators.Act, "Hold an issue's slot back", onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return rm.Proofs.Disapprove(ctx, by, id)
		})),
		act(http.MethodPost, "/test-sends", operators.Act, "Send a reader a test copy", func(ctx context.Context, by operators.By, _ *http.Request, in TestBody) (Done, error) {
			return done(rm.Proofs.TestSend(ctx, by, in.Edition, in.Address))
		}),
		look("/doctor", operators.Look, "What the last examination came to; null if there was none", nil, func(r *http.Request) (*Examination, error) { return rm.Doctor.Examined(r.Context()) }),
		act(http.MethodPost, "/doctor", operators.Act, "Examine the installation", func(ctx context.Context, by operators.By, _ *http.Request, _ Reasoned) (Done, error) {
			return done(rm.Doctor.Examine(ctx, by))
		}),
	}
}
