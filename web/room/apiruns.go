package room

import (
	"context"
	"net/http"

	"broadsheet/operators"
)

// RunList is the next runs.
type RunList struct {
	Runs []NextRun `json:"runs"`
}

// IssueList is a page of issues, the latest first.
type IssueList struct {
	Issues []Issue `json:"issues"`
	Next   int64   `json:"next"` // before of the next page; 0 = this is the last
}

// DeliveryList is a page of deliveries.
type DeliveryList struct {
	Deliveries []Delivery `json:"deliveries"`
	Next       int64      `json:"next"` // after of the next page; 0 = this is the last
}

// PickedBody says which deliveries an act is about.
type PickedBody struct {
	Reasoned
	Pick
}

// SettleBody also says how uncertain deliveries end.
type SettleBody struct {
	Reasoned
	Pick
	How string `json:"how"` // again = a further copy, arrived = they count as taken
}

// HowBody says how an uncertain delivery ends.
type HowBody struct {
	Reasoned
	How string `json:"how"` // again or arrived
}

const apiPage = 100

var filterParams = []param{{"state", "of the deliveries"}, {"reply", "a code or its beginning, an enhanced code, words"}, {"domain", "of the recipients"},
	{"relay", "that took them"}, {"address", "a part of it"}, {"after", "where the page before ended"}}

// runEndpoints are runs: what there is of them, and the ways to step in.
func (rm *Room) runEndpoints() []endpoint {
	onIssue := func(name, summary string, do func(ctx context.Context, by operators.By, issue int64) (string, error)) endpoint {
		return act(http.MethodPost, "/issues/{id}/"+name, operators.Act, summary, onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return do(ctx, by, id)
		}))
	}
	return []endpoint{
		look("/coming", operators.Look, "The next runs, with zones and readers", nil, func(r *http.Request) (out RunList, err error) {
			out.Runs, err = rm.Today.Coming(r.Context())
			return out, err
		}),
		look("/live", operators.Look, "The issues on their way: states, rate, time left, relays", nil, func(r *http.Request) (*Live, error) { return rm.Issues.Live(r.Context()) }),
		look("/issues", operators.Look, "Issues with their books, the latest first", []param{{"before", "only issues before this id"}}, func(r *http.Request) (out IssueList, err error) {
			out.Issues, err = rm.Issues.List(r.Context(), page(r, "before"), apiPage+1)
			if len(out.Issues) > apiPage {
				out.Issues = out.Issues[:apiPage]
				out.Next = out.Issues[apiPage-1].ID
			}
			return out, err
		}),
		look("/issues/{id}", operators.Look, "An issue with its books", nil, byID(func(ctx context.Context, id int64) (*Issue, error) { return rm.Issues.Issue(ctx, id) })),
		look("/issues/{id}/standing", operators.Look, "What holds an issue, and what can be done about it", nil,
			byID(func(ctx context.Context, id int64) (*Standing, error) { return rm.Runs.Standing(ctx, id) })),
		look("/issues/{id}/plots", operators.Look, "An issue's course: mails a minute, states, latency, domains, replies", nil,
			byID(func(ctx context.Context, id int64) (*Plots, error) {
				if _, err := rm.Issues.Issue(ctx, id); err != nil {
					return nil, err
				}
				return rm.Issues.Plots(ctx, id)
			})),
		look("/issues/{id}/deliveries", operators.Look, "An issue's deliveries", filterParams, func(r *http.Request) (out DeliveryList, err error) {
			id, err := numberIn(r, "id")
			if err != nil {
				return out, err
			}
			if _, err := rm.Issues.Issue(r.Context(), id); err != nil {
				return out, err
			}
			out.Deliveries, out.Next, err = rm.Issues.Browse(r.Context(), filterOf(r, id))
			return out, err
		}),
		onIssue("pause", "Hold an issue; 0 = everything", func(ctx context.Context, by operators.By, id int64) (string, error) {
			return rm.Runs.Pause(ctx, by, id)
		}),
		onIssue("resume", "Let an issue go on; 0 = everything", func(ctx context.Context, by operators.By, id int64) (string, error) {
			return rm.Runs.Resume(ctx, by, id)
		}),
		onIssue("stop", "End an issue for good, with all senders; 0 = hold everything", func(ctx context.Context, by operators.By, id int64) (string, error) { return rm.Runs.Stop(ctx, by, id) }),
		act(http.MethodPost, "/issues/{id}/retry", operators.Act, "Queue deliveries that failed or expired again", onID(func(ctx context.Context, by operators.By, id int64, in PickedBody) (string, error) {
			return rm.Runs.Retry(ctx, by, id, in.Pick)
		})),
		act(http.MethodPost, "/issues/{id}/settle", operators.Act, "Send uncertain deliveries again, or mark them as arrived", onID(func(ctx context.Context, by operators.By, id int64, in SettleBody) (string, error) {
			return rm.Runs.Settle(ctx, by, id, in.How, in.Pick)
		})),
		look("/deliveries/{id}", operators.Look, "A delivery and all that happened to it", nil,
			byID(func(ctx context.Context, id int64) (*DeliveryLife, error) { return rm.Issues.Delivery(ctx, id) })),
		act(http.MethodPost, "/deliveries/{id}/retry", operators.Act, "Queue a delivery that failed or expired again", onID(func(ctx context.Context, by operators.By, id int64, _ Reasoned) (string, error) {
			return rm.Runs.RetryDelivery(ctx, by, id)
		})),
		act(http.MethodPost, "/deliveries/{id}/settle", operators.Act, "Send an uncertain delivery again, or mark it as arrived", onID(func(ctx context.Context, by operators.By, id int64, in HowBody) (string, error) {
			return rm.Runs.SettleDelivery(ctx, by, id, in.How)
		})),
	}
}

// byID reads the number in a path.
func byID[Out any](of func(ctx context.Context, id int64) (Out, error)) func(r *http.Request) (Out, error) {
	return func(r *http.Request) (out Out, err error) {
		id, err := numberIn(r, "id")
		if err != nil {
			return out, err
		}
		return of(r.Context(), id)
	}
}

// onID does something to what a path's number names.
func onID[In any](do func(ctx context.Context, by operators.By, id int64, in In) (string, error)) func(context.Context, operators.By, *http.Request, In) (Done, error) {
	return func(ctx context.Context, by operators.By, r *http.Request, in In) (Done, error) {
		id, err := numberIn(r, "id")
		if err != nil {
			return Done{}, err
		}
		return done(do(ctx, by, id, in))
	}
}
